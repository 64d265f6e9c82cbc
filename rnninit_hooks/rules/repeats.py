r"""What the repetitions of a pattern do to it, seen in its text: how large it becomes, and where it is ambiguous.

A compiler writes `(a{1000}){1000}` out a million times before it can be stopped, and `(\w|\d)+` can read one digit in two
ways in every round. Both are facts of the text, so a pattern is refused for them on every machine alike, and uncompiled.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

import regex

LARGEST, _MANY_ROUNDS, _OF_A_CHARACTER = 10_000, 8, 4
_CHARACTERS = [chr(code) for code in range(32, 127)]
_TOKEN = re.compile(
    r"(?P<comment>\(\?#(?:\\.|[^)\\])*\))|(?P<open>\((?:\?(?:P?<\w+>|<?[=!]|[>|:]|[A-Za-z0-9-]*:)?)?)|(?P<close>\))"
    r"|(?P<bar>\|)|(?P<count>(?:[*+?]|\{[0-9]*,?[0-9]*\})[?+]?)|(?P<atom>\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.)",
    re.DOTALL,
)
_VERBOSE, _NESTED_SETS = re.compile(r"\(\?[A-Za-z0-9-]*x"), re.compile(r"\(\?[A-Za-z0-9-]*V1")


def burden(pattern: str) -> str | None:
    r"""Why a pattern's repetitions are too much, or None.

    >>> burden(r"layers\.(\d+)\.weight_hh_l\d{1,2}") is None
    True
    >>> burden(r"(a{1000}){1000}")
    'grows to over 10000 parts when its repetitions are written out'
    >>> print(burden(r"^(\w|\d)+$"))
    can read '0' in two ways in every round of (\w|\d)+
    """
    if _VERBOSE.search(pattern) and "#" in pattern:
        return "has comments (flag x); say it in `why`, and leave the flag out"
    if _NESTED_SETS.search(pattern) and "[" in pattern:
        return "has sets of flag V1; leave the flag out"
    return _Walk(pattern).burden()


def work(pattern: str) -> int:
    r"""How much it is to compile a pattern that is no burden: its parts when written out, and its text.

    >>> work(r"weight_hh_l\d+"), work("(a{99}){90}") > 8_000
    (69, True)
    """
    walk = _Walk(pattern)
    walk.burden()
    return sum(cost for group in walk.open for cost in group.costs) + _OF_A_CHARACTER * len(pattern)


@dataclass
class _Group:
    """An open group: where it begins, where its branches begin, and what its atoms cost so far."""

    start: int
    branches: list[int]
    costs: list[int] = field(default_factory=list)


class _Walk:
    """One pass over a pattern's tokens; brackets that do not pair up are left for the compiler to report."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.open = [_Group(0, [0])]
        self.closed: tuple[int, list[str]] | None = None
        """Start and branches of the group that ends right before the present token."""

    def burden(self) -> str | None:
        for token in _TOKEN.finditer(self.pattern):
            if token.lastgroup == "count" and (why := self._counted(token)):
                return why
            self._step(token)
        return _too_large(sum(cost for group in self.open for cost in group.costs))

    def _step(self, token: re.Match[str]) -> None:
        self.closed = None
        if token.lastgroup == "open":
            self.open.append(_Group(token.start(), [token.end()]))
        elif token.lastgroup == "close" and len(self.open) > 1:
            self._close(self.open.pop(), token.start())
        elif token.lastgroup == "bar":
            self.open[-1].branches.append(token.end())
        elif token.lastgroup == "atom":
            self.open[-1].costs.append(1)

    def _close(self, group: _Group, end: int) -> None:
        ends = [start - 1 for start in group.branches[1:]] + [end]
        branches = [self.pattern[start:stop] for start, stop in zip(group.branches, ends, strict=True)]
        self.open[-1].costs.append(1 + sum(group.costs))
        self.closed = (group.start, branches)

    def _counted(self, token: re.Match[str]) -> str | None:
        costs = self.open[-1].costs
        if not costs:
            return None
        copies, rounds = _rounds(token.group().rstrip("?+") or token.group()[0])
        costs[-1] *= copies
        possessive = len(token.group()) > 1 and token.group().endswith("+")
        if self.closed and rounds > _MANY_ROUNDS and not possessive and (char := _shared(self.closed[1])):
            return f"can read {char!r} in two ways in every round of {self.pattern[self.closed[0] : token.end()][:40]}"
        return _too_large(costs[-1])


def _rounds(count: str) -> tuple[int, float]:
    """How often the compiler writes the repeated part out, and how often it can be read at most."""
    if count in "*+?":
        return (2 if count == "+" else 1), (1 if count == "?" else float("inf"))
    least, comma, most = count.strip("{}").partition(",")
    low = int(least or 0)
    high: float = (int(most) if most else float("inf")) if comma else low
    return max(1, low if high == low else low + 1), high


def _too_large(cost: int) -> str | None:
    return f"grows to over {LARGEST} parts when its repetitions are written out" if cost > LARGEST else None


def _shared(branches: list[str]) -> str | None:
    """A character that two branches both read; branches with groups of their own are left to the probing."""
    read: set[str] = set()
    for branch in branches:
        own = _read(branch) if "(" not in branch else frozenset()
        if twice := read & own:
            return min(twice)
        read |= own
    return None


@lru_cache(maxsize=4096)
def _read(branch: str) -> frozenset[str]:
    """The single characters that a branch reads."""
    try:
        reader = regex.compile(branch)
    except regex.error:  # a reference to a group outside; the probing sees the whole pattern
        return frozenset()
    return frozenset(char for char in _CHARACTERS if reader.fullmatch(char))
