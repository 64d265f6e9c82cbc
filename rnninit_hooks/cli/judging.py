"""Reports, tables, outcomes and failures as one judgement, which every format can render."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rnninit_hooks.report.judgement import Judgement, Subject
from rnninit_hooks.report.paths import repository
from rnninit_hooks.report.words import count, digits, shape_text
from rnninit_hooks.rows import FactTable, Report, SlotFacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rnninit_hooks.cli.failures import CannotJudge
    from rnninit_hooks.cli.pages import FileVerdict
    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.runner import Outcome
    from rnninit_hooks.report.judgement import FailOn

_NUMBERS = (
    "mean", "std", "min", "max", "spectral_radius", "singular_min", "singular_max", "orthogonality",
    "effective_bias", "retention", "time_constant",
)  # fmt: skip


def of_reports(verb: str, reports: Iterable[tuple[str, Report | FactTable]], fail_on: FailOn) -> Judgement:
    """What a model command says of its targets."""
    return _judgement(verb, [_of_target(name, report) for name, report in reports], noun="target", fail_on=fail_on)


def of_lint(outcome: Outcome, fail_on: FailOn) -> Judgement:
    """What the lint says of its files, those without findings too."""
    found: dict[str, list[Finding]] = {name: [] for name in outcome.names}
    for finding in outcome.findings:
        found.setdefault(_file(finding), []).append(finding)
    ignored, known = (Counter(_file(one) for one in own) for own in ((one for one, _ in outcome.ignored), outcome.known))
    subjects = [
        Subject(name, tuple(own), known=known[name], ignored=ignored[name], file=name) for name, own in found.items()
    ]
    return _judgement("lint", subjects, noun="file", fail_on=fail_on)


def _file(finding: Finding) -> str:
    return finding.place.file if finding.place else "source"


def of_rule_files(verdicts: Iterable[FileVerdict]) -> Judgement:
    """What `rules` says of its files."""
    subjects = [Subject(one.file, one.findings, file=one.file, note=count(one.rules, "rule")) for one in verdicts]
    return _judgement("rules", subjects, noun="file", fail_on="warning")


def of_failure(verb: str, failure: CannotJudge) -> Judgement:
    """Why nothing could be judged, and the findings that stood in the way."""
    subjects = [Subject(failure.subject, failure.findings)] if failure.findings else []
    judged = _judgement(verb, subjects, noun="subject", fail_on="warning")
    return Judgement(
        verb, judged.subjects, "subject", failure=str(failure).removeprefix("rnninit: "),
        folder=judged.folder, root=judged.root,
    )  # fmt: skip


def _judgement(verb: str, subjects: Sequence[Subject], *, noun: str, fail_on: FailOn) -> Judgement:
    folder = Path.cwd()
    return Judgement(verb, tuple(subjects), noun, fail_on, folder=folder, root=repository(folder))


def _of_target(name: str, report: Report | FactTable) -> Subject:
    file = _source(name)
    if isinstance(report, FactTable):
        return Subject(name, report.findings, file=file, table=_table(report.rows), note=count(len(report.rows), "slot"))
    from rnninit_hooks.report.text import verdict

    rules = dict.fromkeys(row.rule for row in report.rows if row.rule)
    open_ = dict.fromkeys(row.rule for row in report.rows if row.rule and (report.verb, row.status) == ("check", "write"))
    return Subject(
        name, report.findings, report.allowed, tuple(rules), tuple(open_), file, verdict(report), known=len(report.known)
    )  # fmt: skip


def _source(target: str) -> str | None:
    """The file that a target was built from, where it is one."""
    path = target.rpartition(":")[0]
    return path if Path(path).is_file() else getattr(sys.modules.get(path), "__file__", None)


def _table(rows: Sequence[SlotFacts]) -> tuple[tuple[str, ...], ...]:
    names = [name for name in _NUMBERS if any(getattr(row, name) is not None for row in rows)]
    cells = ((row.address, shape_text(row.shape), *(digits(getattr(row, name), 4) for name in names)) for row in rows)
    return (("slot", "shape", *(name.replace("_", " ") for name in names)), *cells)
