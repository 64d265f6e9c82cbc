"""Markdown for a pull request's comment or the summary of a workflow: tables without links, of a length that is taken."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rnninit_hooks.report.sentences import one_line, sentence, title
from rnninit_hooks.report.words import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.report.judgement import Judgement, Subject

LIMIT = 65_536
"""Characters that a comment on GitHub takes."""

_LONGEST = 800
_RESERVE = 200
_MARKUP = re.compile(r"[\\`*_\[\]<>&|~!#@:$^]")


def render(judgement: Judgement) -> str:
    """A heading, a table of findings, and a table for what was measured; at most `LIMIT` characters."""
    head = [f"### rnninit {code(judgement.summary)}"]
    found = [_row(subject, finding, finding.level) for subject, finding in judgement.found]
    found += [_row(subject, finding, "allowed", reason) for subject, finding, reason in judgement.allowed]
    return "\n".join(_capped([*head, *_table(("level", "code", judgement.noun, "place", "finding"), found)], judgement))


def _capped(lines: Sequence[str], judgement: Judgement) -> Iterator[str]:
    room = LIMIT - _RESERVE
    sections = [*lines, *(line for subject in judgement.subjects for line in _measured(subject))]
    for index, line in enumerate(sections):
        room -= len(line) + 1
        if room < 0:
            left = sum(one.startswith("| <code>") for one in sections[index:])
            yield f"\n{count(left, 'row')} left out: the text would be longer than {LIMIT} characters."
            return
        yield line


def _row(subject: Subject, finding: Finding, level: str, reason: str | None = None) -> list[str]:
    excuse = f" (allowed: {reason})" if reason is not None else ""
    fix = f" (fix: {finding.fix})" if finding.fix and reason is None else ""
    place = str(finding.place) if finding.place else ""
    return [level, title(finding), subject.name, place, f"{sentence(finding)}{excuse}{fix}"]


def _measured(subject: Subject) -> list[str]:
    note = [f"\n{code(subject.name)}: {code(subject.note)}"] if subject.note else []
    return [*note, *_table(subject.table[0], subject.table[1:])] if subject.table else note


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(code(cell) for cell in row)} |" for row in rows]
    return ["", f"| {' | '.join(head)} |", "|" + " --- |" * len(head), *lines] if lines else []


def code(text: str) -> str:
    """A text as `<code>` that holds no markup: nothing in it becomes a link, a mention, a reference or a cell.

    >>> code("a|b_c")
    '<code>a&#124;b&#95;c</code>'
    """
    flat = one_line(text)
    flat = flat if len(flat) <= _LONGEST else flat[: _LONGEST - 1] + "…"
    escaped = _MARKUP.sub(lambda match: f"&#{ord(match.group())};", flat).replace("www.", "www&#46;")
    return f"<code>{escaped}</code>" if escaped else ""
