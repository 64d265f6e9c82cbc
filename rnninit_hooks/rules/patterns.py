"""Regular expressions from strangers: compiled once, searched under a timeout, refused early when they explode."""

from __future__ import annotations

import itertools
import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import regex

from rnninit_hooks.errors import RnnInitError
from rnninit_hooks.rules.repeats import burden, work

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SEARCH_SECONDS = 0.25
LONGEST = 1000
_PROBE_SECONDS, _PROBING_SECONDS, MOST_WORK = 0.05, 0.25, 100_000
_left: ContextVar[Budget | None] = ContextVar("what is left for the patterns of one file", default=None)
_LENGTHS = (24, 48, 400)
_COMMON = ("a", "0", "_", ".", "aA0_")
_NAMES = ("encoder.layers.0.rnn.weight_hh_l0_reverse", "decoder.blocks.11.attention.in_proj_weight", "bias_l0")


class PatternTimeout(RnnInitError, TimeoutError):
    """A pattern took too long on a name; `pattern` and `name` say which."""

    def __init__(self, pattern: str, name: str) -> None:
        super().__init__(
            f"the pattern {pattern!r} takes over {SEARCH_SECONDS} s on {name!r}; write it without nested repetition"
        )
        self.pattern = pattern
        self.name = name

    def __reduce__(self) -> tuple[type[PatternTimeout], tuple[str, str]]:
        return type(self), (self.pattern, self.name)


@dataclass
class Budget:
    """What the patterns of one file may still cost: seconds of probing, and the work of compiling them."""

    seconds: float = _PROBING_SECONDS
    work: int = MOST_WORK


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> regex.Pattern[str]:
    """A compiled pattern; raises `regex.error`."""
    return regex.compile(pattern)


def found_in(pattern: str, names: Iterable[str]) -> tuple[str, ...]:
    r"""The names in which a pattern is found; raises `PatternTimeout`.

    >>> found_in(r"weight_hh_l\d+$", ["rnn.weight_hh_l0", "rnn.weight_ih_l0", "rnn.weight_hh_l0_reverse"])
    ('rnn.weight_hh_l0',)
    """
    return tuple(name for name in names if _found(pattern, name, SEARCH_SECONDS))


def _found(pattern: str, name: str, seconds: float) -> bool:
    try:
        return compiled(pattern).search(name, timeout=seconds) is not None
    except TimeoutError as error:
        raise PatternTimeout(pattern, name) from error


def trouble(pattern: str) -> str | None:
    """Why a pattern is refused: too long or large, no regular expression, exponential on an unlucky name; None if fine."""
    if len(pattern) > LONGEST:
        return f"is {len(pattern)} characters long; at most {LONGEST}"
    if why := burden(pattern):
        return why
    budget = _left.get() or Budget()
    budget.work -= work(pattern)
    if budget.work < 0:
        return "comes after others that are as much as one file may have; split the file, and use `extends`"
    try:
        compiled(pattern)
    except (regex.error, RecursionError, OverflowError, MemoryError) as error:
        return f"does not compile: {error or type(error).__name__}"
    return _explosion(pattern, budget)


@contextmanager
def one_budget() -> Iterator[None]:
    """Treat all patterns that are met inside as one: a thousand slow or large ones stop no machine."""
    token = _left.set(Budget())
    try:
        yield
    finally:
        _left.reset(token)


def _explosion(pattern: str, budget: Budget) -> str | None:
    """Probing ends after a while: what is merely slow passes, and each search has its own timeout later."""
    start = time.process_time()  # a machine that is busy elsewhere takes nothing from it
    end = start + budget.seconds
    try:
        for text in itertools.takewhile(lambda _: time.process_time() < end, _probes(pattern)):
            if _too_slow(pattern, text):
                return f"takes exponential time, for instance on {text[:12]!r}… ({len(text)} characters)"
        return None
    finally:
        budget.seconds -= time.process_time() - start


def _too_slow(pattern: str, text: str) -> bool:
    """Twice over: a machine that paused once must not refuse a good pattern."""
    for _ in range(2):
        try:
            _found(pattern, text, _PROBE_SECONDS)
        except PatternTimeout:
            continue
        return False
    return True


def _probes(pattern: str) -> Iterator[str]:
    """Names that make a backtracking search suffer: one thing repeated, then something that fits nothing."""
    letters = dict.fromkeys(char for char in pattern if char.isalnum() or char in "_. -")
    pumps = list(dict.fromkeys([*itertools.islice(letters, 6), *_COMMON]))
    yield from _NAMES
    for length in _LENGTHS:
        for pump in pumps:
            repeated = (pump * length)[:length]
            yield repeated
            yield repeated + "\n!"
