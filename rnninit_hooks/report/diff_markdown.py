"""A diff as Markdown for a pull request: a heading, what changes in a table, what stays behind a fold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnninit_hooks.report.diff_groups import WORDS, diff_groups
from rnninit_hooks.report.markdown import LIMIT, code
from rnninit_hooks.report.sentences import sentence, title
from rnninit_hooks.report.words import count, joined

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rnninit_hooks.changes import Diff
    from rnninit_hooks.report.diff_groups import Group, Side

_RESERVE = 400
_HEAD = ("slots", "what", "from", "to", "figures")


def render_diffs(diffs: Sequence[tuple[str, Diff]]) -> str:
    """What changes in every target; at most `LIMIT` characters, with a count of the rows left out."""
    room, left, lines = LIMIT - _RESERVE, 0, list[str]()
    for line in (line for target, diff in diffs for line in _lines(target, diff)):
        if len(line) + 1 <= room and (not left or not _is_row(line)):
            lines.append(line)
            room -= len(line) + 1
        else:
            left += _is_row(line)
    told = [f"\n{count(left, 'row')} left out: the text would be longer than {LIMIT} characters."] if left else []
    return "\n".join([*lines, *told])


def _is_row(line: str) -> bool:
    return line.startswith("| <code>")


def _lines(target: str, diff: Diff) -> Iterator[str]:
    yield f"### rnninit diff {code(target)}"
    yield f"\n{code(diff.a)} → {code(diff.b)}: **{diff.summary}**"
    if diff.seeds[0] != diff.seeds[1]:
        yield f"\nseed {diff.seeds[0]} → {diff.seeds[1]}"
    yield from _table(_HEAD, [_row(group) for group in diff_groups(row for row in diff.rows if row.change != "same")])
    found = [("comes", one) for one in diff.new] + [("goes", one) for one in diff.gone]
    cells = [[how, one.level, title(one), str(one.place or ""), sentence(one)] for how, one in found]
    yield from _table(("finding", "level", "code", "place", "what"), cells)
    if diff.unjudged:
        yield f"\nNot judged, for the shape is not known yet: {code(joined(diff.unjudged))}"
    yield from _identical(diff)


def _identical(diff: Diff) -> Iterator[str]:
    groups = diff_groups(row for row in diff.rows if row.change == "same")
    if groups:
        yield f"\n<details><summary>{diff.counts['same']} bit-identical</summary>"
        yield from _table(_HEAD[:4], [_row(group)[:4] for group in groups])
        yield "\n</details>"


def _row(group: Group) -> list[str]:
    figures = "; ".join(part for part in (group.figures, group.note) if part)
    return [f"{group.path} {group.size}", WORDS[group.change], _side(group.a), _side(group.b), figures]


def _side(side: Side) -> str:
    return " ".join(part for part in (side.decision, side.source, f"— {side.why}" if side.why else "") if part)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(code(cell) for cell in row)} |" for row in rows]
    return [f"\n| {' | '.join(head)} |", "|" + " --- |" * len(head), *lines] if lines else []
