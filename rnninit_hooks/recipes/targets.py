"""Laws of closed forms and of functions of a uniform number, judged where they are stored. Wakes no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from rnninit_hooks.recipes.base import Block, Breach, Draw, Recipe
from rnninit_hooks.recipes.laws import SMALLEST, TAIL, Spread, demand, judge, rounding, unfit, uniform_spread

if TYPE_CHECKING:
    from torch import Tensor

UNIT = uniform_spread(0.0, 1.0)
_FINEST = 2.0**-53
"""The smallest uniform number that the sampler gives."""


def roundings(block: Block, target: Tensor) -> Tensor:
    """`laws.rounding` of every element: how far storing it may move it."""
    size = target.abs().clamp_min(1.0 if block.kind == "bias" else 0.0)
    return size * block.eps + (size > 0.0) * SMALLEST.get(block.eps, 0.0)


def matches(block: Block, value: Tensor, target: Tensor, *, law: str = "value") -> tuple[Breach, ...]:
    """Every element is that of `target` (float64, of the block's shape) up to rounding; the worst one is named."""
    if breaches := unfit(block, value):
        return breaches
    excess = ((value - target).abs() - roundings(block, target)).flatten()
    wrong = int((excess > 0.0).sum())
    if not wrong:
        return ()
    at = int(excess.argmax())
    found, expected = float(value.flatten()[at]), float(target.flatten()[at])
    return (Breach(law, f"{found:.9g} at element {at} ({wrong} of {excess.numel()} elements differ)", f"{expected:.9g}"),)


Map = Callable[["Tensor"], "Tensor"]


def judge_mapped(block: Block, value: Tensor, stored: Map, unit: Map, spread: Spread = UNIT) -> tuple[Breach, ...]:
    """What is unlike `stored(u)` for a uniform u; `stored` is monotone and `unit` its inverse.

    The range is that of the stored numbers, where rounding is known; it ends where u leaves (0, 1) with a probability
    of `TAIL`, so that it is finite even where `stored` is not. Mean, deviation and extremes are those of `unit(value)`,
    each with the distance that rounding may have moved it.
    """
    if breaches := unfit(block, value):
        return breaches
    if not value.numel():
        return ()
    edge = max(TAIL / value.numel(), _FINEST)
    low, high = sorted(stored(value.new_tensor([edge, 1.0 - edge])).tolist())
    least, most = float(value.min()), float(value.max())
    if least < low - rounding(block, low) or most > high + rounding(block, high):
        return (Breach("range", f"{least:.9g} to {most:.9g}", f"within {low:.9g} to {high:.9g}"),)
    return judge(replace(block, eps=_moved(block, value, unit), kind=None), unit(value).clamp(0.0, 1.0), spread)


def _moved(block: Block, value: Tensor, unit: Map) -> float:
    """How far rounding may have moved the uniform number that a stored one comes from, at most."""
    far, here = roundings(block, value), unit(value).clamp(0.0, 1.0)
    return max(float((unit(value + step).clamp(0.0, 1.0) - here).abs().max()) for step in (far, -far))


class OfUniform(Recipe):
    """What every such recipe is: `stored` of a uniform number, its inverse `unit`, a draw, and the law of such a draw."""

    def stored(self, u: Tensor) -> Tensor:
        """The stored value of a uniform number in (0, 1), element by element."""
        raise NotImplementedError

    def unit(self, value: Tensor) -> Tensor:
        """The uniform number that a stored value comes from, element by element."""
        raise NotImplementedError

    @property
    def spread(self) -> Spread:
        """How `unit` of what is drawn is distributed."""
        return UNIT

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """Elements drawn independently, one uniform number each."""
        return self.stored(draw.uniform(*block.shape))

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Within the range, and uniform as chance allows where the formula is undone."""
        return judge_mapped(block, value, self.stored, self.unit, self.spread)


class ClosedForm(Recipe):
    """What every recipe without chance is whose elements differ: a `target`, written and judged."""

    constant: ClassVar[bool] = True

    def target(self, block: Block, ones: Tensor) -> Tensor:
        """The value, from a tensor of ones of the block's shape."""
        raise NotImplementedError

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """The closed form."""
        demand(self, block)
        return self.target(block, draw.full(*block.shape, value=1.0))

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Every element is that of the closed form up to rounding."""
        return unfit(block, value) or matches(block, value, self.target(block, value.new_ones(block.shape)))
