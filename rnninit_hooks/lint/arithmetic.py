"""Numbers folded from constants, and rows of a stack reckoned from symbolic sizes."""

from __future__ import annotations

import math
from fractions import Fraction

from rnninit_hooks.lint.values import ROWS, UNKNOWN, Extent, Num, Opaque, Scaled, Text, Value

_LARGEST = 1e9


def number(value: Value) -> float | None:
    """The number that a value is, if it is one of a sane size."""
    if isinstance(value, Num) and math.isfinite(value.value) and abs(value.value) < _LARGEST:
        return value.value
    return None


def whole(value: Value) -> int | None:
    """The whole number that a value is."""
    found = number(value)
    return int(found) if found is not None and found == int(found) else None


def text_of(value: Value) -> str | None:
    """A string, or a whole number as one."""
    if isinstance(value, Text):
        return value.value
    digits = whole(value)
    return None if digits is None else str(digits)


def as_scaled(value: Value) -> Scaled | None:
    """A symbolic number: `hidden`, `4 * hidden`, `n // 4`."""
    if isinstance(value, Opaque) and value.text:
        return Scaled(value.text, Fraction(1))
    return value if isinstance(value, Scaled) else None


def calculate(operator: str, left: Value, right: Value) -> Value:
    """`left operator right` for Add, Sub, Mult, Div and FloorDiv.

    >>> calculate("FloorDiv", Scaled(ROWS, Fraction(1)), Num(4)).factor
    Fraction(1, 4)
    """
    one, other = number(left), number(right)
    if one is not None and other is not None:
        return _folded(operator, one, other)
    symbol, power = as_scaled(left), as_scaled(right)
    if symbol is not None and other is not None:
        return _rescaled(operator, symbol, other)
    if power is not None and one is not None:
        return _rescaled(operator, power, one) if operator in ("Mult", "Add") and not (operator == "Add" and one) else UNKNOWN
    if symbol is not None and power is not None and symbol.key == power.key and operator in ("Add", "Sub"):
        sign = 1 if operator == "Add" else -1
        return Scaled(symbol.key, symbol.factor + sign * power.factor)
    return UNKNOWN


def _folded(operator: str, one: float, other: float) -> Value:
    if operator in ("Div", "FloorDiv", "Mod") and other == 0:
        return UNKNOWN
    results = {
        "Add": lambda: one + other, "Sub": lambda: one - other, "Mult": lambda: one * other,
        "Div": lambda: one / other, "FloorDiv": lambda: one // other, "Mod": lambda: one % other,
    }  # fmt: skip
    return Num(results[operator]()) if operator in results else UNKNOWN


def _rescaled(operator: str, symbol: Scaled, by: float) -> Value:
    share = Fraction(by).limit_denominator(10_000)
    if operator == "Mult":
        return Scaled(symbol.key, symbol.factor * share) if share else Num(0)
    if operator in ("Div", "FloorDiv") and share:
        return Scaled(symbol.key, symbol.factor / share)
    return symbol if operator in ("Add", "Sub") and by == 0 else UNKNOWN


def extent(low: Value | None, high: Value | None, gates: int | None) -> Extent | None:
    """The rows `[low:high]` of a stack of gates, where both ends are known.

    >>> extent(Num(10), Num(20), None).gate(4)
    1
    """
    start, stop = _bound(low, "low"), _bound(high, "high")
    if start is None or stop is None:
        return None
    keys = {bound.key for bound in (start, stop) if bound.factor and bound.key != "end"}
    if stop.key == "end":
        stop = Scaled(ROWS, Fraction(1)) if keys <= {ROWS} else Scaled(next(iter(keys)), Fraction(gates or 0))
    if len(keys | ({stop.key} if stop.factor else set())) > 1 or start.factor < 0 or stop.factor <= start.factor:
        return None
    return Extent(start.factor, stop.factor, stop.key == ROWS)


def _bound(value: Value | None, side: str) -> Scaled | None:
    if value is None:
        return Scaled("end", Fraction(1)) if side == "high" else Scaled("", Fraction(0))
    found = number(value)
    if found is not None:
        return Scaled("#number", Fraction(found).limit_denominator(10_000)) if found else Scaled("", Fraction(0))
    return as_scaled(value)
