"""Small pieces of text: visible names, counts, shapes, numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def visible(text: str) -> str:
    r"""The text with control characters written out, so that no module name can move the cursor or break a line.

    >>> visible("heads\x1b[31m")
    'heads\\x1b[31m'
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def count(number: int, noun: str) -> str:
    """A number and its noun, in the plural where that is due.

    >>> count(1, "error"), count(0, "warning")
    ('1 error', '0 warnings')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def shape_text(shape: Iterable[int]) -> str:
    """A shape as `256x256`; a tensor without axes is a scalar."""
    return "x".join(str(size) for size in shape) or "scalar"


def digits(value: float | None, significant: int) -> str:
    """A number to some significant digits, `-` for one that was not measured; nan and inf stay visible.

    >>> digits(0.123456, 3), digits(-1.5e-9, 3), digits(12.0, 3), digits(None, 3), digits(float("nan"), 3)
    ('0.123', '-1.5e-09', '12', '-', 'nan')
    """
    if value is None:
        return "-"
    return f"{value:.{significant}g}"


def joined(names: Iterable[str]) -> str:
    """Names that a sentence lists."""
    return ", ".join(names)
