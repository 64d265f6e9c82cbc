"""A report as lines of text: modules, then rules and their reasons, then findings, then the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from rnninit_hooks.report.flow import Cell, flow, plain, prose, widths
from rnninit_hooks.report.groups import USUAL, Line, module_groups, outside_count, status_text
from rnninit_hooks.report.problems import STYLES, allowed_lines, finding_lines
from rnninit_hooks.report.tables import fact_lines
from rnninit_hooks.report.words import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.rows import FactTable, Report, Row, Status, Verb

WIDTH = 80
_COLUMN_STYLES = ("", "cyan", "dim", "green", "dim")
_ON_FIRST_LINE = 3
_VERDICTS = {
    "write": "to write",
    "keep": "kept",
    "written": "written",
    "pending": "pending",
    "loaded": "loaded, left alone",
}
_VERDICTS |= {"touched": "changed by others, left alone", "obeys": "obey", "breaks": "break"}


def render_report(report: Report, *, width: int = WIDTH) -> str:
    """A report as plain text, without colour."""
    return plain(report_lines(report, width=width))


def render_facts(table: FactTable, *, width: int = WIDTH) -> str:
    """A table of facts as plain text, without colour."""
    return plain(fact_lines(table, width=width))


def render_findings(findings: Sequence[Finding], *, width: int = WIDTH) -> str:
    """Findings alone, as plain text."""
    return plain(finding_lines(findings, width=width))


def report_lines(report: Report, *, width: int = WIDTH) -> Iterator[Text]:
    """A report as styled lines of at most `width` columns."""
    yield from _modules(report, width)
    if report.verb == "plan":
        yield from _reasons(report.rows, width)
    modules = {row.address: row.module for row in report.rows}
    problems = list(finding_lines(report.findings, width=width, modules=modules, whys=_whys(report.rows)))
    problems += allowed_lines(report.allowed, width=width)
    yield from [*problems, Text("")] if problems else []
    style = "green" if report.clean else STYLES["warning" if report.ok else "error"]
    yield from prose(verdict(report), width=width, style=style)


def _modules(report: Report, width: int) -> Iterator[Text]:
    groups = module_groups(report.rows, report.verb)
    columns = widths([line.cells for group in groups for line in group.lines])
    for group in groups:
        yield from flow([Cell(group.module, "bold"), Cell(group.type, "magenta")], width=width)
        for line in group.lines:
            yield from _line(line, columns, width)
        yield Text("")
    outside = outside_count(report.rows)
    if outside:
        yield from prose(f"{count(outside, 'parameter')} outside recurrent modules: untouched", width=width, style="dim")
        yield Text("")


def _line(line: Line, columns: Sequence[int], width: int) -> Iterator[Text]:
    """One line where all columns fit; else what it is on the first, what happens to it on the second."""
    rows = zip(line.cells, _COLUMN_STYLES, columns, strict=True)
    cells = [Cell(text, style, size) for text, style, size in rows if size]
    first = sum(1 for size in columns[:_ON_FIRST_LINE] if size)
    if sum(cell.extent + 2 for cell in cells) > width:
        yield from flow(cells[:first], width=width, indent=2)
        yield from flow([cell for cell in cells[first:] if cell.text], width=width, indent=6, hang=6)
    else:
        yield from flow(cells, width=width, indent=2)
    if line.note:
        yield from prose(line.note, width=width, indent=6, hang=6, style="yellow")


def _whys(rows: Sequence[Row]) -> dict[str, str]:
    return {row.rule: row.why for row in rows if row.rule and row.why}


def _reasons(rows: Sequence[Row], width: int) -> Iterator[Text]:
    reasons = _whys(rows)
    for rule, why in reasons.items():
        yield from prose(f"{rule}: {why}", width=width, hang=4, style="dim")
    yield from [Text("")] if reasons else []


def verdict(report: Report) -> str:
    """The last line: what became of the slots, how many errors and warnings.

    >>> from rnninit_hooks.rows import Report
    >>> verdict(Report("plan", ()))
    'plan: 0 slots to write, 0 errors, 0 warnings'
    """
    told = [f"{count(number, 'slot')} {_told(status, report.verb, number)}" for status, number in _tally(report).items()]
    levels = [count(_at_level(report, level), level) for level in ("error", "warning")]
    excused = [count(len(report.allowed), "finding") + " allowed"] if report.allowed else []
    return f"{report.verb}: {', '.join([*told, *levels, *excused, *aside(report.counts)])}"


def aside(counts: Mapping[str, int]) -> list[str]:
    """What a summary says of findings that a baseline knows and of excuses that are stale; nothing of none.

    >>> aside({"baselined": 3, "stale": 0})
    ['3 in the baseline']
    """
    said = {"in the baseline": counts["baselined"], "stale": counts["stale"]}
    return [f"{number} {words}" for words, number in said.items() if number]


def _told(status: Status, verb: Verb, number: int) -> str:
    words = status_text(status, verb)
    if number == 1 and status in ("obeys", "breaks"):
        return status
    return words if words != status else _VERDICTS[status]


def _tally(report: Report) -> dict[Status, int]:
    """Slots by status, the verb's own first and always there; those left untouched do not count as decided."""
    tally: dict[Status, int] = {USUAL[report.verb]: 0}
    for row in report.rows:
        if row.status in _VERDICTS:
            tally[row.status] = tally.get(row.status, 0) + 1
    return tally


def _at_level(report: Report, level: str) -> int:
    return sum(1 for finding in report.findings if finding.level == level)
