"""What `inspect` measured, as a table: by module, matrices and biases apart, one line per gate."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich.text import Text

from rnninit_hooks.report.flow import Cell, flow, widths
from rnninit_hooks.report.groups import ROOT, by_module, local_name
from rnninit_hooks.report.problems import finding_lines
from rnninit_hooks.report.words import count, digits, shape_text, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rnninit_hooks.rows import FactTable, SlotFacts

_COLUMNS = {
    "mean": "mean", "std": "std", "min": "min", "max": "max",
    "rho": "spectral_radius", "s_min": "singular_min", "s_max": "singular_max", "orth": "orthogonality",
    "bias": "effective_bias", "retention": "retention", "tau": "time_constant",
}  # fmt: skip
_INDENT = 4


def fact_lines(table: FactTable, *, width: int) -> Iterator[Text]:
    """The table as styled lines; the numbers have four significant digits, three where four do not fit."""
    for module, rows in by_module(table.rows).items():
        yield from flow([Cell(visible(module) or ROOT, "bold"), Cell(visible(rows[0].type), "magenta")], width=width)
        for is_bias in (False, True):
            own = [row for row in rows if (row.effective_bias is not None) is is_bias]
            yield from _section(own, width) if own else []
        yield Text("")
    yield from _memory(table, width)
    yield from finding_lines(table.findings, width=width)
    modules = len({row.module for row in table.rows})
    yield Text(f"inspect: {count(len(table.rows), 'slot')} in {count(modules, 'module')}")


def _memory(table: FactTable, width: int) -> Iterator[Text]:
    for facts in table.memory:
        spread = f"{digits(facts.least, 3)} to {digits(facts.most, 3)}"
        kept = f"keeps {digits(facts.retention, 4)} of its state in a step ({spread})"
        words = [Cell(visible(facts.name), "bold"), Cell(f"{kept}, {digits(facts.time_constant, 3)} steps")]
        yield from flow(words, width=width)
    if table.memory:
        yield Text("")


def _section(rows: Sequence[SlotFacts], width: int) -> Iterator[Text]:
    names = [name for name, field in _COLUMNS.items() if any(getattr(row, field) is not None for row in rows)]
    cells, sizes = _fitted(rows, names, width)
    yield from _numbers(["", *names], sizes, width, "dim")
    numbers = iter(cells)
    for parameter, own in groupby(rows, key=lambda row: row.parameter):
        slots = list(own)
        yield _parameter(slots[0], parameter)
        for _ in slots:
            yield from _numbers(next(numbers), sizes, width, "")


def _parameter(row: SlotFacts, parameter: str) -> Text:
    size = shape_text(row.shape) + ("" if row.dtype == "float32" else f" {row.dtype}")
    return Text(f"  {local_name(row) or visible(parameter)}  ").append(size, style="dim")


def _fitted(rows: Sequence[SlotFacts], names: Sequence[str], width: int) -> tuple[list[list[str]], list[int]]:
    for significant in (4, 3):
        cells = [_cells(row, names, significant) for row in rows]
        sizes = widths([["", *names], *cells])
        if _INDENT + sum(sizes) + 2 * len(names) <= width:
            break
    return cells, sizes


def _cells(row: SlotFacts, names: Sequence[str], significant: int) -> list[str]:
    return [visible(row.gate or "whole"), *(digits(getattr(row, _COLUMNS[name]), significant) for name in names)]


def _numbers(cells: Sequence[str], sizes: Sequence[int], width: int, style: str) -> list[Text]:
    gap = 2 if _INDENT + sum(sizes) + 2 * (len(sizes) - 1) <= width else 1
    label, *numbers = zip(cells, sizes, strict=True)
    head = Cell(label[0], style or "cyan", label[1])
    own = [Cell(text, style, size, right=True) for text, size in numbers]
    return flow([head, *own], width=width, indent=_INDENT, hang=_INDENT + label[1] + gap, gap=gap)
