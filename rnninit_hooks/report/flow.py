"""Cells flow into lines of a given width; a cell is never cut, so that every name stays findable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from rnninit_hooks.report.words import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


@dataclass(frozen=True)
class Cell:
    """A piece of a line: its text, its style, and the columns that it fills (0: its own length)."""

    text: str
    style: str = ""
    width: int = 0
    right: bool = False

    @property
    def extent(self) -> int:
        """Columns that the cell takes; wide characters take two."""
        return max(self.width, cell_len(self.text))

    def padded(self) -> Text:
        """The text with its padding outside the style."""
        padding = " " * (self.extent - cell_len(self.text))
        styled = Text(self.text, style=self.style, end="")
        return Text.assemble(padding, styled) if self.right else Text.assemble(styled, padding)


def flow(cells: Iterable[Cell], *, width: int, indent: int = 0, hang: int = 4, gap: int = 2) -> list[Text]:
    """Lines of at most `width` columns, `gap` between cells; the second and later lines are indented by `hang`.

    A cell wider than a line gets a line of its own and overflows it: a path or an address is never cut.

    >>> [line.plain for line in flow([Cell("weight"), Cell("64x64"), Cell("zeros()")], width=16, indent=2)]
    ['  weight  64x64', '    zeros()']
    """
    lines: list[Text] = []
    used = width + 1
    for cell in cells:
        if lines and used + gap + cell.extent <= width:
            lines[-1].append(" " * gap).append_text(cell.padded())
            used += gap + cell.extent
        else:
            start = hang if lines else indent
            lines.append(Text(" " * start).append_text(cell.padded()))
            used = start + cell.extent
    for line in lines:
        line.rstrip()
    return lines


def words(text: str, style: str = "") -> list[Cell]:
    """The words of a sentence as cells, for `flow(..., gap=1)`."""
    return [Cell(visible(word), style) for word in text.split()]


def prose(text: str, *, width: int, indent: int = 0, hang: int = 2, style: str = "") -> list[Text]:
    """A sentence, wrapped."""
    return flow(words(text, style), width=width, indent=indent, hang=hang, gap=1)


def widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """The columns that each column of a table needs; rows may differ in length."""
    return [max(map(cell_len, column)) for column in _columns(rows)]


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[list[str]]:
    for index in range(max(map(len, rows), default=0)):
        yield [row[index] for row in rows if index < len(row)]


def plain(lines: Iterable[Text]) -> str:
    """The lines without styles, joined."""
    return "\n".join(line.plain.rstrip() for line in lines)
