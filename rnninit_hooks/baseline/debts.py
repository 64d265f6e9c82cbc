"""A known finding has a key and a count; findings are parted by them, and counts only shrink."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from rnninit_hooks.findings import Finding

_EXCUSE = "it speaks of an excuse, and an excuse is not excused in turn"
_REFUSED = {
    "RNN0": "a rule file that cannot be read judges nothing",
    "RNN110": _EXCUSE,
    "RNN117": _EXCUSE,
    "RNN118": _EXCUSE,
    "RNN205": "a model that holds nan or inf cannot run",
    "RNN206": "it compares with a record, which has its own place",
    "RNN207": "it compares with a record, which has its own place",
    "RNN320": "a file that cannot be judged may hold any fault",
    "RNN321": _EXCUSE,
    "RNN322": _EXCUSE,
}


@dataclass(frozen=True, order=True)
class ModelDebt:
    """The key of a finding of a model: what was judged, by which rules, and where; its words are no part of it."""

    target: str
    rules: str
    code: str
    address: str = ""
    rule: str = ""


@dataclass(frozen=True, order=True)
class LintDebt:
    """The key of a finding in source: file, code and the text of the line, so that it survives a move of that line."""

    file: str
    code: str
    line: str


D = TypeVar("D", ModelDebt, LintDebt)


@dataclass(frozen=True)
class Split(Generic[D]):
    """Findings that a baseline does not know, those that it knows, and what it knows and nobody found."""

    new: tuple[Finding, ...]
    known: tuple[Finding, ...]
    stale: Counter[D]


def refusal(code: str) -> str | None:
    """Why findings of a code are never known, or None.

    >>> refusal("RNN205")
    'a model that holds nan or inf cannot run'
    """
    return next((reason for start, reason in _REFUSED.items() if code.startswith(start)), None)


def is_debt(finding: Finding) -> bool:
    """True for what a baseline can hold: an error or a warning of a code that is not refused."""
    return finding.level != "info" and refusal(finding.code) is None


def taken(findings: Iterable[Finding], key: Callable[[Finding], D]) -> Counter[D]:
    """The counts of findings that a baseline can hold."""
    return Counter(key(finding) for finding in findings if is_debt(finding))


def split(
    findings: Iterable[Finding], counts: Mapping[D, int], *, key: Callable[[Finding], D], judged: Callable[[D], bool]
) -> Split[D]:
    """Part findings by what is known; of findings with one key, as many are known as the count says, the first ones.

    `judged` says of a key whether not finding it says anything.

    >>> found = [Finding("RNN103", "untouched", address=name) for name in ("a", "b", "b")]
    >>> parted = split(found, {LintDebt("b", "", ""): 1}, key=lambda one: LintDebt(one.address, "", ""), judged=bool)
    >>> len(parted.known), [one.address for one in parted.new]
    (1, ['a', 'b'])
    """
    left = Counter(counts)
    new: list[Finding] = []
    known: list[Finding] = []
    for finding in findings:
        debt = key(finding) if is_debt(finding) else None
        if debt is not None and left[debt] > 0:
            left[debt] -= 1
            known.append(finding)
        else:
            new.append(finding)
    return Split(tuple(new), tuple(known), Counter({debt: n for debt, n in left.items() if n > 0 and judged(debt)}))


def shrunk(counts: Mapping[D, int], now: Mapping[D, int], *, judged: Callable[[D], bool]) -> Counter[D]:
    """Counts without what is gone; nothing is added, and what was not judged stays."""
    kept = {debt: min(number, now.get(debt, 0)) if judged(debt) else number for debt, number in counts.items()}
    return Counter({debt: number for debt, number in kept.items() if number > 0})


def missing(counts: Mapping[D, int], now: Mapping[D, int]) -> Counter[D]:
    """What stands and is not known."""
    return Counter(now) - Counter(counts)
