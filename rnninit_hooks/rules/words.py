"""Suggestions for words that were almost right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

HABITS = {
    "name": "id", "pattern": "parameter", "regex": "parameter", "param": "parameter", "params": "parameter", "gates": "gate",
    "layers": "layer", "modules": "module", "class": "module", "type": "kind", "kinds": "kind", "initializer": "init",
    "initialiser": "init", "recipe": "init", "comment": "why", "description": "why", "extend": "extends", "rule": "rules",
    "where": "match", "ignore": "allow", "sd": "std", "sigma": "std", "scale": "gain", "mu": "mean", "val": "value",
}  # fmt: skip


_left: ContextVar[list[int] | None] = ContextVar("suggestions left for one file", default=None)
MOST_GUESSES = 100
_LONGEST = 60  # nobody mistypes a longer word, and comparing takes the square of the length


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing.

    >>> did_you_mean("ortogonal", ["orthogonal", "zeros"]), did_you_mean("gates", ["gate", "kind"])
    ("; did you mean 'orthogonal'?", "; did you mean 'gate'?")
    """
    left = _left.get()
    if left is not None:
        left[0] -= 1
    return _nearest(word[:_LONGEST], tuple(known)) if left is None or left[0] >= 0 else ""


@contextmanager
def few_guesses() -> Iterator[None]:
    """Suggest for the first hundred words that are met inside: a file with more has another trouble than its spelling."""
    token = _left.set([MOST_GUESSES])
    try:
        yield
    finally:
        _left.reset(token)


@lru_cache(maxsize=1024)
def _nearest(word: str, names: tuple[str, ...]) -> str:
    habit = HABITS.get(word.lower())
    guesses = [habit] if habit in names else difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f"; did you mean {guesses[0]!r}?" if guesses else ""
