"""Reports of one call, delivered in a format, and the exit status that they are worth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnninit_hooks.cli.failures import CLEAN, FINDINGS
from rnninit_hooks.cli.judging import of_reports
from rnninit_hooks.cli.output import put, put_judgement
from rnninit_hooks.report.judgement import fails
from rnninit_hooks.report.words import count, visible
from rnninit_hooks.rows import FactTable, Report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from rnninit_hooks.report.judgement import FailOn


@dataclass(frozen=True)
class Written:
    """The file of weights that a call wrote; `tensors` is None when it wrote none."""

    path: Path
    tensors: int | None = None
    size: int = 0

    def __str__(self) -> str:
        """One line for people."""
        if self.tensors is None:
            return f"nothing was written to {self.path}"
        return f"wrote {self.path}: {count(self.tensors, 'tensor')}, {count(self.size, 'byte')}"

    def to_dict(self) -> dict[str, Any] | None:
        """Plain data for JSON, or None when nothing was written."""
        return None if self.tensors is None else {"path": str(self.path), "tensors": self.tensors, "bytes": self.size}


@dataclass(frozen=True)
class Judged:
    """What a command says of every target."""

    command: str
    reports: tuple[tuple[str, Report | FactTable], ...]
    written: Written | None = None

    @property
    def clean(self) -> bool:
        """True when no report has an error or a warning."""
        return all(report.clean for _, report in self.reports)

    @property
    def ok(self) -> bool:
        """True when no report has an error."""
        return all(report.ok for _, report in self.reports)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, of one shape whatever the number of targets."""
        facts: dict[str, Any] = {"verb": self.command, "ok": self.ok, "clean": self.clean}
        facts["reports"] = [{"target": target, **report.to_dict()} for target, report in self.reports]
        return facts | ({"written": self.written.to_dict()} if self.written else {})


def deliver(judged: Judged, form: str, *, output: str | None = None, fail_on: FailOn = "warning") -> int:
    """Print what was judged, or write it to a file; gives the exit status."""
    if form in ("text", "json"):
        put(form, output, lines=lambda width: _lines(judged, width), document=judged.to_dict)
    else:
        put_judgement(of_reports(judged.command, judged.reports, fail_on), form, output)
    return FINDINGS if any(fails(one, fail_on) for _, report in judged.reports for one in report.findings) else CLEAN


def _lines(judged: Judged, width: int) -> Iterator[Text]:
    from rich.text import Text

    from rnninit_hooks.report.tables import fact_lines
    from rnninit_hooks.report.text import report_lines

    for index, (target, report) in enumerate(judged.reports):
        if len(judged.reports) > 1:
            yield Text(("\n" if index else "") + visible(target), style="bold underline")
        yield from report_lines(report, width=width) if isinstance(report, Report) else fact_lines(report, width=width)
    if judged.written:
        yield Text(visible(str(judged.written)))
