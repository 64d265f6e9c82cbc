"""Recipes whose elements are independent and alike: uniform, normal, truncated normal. Wakes no torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator

from rnninit_hooks.recipes.base import Block, Breach, Draw, Recipe
from rnninit_hooks.recipes.laws import Spread, demand, judge, uniform_spread
from rnninit_hooks.recipes.registry import recipe

if TYPE_CHECKING:
    from torch import Tensor
    from typing_extensions import Self

_ROOT_2 = math.sqrt(2.0)
_LEAST_MASS = 0.01


class UniformBetween(Recipe):
    """What every uniform recipe is: `bounds` of a block, a draw between them, and the law of such a draw."""

    def bounds(self, block: Block) -> tuple[float, float]:
        """Lowest and highest value on this block."""
        raise NotImplementedError

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """Elements drawn independently and uniformly between the bounds."""
        low, high = self.bounds(block)
        return draw.between(low, high, *block.shape)

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Within the bounds; mean and standard deviation as chance allows."""
        return judge(block, value, uniform_spread(*self.bounds(block)))


class NormalAround(Recipe):
    """What every normal recipe is: mean and standard deviation of a block, a draw, and the law of such a draw."""

    def moments(self, block: Block) -> tuple[float, float]:
        """Mean and standard deviation on this block."""
        raise NotImplementedError

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """Elements drawn independently from the normal distribution."""
        mean, std = self.moments(block)
        return draw.around(mean, std, *block.shape)

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Mean and standard deviation as chance allows, nothing farther out than chance allows."""
        return judge(block, value, Spread(*self.moments(block)))


@recipe("uniform")
class Uniform(UniformBetween):
    """U(low, high).

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> Uniform(low=-0.1, high=0.1).fill(Block("a.weight", (2, 2)), Keyed(0, "a.weight")).abs().max() < 0.1
    tensor(True)
    """

    formula: ClassVar[str] = "W ~ U(low, high)"
    source: ClassVar[str] = "common practice, e.g. Zaremba et al. 2014, arXiv:1409.2329"

    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be below high, found low {self.low} and high {self.high}")
        if math.isinf(self.high - self.low):
            raise ValueError(f"high - low must be a finite number, found low {self.low} and high {self.high}")
        return self

    def bounds(self, block: Block) -> tuple[float, float]:
        """`low` and `high`."""
        return self.low, self.high


@recipe("normal")
class Normal(NormalAround):
    """N(mean, std²); `std` is a standard deviation, not a variance.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> Normal(std=0.01).fill(Block("a.weight", (2, 2)), Keyed(0, "a.weight")).abs().max() < 0.1
    tensor(True)
    """

    formula: ClassVar[str] = "W ~ N(mean, std^2)"
    source: ClassVar[str] = "common practice, e.g. Graves 2013, arXiv:1308.0850"

    mean: float = 0.0
    std: float = Field(gt=0.0)

    def moments(self, block: Block) -> tuple[float, float]:
        """`mean` and `std`."""
        return self.mean, self.std


@recipe("hidden_uniform")
class HiddenUniform(UniformBetween):
    """U(-r, r) with r = scale / sqrt(hidden_size): what torch's recurrent modules start from.

    >>> HiddenUniform().bounds(Block("rnn.weight_ih_l0[cell]", (4, 9), hidden_size=4))
    (-0.5, 0.5)
    """

    formula: ClassVar[str] = "W ~ U(-r, r), r = scale / sqrt(hidden_size)"
    source: ClassVar[str] = "torch.nn.RNNBase.reset_parameters"

    scale: float = Field(default=1.0, gt=0.0)

    def refuse(self, block: Block) -> str | None:
        """Only recurrent modules have a hidden size."""
        if block.hidden_size:
            return None
        return f"hidden_uniform needs a hidden size, and this block of shape {block.shape} has none"

    def bounds(self, block: Block) -> tuple[float, float]:
        """Minus and plus scale / sqrt(hidden_size)."""
        demand(self, block)
        bound = self.scale / math.sqrt(block.hidden_size or 0)
        return -bound, bound


@recipe("trunc_normal")
class TruncNormal(Recipe):
    """A normal around `mean`, cut at `low` and `high` times its scale, drawn by the inverse distribution function.

    With `corrected` the scale is enlarged so that the standard deviation of what is drawn is `std`: for the cut at ±2,
    scale = std / 0.8796 and |W - mean| < 2.274 std. Without it the scale is `std` and the result is narrower. An
    asymmetric cut moves the mean of the result away from `mean`. Refused: a cut that leaves less than a hundredth of
    the normal.

    >>> spread = TruncNormal(std=0.1).spread
    >>> round(spread.std, 12), round(spread.high, 4)
    (0.1, 0.2274)
    >>> round(TruncNormal(std=0.1, corrected=False).spread.std, 5)
    0.08796
    """

    formula: ClassVar[str] = "W ~ N(mean, s^2) cut at mean + [low, high] s; s = std, corrected for what the cut takes"
    source: ClassVar[str] = "Keras VarianceScaling and jax.nn.initializers (corrected); Haiku, Sonnet 2 (not corrected)"

    mean: float = 0.0
    std: float = Field(gt=0.0)
    low: float = -2.0
    high: float = 2.0
    corrected: bool = True

    @model_validator(mode="after")
    def _wide_enough(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be below high, found low {self.low} and high {self.high}")
        if (_erf(self.high) - _erf(self.low)) / 2.0 < _LEAST_MASS:
            raise ValueError(
                f"low {self.low} to high {self.high} (in units of std) holds less than {_LEAST_MASS} of the normal; "
                "widen the cut, or use `uniform`"
            )
        return self

    @property
    def spread(self) -> Spread:
        """Mean, standard deviation, bounds, kurtosis and peak of what is drawn."""
        unit = _cut_unit_normal(self.low, self.high)
        scale = self._scale(unit)
        low, high = self.mean + scale * self.low, self.mean + scale * self.high
        return Spread(self.mean + scale * unit.mean, scale * unit.std, low, high, unit.kurtosis, unit.peak)

    def _scale(self, unit: Spread) -> float:
        return self.std / unit.std if self.corrected else self.std

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """Elements drawn independently, one uniform number each, nothing rejected."""
        low, high = _erf(self.low), _erf(self.high)
        inside = draw.uniform(*block.shape).mul_(high - low).add_(low).clamp_(-1.0 + 2.0**-53, 1.0 - 2.0**-53)
        unit = inside.erfinv_().mul_(_ROOT_2).clamp_(self.low, self.high)
        return unit.mul_(self._scale(_cut_unit_normal(self.low, self.high))).add_(self.mean)

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Within the cut; mean and standard deviation as chance allows."""
        return judge(block, value, self.spread)


def _erf(x: float) -> float:
    return math.erf(x / _ROOT_2)


def _density(x: float) -> float:
    return math.exp(-x * x / 2.0) / math.sqrt(2.0 * math.pi)


def _cut_unit_normal(low: float, high: float) -> Spread:
    """A standard normal cut at `low` and `high`; its moments by m_k = (k-1) m_{k-2} + edges / mass."""
    mass = (_erf(high) - _erf(low)) / 2.0
    edges = [(low**k * _density(low) - high**k * _density(high)) / mass for k in range(4)]
    first = edges[0]
    second = 1.0 + edges[1]
    third, fourth = 2.0 * first + edges[2], 3.0 * second + edges[3]
    variance = second - first**2
    central = fourth - 4.0 * first * third + 6.0 * first**2 * second - 3.0 * first**4
    std = math.sqrt(variance)
    return Spread(first, std, low, high, central / variance**2, _density(max(low, min(high, 0.0))) / mass * std)
