"""The rows of a diff as people read them: by module, gates and layers that share a fate together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rnninit_hooks.report.groups import ROOT, by_module, local_name
from rnninit_hooks.report.words import digits, shape_text, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rnninit_hooks.changes import Change, ChangeKind
    from rnninit_hooks.rows import Row

WORDS: dict[ChangeKind, str] = {
    "changed": "changes", "only_a": "no longer decided", "only_b": "newly decided", "same": "stays bit-identical",
}  # fmt: skip
_LAYER = re.compile(r"_l(\d+)(?=$|_reverse$)")
_FIGURES = {
    "effective_bias": "effective bias", "retention": "of the state kept in a step", "value": "value", "std": "std",
    "mean": "mean",
}  # fmt: skip


@dataclass(frozen=True)
class Side:
    """What one side does to the slots of a line: recipe, rule with its place, and why."""

    recipe: str
    source: str
    note: str | None
    why: str | None

    @property
    def decision(self) -> str:
        """Recipe and note."""
        return f"{self.recipe} ({self.note})" if self.note else self.recipe


@dataclass(frozen=True)
class Group:
    """Slots of one module that differ in gate or layer only."""

    module: str
    type: str
    name: str
    gates: tuple[str, ...]
    size: str
    change: ChangeKind
    a: Side
    b: Side
    note: str | None
    figures: str
    slots: int

    @property
    def where(self) -> str:
        """Name and gates, `weight_hh_l{0..2}[input forget]`."""
        return f"{self.name}[{' '.join(self.gates)}]" if self.gates else self.name

    @property
    def path(self) -> str:
        """The same with its module."""
        return self.where if self.module == ROOT else f"{self.module}.{self.where}"


def diff_groups(rows: Iterable[Change]) -> tuple[Group, ...]:
    """Rows by module, then by all that they share; the order is that of the first slot."""
    return tuple(group for own in by_module(rows).values() for group in _in_module(own))


def _in_module(rows: Sequence[Change]) -> Iterator[Group]:
    merged: dict[tuple[object, ...], list[Change]] = {}
    for row in rows:
        merged.setdefault((_LAYER.sub("_l*", local_name(row)), _fate(row)), []).append(row)
    for own in _rectangles(merged.values()):
        yield _group(own)


def _rectangles(groups: Iterable[list[Change]]) -> Iterator[list[Change]]:
    """Every layer of a group with the same gates, so that gates times layers are the slots of it and no others."""
    for group in groups:
        layers: dict[str, list[Change]] = {}
        for row in group:
            layers.setdefault(local_name(row), []).append(row)
        alike: dict[tuple[str | None, ...], list[Change]] = {}
        for own in layers.values():
            alike.setdefault(tuple(row.a.gate for row in own), []).extend(own)
        yield from alike.values()


def _fate(row: Change) -> tuple[object, ...]:
    return row.change, row.a.shape, row.a.dtype, row.note, _side(row.a), _side(row.b)


def _group(rows: Sequence[Change]) -> Group:
    first = rows[0]
    size = shape_text(first.a.shape) + ("" if first.a.dtype == "float32" else f" {first.a.dtype}")
    gates = tuple(dict.fromkeys(visible(row.a.gate) for row in rows if row.a.gate))
    return Group(
        visible(first.module) or ROOT, visible(first.a.type), _name(rows), gates, size, first.change, _side(first.a),
        _side(first.b), first.note, _figures(rows), len(rows),
    )  # fmt: skip


def _name(rows: Sequence[Change]) -> str:
    """The local name, with its layers as a range.

    >>> from types import SimpleNamespace as Some
    >>> _name([Some(parameter=f"weight_hh_l{layer}", module="") for layer in (0, 1, 2, 4)])
    'weight_hh_l{0..2,4}'
    """
    names = list(dict.fromkeys(local_name(row) for row in rows))
    if len(names) == 1:
        return names[0]
    layers = sorted(int(found[1]) for name in names if (found := _LAYER.search(name)))
    return _LAYER.sub(lambda _: f"_l{{{','.join(_ranges(layers))}}}", names[0])


def _ranges(numbers: Sequence[int]) -> Iterator[str]:
    start = 0
    for index in range(1, len(numbers) + 1):
        if index == len(numbers) or numbers[index] != numbers[index - 1] + 1:
            first, last = numbers[start], numbers[index - 1]
            yield str(first) if first == last else f"{first}..{last}"
            start = index


def _side(row: Row) -> Side:
    place = f" ({row.place.file}:{row.place.line})" if row.place else ""
    return Side(
        visible(row.recipe or "left alone"), visible(f"{row.rule}{place}") if row.rule else "",
        visible(row.note) if row.note else None, row.why,
    )  # fmt: skip


def _figures(rows: Sequence[Change]) -> str:
    """From what to what, `effective bias 1 -> 2, 0.731 -> 0.881 of the state kept in a step`.

    The mean of a drawn matrix is chance; it is told where a side has one number everywhere.
    """
    every = [figures for row in rows for figures in (row.figures_a, row.figures_b)]
    chance = any("std" in figures for figures in every) and all(figures.get("std") != 0 for figures in every)
    names = [name for name in _FIGURES if any(name in figures for figures in every) and not (chance and name == "mean")]
    return ", ".join(told for name in names if (told := _told(name, rows)))


def _told(name: str, rows: Sequence[Change]) -> str:
    sides = [_span(name, [row.figures_a for row in rows]), _span(name, [row.figures_b for row in rows])]
    if sides[0] == sides[1]:
        return ""
    absent = ["not known" if row.status == "write" else "as built" for row in (rows[0].a, rows[0].b)]
    change = " -> ".join(side or other for side, other in zip(sides, absent, strict=True))
    return f"{change} {_FIGURES[name]}" if name == "retention" else f"{_FIGURES[name]} {change}"


def _span(name: str, figures: Iterable[Mapping[str, float]]) -> str:
    numbers = sorted(own[name] for own in figures if name in own)
    ends = dict.fromkeys(digits(number, 3) for number in (numbers[:1] + numbers[-1:]))
    return "..".join(ends)
