"""What was judged meets what is known: known findings stand aside, what is known and gone is a finding."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, TypeVar

from rnninit_hooks.baseline.debts import LintDebt, ModelDebt, split
from rnninit_hooks.findings import CODES, Finding

if TYPE_CHECKING:
    from rnninit_hooks.baseline.files import Baseline
    from rnninit_hooks.lint.runner import Outcome
    from rnninit_hooks.rows import Report

D = TypeVar("D", ModelDebt, LintDebt)
_MOST = 6
_UNMEASURED = ("RNN105", "RNN113")


def relative(path: str | Path, folder: Path) -> str:
    """A path as a baseline in `folder` names it, with `/` on every system."""
    try:
        return PurePath(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive
        return Path(path).absolute().as_posix()


@dataclass(frozen=True)
class ModelScope:
    """One target, judged by one rule file; a plan judges in part, so that it finds nothing `complete`.

    `unmeasured` are addresses of which no law could be judged, such as those on the meta device.
    """

    target: str
    rules: str
    complete: bool = True
    unmeasured: frozenset[str] = frozenset()

    def seeing(self, findings: Iterable[Finding]) -> ModelScope:
        """The scope with what these findings say could not be measured."""
        return replace(self, unmeasured=frozenset(one.address for one in findings if one.address and one.code in _UNMEASURED))

    def key(self, finding: Finding) -> ModelDebt:
        """The key of a finding of this target."""
        return ModelDebt(self.target, self.rules, finding.code, finding.address or "", finding.rule or "")

    def judged(self, debt: ModelDebt) -> bool:
        """True when not finding it means that it is gone."""
        measured = not debt.code.startswith("RNN2") or debt.address not in self.unmeasured
        return self.complete and measured and (debt.target, debt.rules) == (self.target, self.rules)


@dataclass(frozen=True)
class LintScope:
    """Files that were judged, by which codes, below which paths; names are relative to `folder`."""

    folder: Path
    files: frozenset[str]
    paths: tuple[str, ...]
    codes: frozenset[str]
    unsure: frozenset[tuple[str, str]] = frozenset()
    """Lines, by file and text, of which callers that were not judged may show more."""

    @classmethod
    def of(cls, outcome: Outcome, *, folder: Path, paths: tuple[Path, ...], codes: frozenset[str]) -> LintScope:
        """What one run of the lint has judged."""
        files = frozenset(relative(file, folder) for file in outcome.judged)
        unsure = frozenset((relative(file, folder), line) for file, line in outcome.unsure)
        return cls(folder, files, tuple(relative(path, folder) for path in paths), codes, unsure)

    def key(self, finding: Finding) -> LintDebt:
        """The key of a finding in source."""
        file = relative(finding.place.file, self.folder) if finding.place else ""
        return LintDebt(file, finding.code, (finding.excerpt or "").partition("\n")[0].strip())

    def judged(self, debt: LintDebt) -> bool:
        """True when not finding it means that it is gone: its file was judged, or is no longer there."""
        seen = debt.file in self.files and (debt.file, debt.line) not in self.unsure
        return debt.code in self.codes and (seen or self._removed(debt.file))

    def _removed(self, file: str) -> bool:
        below = any((path == "." and not file.startswith("../")) or file.startswith(f"{path}/") for path in self.paths)
        return below and not (self.folder / file).exists()


def report_settled(report: Report, baseline: Baseline, scope: ModelScope) -> Report:
    """The report without what is known, and with what is known and gone."""
    judged = scope.seeing(report.findings).judged
    parted = split(report.findings, baseline.models or {}, key=scope.key, judged=judged)
    return replace(report, findings=(*parted.new, *gone(parted.stale, baseline)), known=parted.known)


def outcome_settled(outcome: Outcome, baseline: Baseline, scope: LintScope) -> Outcome:
    """As `report_settled`, for the lint."""
    parted = split(outcome.findings, baseline.lint or {}, key=scope.key, judged=scope.judged)
    return replace(outcome, findings=(*parted.new, *gone(parted.stale, baseline)), known=parted.known)


def gone(stale: Mapping[D, int], baseline: Baseline) -> Iterator[Finding]:
    """One finding for all entries of one code and one rule, or of one code and one file."""
    groups: dict[tuple[str, str, str], list[D]] = {}
    for debt in sorted(stale):
        what: tuple[str, str] = (debt.target, debt.rule) if isinstance(debt, ModelDebt) else (debt.file, "")
        groups.setdefault((debt.code, *what), []).append(debt)
    for (code, where, rule), debts in groups.items():
        number = sum(stale[debt] for debt in debts)
        said = f"{number} known finding{'' if number == 1 else 's'} of {code} {CODES[code].name} in {where}"
        said += f" by rule {rule!r}" if rule else ""
        said += f" no longer occur{'s' if number == 1 else ''}: {_where(debts)}"
        fix = "run `rnninit baseline` for it, which removes what is gone and adds nothing"
        yield Finding("RNN118", said, level="warning", place=baseline.place(debts[0]), fix=fix)


def _where(debts: list[D]) -> str:
    names = [(debt.address or "the model") if isinstance(debt, ModelDebt) else repr(debt.line) for debt in debts]
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more


