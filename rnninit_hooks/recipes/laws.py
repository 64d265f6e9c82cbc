"""What laws share: shape and finiteness, equality up to rounding, and judging a random sample. Wakes no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rnninit_hooks.errors import RnnInitError
from rnninit_hooks.recipes.base import Block, Breach, Recipe

if TYPE_CHECKING:
    from torch import Tensor

TAIL = 1e-10
"""Probability that one test of `judge` fails on a true draw; the six tails together stay below 1e-9 per slot."""

_LOG_TAIL = -math.log(TAIL)
SMALLEST = {2.0**-2: 2.0**-16, 2.0**-3: 2.0**-9, 2.0**-7: 2.0**-133, 2.0**-10: 2.0**-24, 2.0**-23: 2.0**-149}
"""The smallest positive number of a dtype, by its epsilon: float8 (two kinds), bfloat16, float16, float32."""


def rounding(block: Block, scale: float) -> float:
    """How far storing a number of size `scale` may move it: one unit in the last place, twice what rounding does.

    A bias may be a sum of partners and of a constant of order 1 that the cell adds, so its unit is that of 1 at least.
    Zero is stored exactly.
    """
    size = max(abs(scale), 1.0 if block.kind == "bias" else 0.0)
    return block.eps * size + SMALLEST.get(block.eps, 0.0) if size else 0.0


def demand(recipe: Recipe, block: Block) -> None:
    """Raise `RnnInitError` when a recipe is used on a block that it refuses."""
    if reason := recipe.refuse(block):
        raise RnnInitError(f"{block.address}: {reason}; ask `refuse` first, and choose another recipe for this slot")


def unfit(block: Block, value: Tensor) -> tuple[Breach, ...]:
    """Why a value cannot be judged at all: another shape, nan or inf."""
    if tuple(value.shape) != block.shape:
        return (Breach("shape", str(tuple(value.shape)), str(block.shape)),)
    if not value.numel() or all(math.isfinite(float(bound)) for bound in value.aminmax()):
        return ()
    broken = int((~value.isfinite()).sum())
    if broken:
        return (Breach("finiteness", f"nan or inf in {broken} of {value.numel()} elements", "finite numbers"),)
    return ()


def equal(block: Block, value: Tensor, target: float, *, law: str = "value") -> tuple[Breach, ...]:
    """Every element is `target` up to rounding."""
    gaps = (value - target).abs().flatten()
    wrong = int((~(gaps <= rounding(block, target))).sum())
    if not wrong:
        return ()
    worst = float(value.flatten()[int(gaps.argmax())])
    return (Breach(law, f"{worst:.9g} ({wrong} of {gaps.numel()} elements differ)", f"{target:.9g}"),)


@dataclass(frozen=True)
class Spread:
    """What is known of a continuous distribution, enough to judge a sample of it.

    `peak` is the greatest density times `std`, `kurtosis` the fourth central moment over `std`**4. Without bounds the
    distribution is normal.
    """

    mean: float
    std: float
    low: float = -math.inf
    high: float = math.inf
    kurtosis: float = 3.0
    peak: float = 1.0 / math.sqrt(2.0 * math.pi)

    @property
    def reach(self) -> float:
        """The greatest distance from the mean in units of `std`; inf for a normal."""
        return max(self.high - self.mean, self.mean - self.low) / self.std


def uniform_spread(low: float, high: float) -> Spread:
    """U(low, high)."""
    std = (high - low) / math.sqrt(12.0)
    return Spread(low + (high - low) / 2.0, std, low, high, 1.8, 1.0 / math.sqrt(12.0))


def judge(block: Block, value: Tensor, spread: Spread) -> tuple[Breach, ...]:
    """What is unlike a sample of `spread`: range, mean, standard deviation around the mean, distance of the extremes.

    Each is a bound that holds for every sample size (Bernstein's inequality for bounded distributions; exact and
    Laurent-Massart 2000, lemma 1, for normal ones), so a true draw is blamed less than once in 10**9 slots. The price
    is width. Measured: a uniform a tenth too narrow is told from n = 1024 on, a normal a tenth too wide from n = 5184
    on; torch's default where Xavier was asked for from (8, 8) on when uniform, (12, 12) when normal. A handful of
    elements shows little beyond its range, and a uniform with a normal's mean and standard deviation passes for one.
    """
    if breaches := unfit(block, value):
        return breaches
    if not value.numel():
        return ()
    checks = (_range, _mean, _deviation, _distance)
    return tuple(breach for check in checks if (breach := check(block, value, spread)) is not None)


def _slack(block: Block, count: int, spread: Spread) -> float:
    low, high = _limits(count, spread)
    return rounding(block, max(abs(low), abs(high)))


def _limits(count: int, spread: Spread) -> tuple[float, float]:
    """The bounds, or where the largest of `count` normals stays with probability 1 - TAIL."""
    if math.isfinite(spread.reach):
        return spread.low, spread.high
    far = spread.std * math.sqrt(2.0 * (_LOG_TAIL + math.log(count)))
    return spread.mean - far, spread.mean + far


def _range(block: Block, value: Tensor, spread: Spread) -> Breach | None:
    low, high = _limits(value.numel(), spread)
    slack = _slack(block, value.numel(), spread)
    least, most = float(value.min()), float(value.max())
    if low - slack <= least and most <= high + slack:
        return None
    return Breach("range", f"{least:.9g} to {most:.9g}", f"within {low:.9g} to {high:.9g}")


def _mean(block: Block, value: Tensor, spread: Spread) -> Breach | None:
    count = value.numel()
    heavy = spread.reach / 3.0 if math.isfinite(spread.reach) else 0.0
    far = spread.std * _bernstein(1.0, heavy, count)
    slack = _slack(block, count, spread)
    found = float(value.mean())
    return _between("mean", found, spread.mean - far, spread.mean + far, slack)


def _deviation(block: Block, value: Tensor, spread: Spread) -> Breach | None:
    count, bounded = value.numel(), math.isfinite(spread.reach)
    above = _bernstein(spread.kurtosis - 1.0, (spread.reach**2 - 1.0) / 3.0 if bounded else 2.0, count)
    below = _bernstein(spread.kurtosis - 1.0, 1.0 / 3.0 if bounded else 0.0, count)
    low, high = spread.std * math.sqrt(max(0.0, 1.0 - below)), spread.std * math.sqrt(1.0 + above)
    found = spread.std * float(((value - spread.mean) / spread.std).square().mean().sqrt())
    return _between(f"std around {spread.mean:.5g}", found, low, high, _slack(block, count, spread))


def _distance(block: Block, value: Tensor, spread: Spread) -> Breach | None:
    """n points lie within a width w with probability n (w times the greatest density)**(n - 1) at most."""
    count = value.numel()
    if count < 2:
        return None
    least = spread.std / spread.peak * (TAIL / count) ** (1.0 / (count - 1))
    found = float(value.max() - value.min())
    return _between("distance of the extremes", found, least, math.inf, 2.0 * _slack(block, count, spread))


def _bernstein(variance: float, heavy: float, count: int) -> float:
    """How far a mean of `count` centred terms strays with probability TAIL: sub-gamma with this variance and scale."""
    return math.sqrt(2.0 * variance * _LOG_TAIL / count) + heavy * _LOG_TAIL / count


def _between(law: str, found: float, low: float, high: float, slack: float) -> Breach | None:
    if low - slack <= found <= high + slack:
        return None
    expected = f"at least {low:.5g}" if math.isinf(high) else f"{low:.5g} to {high:.5g}"
    return Breach(law, f"{found:.5g}", expected)
