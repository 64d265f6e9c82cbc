"""Parts of parameters: slices, chunks, views, copies."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from rnninit_hooks.lint.arithmetic import extent, whole
from rnninit_hooks.lint.values import COLUMNS, ROWS, UNKNOWN, Extent, Scaled, Seq, Tensor

if TYPE_CHECKING:
    from rnninit_hooks.lint.values import Value

MOST_PARTS = 8
COPIES = frozenset({"clone", "cpu", "cuda", "to", "float", "double", "half", "bfloat16", "numpy", "type", "repeat"})


def size(tensor: Tensor, axis: int | None) -> Value:
    """One length of a tensor: its rows as a share of the stack, or its columns."""
    if axis in (0, None) or (axis == -1 and tensor.parameter.dims == 1):
        if axis is None and tensor.parameter.dims != 1:
            return UNKNOWN
        share = tensor.extent.high - tensor.extent.low if tensor.extent and tensor.extent.of_stack else Fraction(1)
        return Scaled(ROWS, share) if tensor.whole or (tensor.extent and tensor.extent.of_stack) else UNKNOWN
    return Scaled(COLUMNS, Fraction(1))


def shape(tensor: Tensor) -> Seq:
    """All lengths."""
    if tensor.parameter.dims is None:
        return Seq((), rest=True)
    return Seq(tuple(size(tensor, axis) for axis in range(tensor.parameter.dims)))


def rows(tensor: Tensor, low: Value | None, high: Value | None) -> Tensor:
    """`tensor[low:high]`; a slice of a slice is some part."""
    if low is None and high is None:
        return tensor
    own = extent(low, high, tensor.parameter.gates) if tensor.whole else None
    return replace(tensor, whole=False, extent=own)


def part(tensor: Tensor, *, copied: str | None = None, strided: bool = False) -> Tensor:
    """Some part whose rows are unknown."""
    return replace(tensor, whole=False, extent=None, copied=copied or tensor.copied, strided=strided or tensor.strided)


def equal_parts(tensor: Tensor, count: int, *, strided: bool = False) -> Value:
    """`tensor.chunk(count)`: the blocks in order, where there are few."""
    if not 1 < count <= MOST_PARTS:
        return UNKNOWN if count != 1 else Seq((tensor,))
    if strided or not tensor.whole:
        return Seq((part(tensor, strided=strided),) * count)
    shares = [Extent(Fraction(i, count), Fraction(i + 1, count), True) for i in range(count)]
    return Seq(tuple(replace(tensor, whole=False, extent=one) for one in shares))


def split(tensor: Tensor, length: Value, *, strided: bool = False) -> Value:
    """`tensor.split(length)`: blocks of one gate where the length is a share of the rows, or one symbol."""
    if isinstance(length, Scaled) and length.key == ROWS and length.factor and (1 / length.factor).denominator == 1:
        return equal_parts(tensor, int(1 / length.factor), strided=strided)
    count = tensor.parameter.gates or MOST_PARTS // 2
    if strided or not tensor.whole or isinstance(length, Seq):
        return Seq((part(tensor, strided=strided),) * (len(length.items) if isinstance(length, Seq) else count))
    blocks = [Extent(Fraction(i), Fraction(i + 1), False) for i in range(count)]
    return Seq(tuple(replace(tensor, whole=False, extent=one) for one in blocks))


def viewed(tensor: Tensor, lengths: tuple[Value, ...]) -> Value:
    """`tensor.view(...)`: blocks where the first length is a small number, else the whole in another shape."""
    if len(lengths) == 1 and isinstance(lengths[0], Seq):
        lengths = lengths[0].items
    count = whole(lengths[0]) if len(lengths) > 1 else None
    if count is not None and 1 < count <= MOST_PARTS:
        return equal_parts(tensor, count)
    return part(tensor) if len(lengths) > 2 else tensor


def indexed(tensor: Tensor, index: Value) -> Tensor:
    """`tensor[index]`: a row by number, a copy by a list."""
    return part(tensor, copied="an index list" if isinstance(index, Seq) else None)
