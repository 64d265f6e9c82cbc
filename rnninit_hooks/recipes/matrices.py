"""What laws of whole matrices share: squareness, equality with a pattern, how far storage moves a matrix. Wakes no torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rnninit_hooks.recipes.base import Block, Breach, Recipe
from rnninit_hooks.recipes.laws import SMALLEST, TAIL, rounding

if TYPE_CHECKING:
    from torch import Tensor

FLOAT32 = 2.0**-23
"""Nobody factorises in less than float32, so that working in a narrower dtype adds no more than this."""


def not_square(recipe: Recipe, block: Block) -> str | None:
    """Why a block is no square matrix with elements, or None."""
    if len(block.shape) == 2 and block.shape[0] == block.shape[1] > 0:
        return None
    return f"{recipe.kind} needs a square matrix, and this block has shape {block.shape}"


def alike(
    block: Block, value: Tensor, target: Tensor, *, law: str = "value", slack: float | Tensor = 0.0
) -> tuple[Breach, ...]:
    """Every element is that of `target` up to rounding to storage and `slack`; what is 0 there is 0 exactly but for it."""
    least = rounding(block, 0.0)
    allowed = (target.abs() * block.eps + SMALLEST.get(block.eps, 0.0)).where(target != 0.0, target.new_tensor(0.0))
    gaps = (value - target).abs()
    excess = gaps - allowed.clamp(min=least) - slack
    wrong = int((~(excess <= 0.0)).sum())
    if not wrong:
        return ()
    at = int(excess.argmax())
    found, expected = float(value.flatten()[at]), float(target.flatten()[at])
    where = ", ".join(str(index) for index in _index(at, block.shape))
    return (Breach(law, f"{found:.9g} at [{where}] ({wrong} of {gaps.numel()} elements differ)", f"{expected:.9g} there"),)


def _index(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    index: list[int] = []
    for size in reversed(shape):
        flat, rest = divmod(flat, size)
        index.insert(0, rest)
    return tuple(index)


def moved(block: Block, value: Tensor) -> float:
    """How far storing may move a matrix, as the Frobenius norm of the change: half an epsilon of each element.

    By Weyl's inequality no singular value moves farther, nor an eigenvalue of a symmetric matrix.
    """
    tiny = SMALLEST.get(block.eps, 0.0) * math.sqrt(value.numel())
    return 0.5 * block.eps * float(value.norm()) + 0.5 * tiny


def worked(block: Block, size: float) -> float:
    """How far a factorisation of a matrix of norm `size` strays: that of float32 at worst, as `Orthogonal.tolerance` has it."""
    return 4.0 * min(block.eps, FLOAT32) * math.sqrt(max(block.shape)) * size


def at_most(mean: float, *, tail: float = TAIL) -> int:
    """A count that a sum of independent rare events with this mean exceeds with probability `tail` at most (Chernoff).

    >>> at_most(0.0), at_most(1e-12), at_most(15.0)
    (0, 0, 48)
    """
    count = math.floor(mean)
    while mean > 0.0 and _above(count + 1, mean) > math.log(tail):
        count += 1
    return count


def _above(count: int, mean: float) -> float:
    return count - mean - count * math.log(count / mean)
