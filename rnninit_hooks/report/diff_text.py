"""A diff as lines of text: modules with what changes, findings that come and go, the summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from rnninit_hooks.report.diff_groups import WORDS, diff_groups
from rnninit_hooks.report.flow import Cell, flow, plain, prose, widths
from rnninit_hooks.report.problems import finding_lines
from rnninit_hooks.report.words import count, joined, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rnninit_hooks.changes import Change, Diff
    from rnninit_hooks.findings import Finding
    from rnninit_hooks.report.diff_groups import Group, Side

WIDTH = 80
_STYLES = {"changed": "yellow", "only_a": "red", "only_b": "green", "same": "dim"}


def render_diff(diff: Diff, *, width: int = WIDTH) -> str:
    """A diff as plain text, without colour."""
    return plain(diff_lines(diff, width=width))


def diff_lines(diff: Diff, *, width: int = WIDTH) -> Iterator[Text]:
    """A diff as styled lines of at most `width` columns; slots that stay as they are, are counted only."""
    yield from prose(f"--- {visible(diff.a)}", width=width, style="red")
    yield from prose(f"+++ {visible(diff.b)}", width=width, style="green")
    yield from prose(f"seed {diff.seeds[0]} -> {diff.seeds[1]}", width=width) if diff.seeds[0] != diff.seeds[1] else []
    yield Text("")
    yield from _section([row for row in diff.rows if row.change != "same"], width)
    reworded = [row for row in diff.rows if row.reworded]
    if reworded:
        yield from prose("bit-identical, but said otherwise:", width=width, style="bold")
        yield from _section(reworded, width)
    yield from _findings(diff, width)
    yield from _unjudged(diff, width)
    yield from prose(f"diff: {diff.summary}", width=width, style="green" if diff.same else "yellow")


def _section(rows: Sequence[Change], width: int) -> Iterator[Text]:
    groups = diff_groups(rows)
    columns = widths([[group.where, group.size] for group in groups])
    above = None
    for group in groups:
        if group.module != above:
            yield from [Text("")] if above is not None else []
            yield from flow([Cell(group.module, "bold"), Cell(group.type, "magenta")], width=width)
            above = group.module
        yield from _group(group, columns, width)
    yield from [Text("")] if groups else []


def _group(group: Group, columns: Sequence[int], width: int) -> Iterator[Text]:
    head = [Cell(group.where, "cyan", columns[0]), Cell(group.size, "dim", columns[1])]
    yield from flow([*head, Cell(WORDS[group.change], _STYLES[group.change])], width=width, indent=2, hang=4)
    yield from _side("-", group.a, "red", width)
    yield from _side("+", group.b, "green", width)
    for text in (group.figures, group.note):
        yield from prose(text, width=width, indent=6, hang=8) if text else []


def _side(sign: str, side: Side, style: str, width: int) -> Iterator[Text]:
    source = f"  {side.source}" if side.source else ""
    why = f": {side.why}" if side.why else ""
    yield from prose(f"{sign} {side.decision}{source}{why}", width=width, indent=4, hang=8, style=style)


def _findings(diff: Diff, width: int) -> Iterator[Text]:
    for title, findings in (("findings that come:", diff.new), ("findings that go:", diff.gone)):
        yield from _titled(title, findings, width) if findings else []


def _titled(title: str, findings: Sequence[Finding], width: int) -> Iterator[Text]:
    yield from prose(title, width=width, style="bold")
    yield from finding_lines(findings, width=width)
    yield Text("")


def _unjudged(diff: Diff, width: int) -> Iterator[Text]:
    if diff.unjudged:
        names = joined(visible(name) for name in diff.unjudged)
        text = f"not judged, for the shape is not known yet: {names} ({count(len(diff.unjudged), 'parameter')})"
        yield from prose(text, width=width, style="yellow")
        yield Text("")
