"""Rows in the order in which people read them: by module, gates that share a fate on one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from rnninit_hooks.report.words import shape_text, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rnninit_hooks.findings import Place
    from rnninit_hooks.rows import Row, Status, Verb

ROOT = "(root)"
USUAL: dict[Verb, Status] = {"plan": "write", "apply": "written", "check": "obeys", "attach": "pending"}


class Owned(Protocol):
    """Anything that belongs to a parameter of a module."""

    @property
    def parameter(self) -> str: ...  # noqa: D102
    @property
    def module(self) -> str: ...  # noqa: D102


T = TypeVar("T", bound=Owned)


@dataclass(frozen=True)
class Line:
    """Slots of one parameter that share rule, recipe and status."""

    name: str
    gates: tuple[str, ...]
    size: str
    decision: str
    rule: str | None
    place: Place | None
    note: str | None

    @property
    def cells(self) -> list[str]:
        """The columns as text: name, gates, size, decision, rule."""
        gates = f"[{' '.join(self.gates)}]" if self.gates else ""
        return [self.name, gates, self.size, self.decision, self.source]

    @property
    def source(self) -> str:
        """The rule and where it stands, `recurrent (init.rules.yaml:5)`; empty without a rule."""
        place = f" ({self.place.file}:{self.place.line})" if self.place else ""
        return visible(f"{self.rule}{place}") if self.rule else ""


@dataclass(frozen=True)
class ModuleGroup:
    """A module and its lines."""

    module: str
    type: str
    lines: tuple[Line, ...]


def local_name(row: Owned) -> str:
    """The parameter's name inside its module.

    >>> from types import SimpleNamespace
    >>> local_name(SimpleNamespace(parameter="encoder.rnn.weight_hh_l0", module="encoder.rnn"))
    'weight_hh_l0'
    """
    prefix = f"{row.module}."
    inside = bool(row.module) and row.parameter.startswith(prefix)
    return visible(row.parameter[len(prefix) :] if inside else row.parameter)


def by_module(rows: Iterable[T]) -> dict[str, list[T]]:
    """Rows by the path of their module, in first-seen order."""
    groups: dict[str, list[T]] = {}
    for row in rows:
        groups.setdefault(row.module, []).append(row)
    return groups


def is_outside(row: Row) -> bool:
    """True for a row that belongs to no recurrent slot and that no rule decides: counted, not listed."""
    return row.kind is None and row.status == "untouched"


def module_groups(rows: Sequence[Row], verb: Verb) -> tuple[ModuleGroup, ...]:
    """The rows that a report lists, grouped by module."""
    listed = by_module(row for row in rows if not is_outside(row))
    return tuple(ModuleGroup(visible(name) or ROOT, visible(own[0].type), _lines(own, verb)) for name, own in listed.items())


def outside_count(rows: Sequence[Row]) -> int:
    """How many parameters a report counts but does not list."""
    return len({row.parameter for row in rows if is_outside(row)})


def _lines(rows: Sequence[Row], verb: Verb) -> tuple[Line, ...]:
    gates: dict[Line, list[str]] = {}
    for row in rows:
        own = gates.setdefault(_line(row, verb), [])
        own += [visible(row.gate)] if row.gate else []
    return tuple(
        Line(key.name, tuple(own), key.size, key.decision, key.rule, key.place, key.note) for key, own in gates.items()
    )


def _line(row: Row, verb: Verb) -> Line:
    size = shape_text(row.shape) + ("" if row.dtype == "float32" else f" {row.dtype}")
    return Line(local_name(row), (), size, _decision(row, verb), row.rule, row.place, _note(row))


def _note(row: Row) -> str | None:
    """The note, and what a batch gave."""
    figures = ", ".join(f"{name} {number:.4g}" for name, number in (row.measured or {}).items())
    return "; ".join(part for part in (row.note, figures and f"it gave {figures}") if part) or None


def _decision(row: Row, verb: Verb) -> str:
    usual = row.status == USUAL[verb] or (row.status == "keep" and row.recipe)
    parts = [None if usual else status_text(row.status, verb), row.recipe]
    return visible(" ".join(part for part in parts if part)) or row.status


def status_text(status: Status, verb: Verb) -> str:
    """A status in words; what `check` leaves at "write" it could not judge.

    >>> status_text("write", "check"), status_text("untouched", "plan")
    ('not judged', 'untouched')
    """
    return "not judged" if (verb, status) == ("check", "write") else status
