"""Reports as flat tables and as numbers: what a tracker of experiments, a CSV file or a data frame takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rnninit_hooks.rows import Report

if TYPE_CHECKING:
    from rnninit_hooks.rows import FactTable

Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Table:
    """Rows of equal length; `columns` names them. A cell is text, a number, a truth value or None."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def to_dicts(self) -> list[dict[str, Cell]]:
        """One dict per row, as `pandas.DataFrame(...)` and `csv.DictWriter` take them."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def to_markdown(self) -> str:
        r"""The table as Markdown.

        >>> print(Table(("gate", "mean"), (("forget", 1.0), ("a|b", None))).to_markdown())
        | gate | mean |
        | --- | --- |
        | forget | 1.0 |
        | a\|b |  |
        """
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)


def _escaped(cell: Cell) -> str:
    return "" if cell is None else " ".join(str(cell).replace("|", "\\|").split())


def table_of(report: Report | FactTable) -> Table:
    """One row per slot, one column per fact that some slot has; a shape is `64x64`, statistics are `stats.mean` etc.

    >>> from rnninit_hooks.rows import Row
    >>> row = Row("rnn.bias_l0[forget]", "rnn.bias_l0", "rnn", "LSTM", (4,), "float32", "obeys", gate="forget")
    >>> table_of(Report("check", (row,))).to_dicts()[0]["shape"]
    '4'
    """
    return _table([dict(_flat(row.to_dict())) for row in report.rows])


def findings_of(report: Report | FactTable) -> Table:
    """One row per finding: code, name, level, address, rule, place, message, expected, fix."""
    return _table([{**dict(_flat(finding.to_dict())), "place": _place(finding)} for finding in report.findings])


def _place(finding: Any) -> str | None:
    return str(finding.place) if finding.place else None


def _table(rows: Sequence[Mapping[str, Cell]]) -> Table:
    columns = tuple(dict.fromkeys(key for row in rows for key in row))
    return Table(columns, tuple(tuple(row.get(name) for name in columns) for row in rows))


def _flat(facts: Mapping[str, Any]) -> Iterator[tuple[str, Cell]]:
    for key, value in facts.items():
        if key == "place" and isinstance(value, Mapping):
            continue  # a finding's; told as one text
        if isinstance(value, Mapping):
            yield from ((f"{key}.{name}", number) for name, number in value.items())
        else:
            yield key, _cell(key, value)


def _cell(key: str, value: Any) -> Cell:
    if isinstance(value, list | tuple):
        return ("x" if key == "shape" else ", ").join(map(str, value))
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def numbers_of(report: Report | FactTable) -> dict[str, float]:
    """What can be drawn over runs: findings by level, slots by status, and every number that `inspect` measured.

    >>> numbers_of(Report("check", ()))
    {'errors': 0, 'warnings': 0}
    """
    levels = Counter(finding.level for finding in report.findings)
    numbers: dict[str, float] = {"errors": levels["error"], "warnings": levels["warning"]}
    if isinstance(report, Report):
        statuses = Counter(row.status for row in report.rows)
        return numbers | {f"slots_{status}": count for status, count in sorted(statuses.items())}
    for row in report.rows:
        numbers |= {f"{row.address}/{key}": value for key, value in row.to_dict().items() if isinstance(value, float)}
    return numbers
