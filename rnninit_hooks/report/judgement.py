"""What was judged, as every output format takes it: subjects, their findings, and what makes the call fail."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rnninit_hooks.report.words import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding, Level

FailOn = Literal["error", "warning", "info", "never"]
LEVELS: tuple[Level, ...] = ("error", "warning", "info")
FAIL_ON: tuple[FailOn, ...] = (*LEVELS, "never")
UNJUDGED = "RNN320"


def fails(finding: Finding, fail_on: FailOn) -> bool:
    """True when a finding weighs as much as what the call is to fail on.

    >>> from rnninit_hooks.findings import Finding
    >>> [fails(Finding("RNN103", "untouched", "warning"), level) for level in FAIL_ON]
    [False, True, True, False]
    """
    return fail_on != "never" and LEVELS.index(finding.level) <= LEVELS.index(fail_on)


@dataclass(frozen=True)
class Subject:
    """One target or file: what was found about it, what is excused, and the ids of the rules that it was judged by.

    `unjudged` are rules that decide something of which it could not be said whether they hold. `file` is
    where a finding without a place belongs, where that is known. `table` is what was measured, its head first. `known` counts
    the findings that a baseline knows, `ignored` those that a comment silences.
    """

    name: str
    findings: tuple[Finding, ...] = ()
    allowed: tuple[tuple[Finding, str], ...] = ()
    rules: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    file: str | None = None
    note: str | None = None
    table: tuple[tuple[str, ...], ...] = ()
    known: int = 0
    ignored: int = 0


@dataclass(frozen=True)
class Judgement:
    """What one call says; `failure` is why nothing could be judged, and then the findings are what stood in the way.

    Paths of findings are relative to `folder`; formats that a repository reads give them relative to `root`.

    >>> Judgement("lint", (Subject("a.py"), Subject("b.py")), noun="file").summary
    'lint: 2 files, 0 errors, 0 warnings, 0 infos'
    """

    verb: str
    subjects: tuple[Subject, ...]
    noun: str = "target"
    fail_on: FailOn = "warning"
    failure: str | None = None
    folder: Path = Path()
    root: Path = Path()

    @property
    def found(self) -> Iterator[tuple[Subject, Finding]]:
        """Every finding that stands, with its subject."""
        return ((subject, finding) for subject in self.subjects for finding in subject.findings)

    @property
    def allowed(self) -> Iterator[tuple[Subject, Finding, str]]:
        """Every finding that the policy excuses, with its subject and the reason."""
        return ((subject, finding, reason) for subject in self.subjects for finding, reason in subject.allowed)

    @property
    def failed(self) -> bool:
        """True when a finding stands that the call is to fail on."""
        return any(fails(finding, self.fail_on) for _, finding in self.found)

    @property
    def unjudged(self) -> int:
        """How many files could not be judged."""
        return sum(finding.code == UNJUDGED for _, finding in self.found)

    @property
    def summary(self) -> str:
        """One line: what was judged, how many findings of each level."""
        if self.failure is not None:
            return f"{self.verb}: could not judge: {self.failure}"
        levels = [count(sum(one.level == level for _, one in self.found), level) for level in LEVELS]
        excused = sum(len(subject.allowed) for subject in self.subjects)
        said = {"allowed": excused, "ignored with a reason": sum(subject.ignored for subject in self.subjects)}
        said |= {"in the baseline": sum(subject.known for subject in self.subjects)}
        more = [f"{number} {words}" for words, number in said.items() if number]
        more += [f"{self.unjudged} not judged"] if self.unjudged else []
        return f"{self.verb}: {', '.join([count(len(self.subjects), self.noun), *levels, *more])}"
