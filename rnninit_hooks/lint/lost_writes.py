"""RNN310: a copy is initialised, or a loop variable is bound anew; the parameter never changes."""

from __future__ import annotations

import ast
from bisect import bisect_right
from typing import TYPE_CHECKING

from rnninit_hooks.lint.events import Rebind, Write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.events import Event, Journal
    from rnninit_hooks.lint.reading import Study

_COPIES = frozenset({"clone", "contiguous", "an index list"})


def check(study: Study) -> Iterator[Finding]:
    """Writes whose result nobody can see."""
    seen: set[int] = set()
    for journal in study.journals:
        for event in journal.events:
            reason = _lost(event, journal, study)
            if reason is not None and isinstance(event, Write | Rebind) and id(event.node) not in seen:
                seen.add(id(event.node))
                yield study.source.finding(
                    "RNN310", event.node, reason,
                    expected="a write to the parameter itself",
                    fix="write in place on `param.data` or a slice of it, or use `param.data.copy_(...)`",
                )  # fmt: skip


def _lost(event: Event, journal: Journal, study: Study) -> str | None:
    if isinstance(event, Rebind):
        used = _used_later(event, study)
        return None if used else f"`{event.name}` is bound to a new tensor; the parameter that it named keeps its values"
    if not isinstance(event, Write) or event.target.copied not in _COPIES or not event.target.parameter.owner.recurrent:
        return None
    inline = id(event.node) in journal.bare and _copies_inline(event.node, event.target.copied)
    return f"{event.target.copied} makes a copy, and only the copy is written" if inline else None


def _copies_inline(node: ast.AST, copied: str) -> bool:
    """Whether the copy is made in this very expression, so that no name can hold on to it."""
    if copied == "an index list":
        return any(isinstance(one, ast.Subscript) for one in ast.walk(node))
    return any(isinstance(one, ast.Attribute) and one.attr == copied for one in ast.walk(node))


def _used_later(event: Rebind, study: Study) -> bool:
    """Whether the name is read after it was bound anew, anywhere in the file below."""
    line, read = getattr(event.node, "end_lineno", 0), study.reads.get(event.name, [])
    after = bisect_right(read, line)
    return after < len(read) and read[after] < line + 12
