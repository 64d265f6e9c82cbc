"""Recipes whose width comes from the fans of the slot itself, never of a fused stack. Wakes no torch."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from pydantic import Field

from rnninit_hooks.recipes.base import Block, Recipe
from rnninit_hooks.recipes.iid import NormalAround, UniformBetween
from rnninit_hooks.recipes.laws import demand
from rnninit_hooks.recipes.registry import recipe


class FromFans(Recipe):
    """What every scaled recipe is: a variance that the fans of the block decide."""

    def variance(self, fan_in: int, fan_out: int) -> float:
        """The variance that these fans ask for."""
        raise NotImplementedError

    def _variance(self, block: Block) -> float:
        demand(self, block)
        return self.variance(block.fan_in or 0, block.fan_out or 0)

    def refuse(self, block: Block) -> str | None:
        """Only a matrix has fans, and neither may be zero."""
        if block.fan_in is None or block.fan_out is None:
            return f"{self.kind} needs the fans of a matrix, and this block of shape {block.shape} has none"
        if not (block.fan_in and block.fan_out):
            fans = f"fan_in {block.fan_in} and fan_out {block.fan_out}"
            return f"{self.kind} divides by fans, and this block of shape {block.shape} has {fans}"
        return None


class FromFansUniform(FromFans, UniformBetween):
    """Uniform with the variance that the fans decide."""

    def bounds(self, block: Block) -> tuple[float, float]:
        """Minus and plus the square root of three variances."""
        bound = math.sqrt(3.0 * self._variance(block))
        return -bound, bound


class FromFansNormal(FromFans, NormalAround):
    """Normal around 0 with the standard deviation that the fans decide."""

    def moments(self, block: Block) -> tuple[float, float]:
        """0 and the standard deviation."""
        return 0.0, math.sqrt(self._variance(block))


class Xavier(FromFans):
    """Variance 2 gain² / (fan_in + fan_out)."""

    gain: float = Field(default=1.0, gt=0.0)

    def variance(self, fan_in: int, fan_out: int) -> float:
        """2 gain² / (fan_in + fan_out)."""
        return 2.0 * self.gain**2 / (fan_in + fan_out)


class Kaiming(FromFans):
    """Variance 2 / ((1 + a²) fan), `a` the negative slope of the leaky ReLU that follows."""

    a: float = Field(default=0.0, ge=0.0)
    mode: Literal["fan_in", "fan_out"] = "fan_in"

    def variance(self, fan_in: int, fan_out: int) -> float:
        """2 / ((1 + a²) fan)."""
        return 2.0 / (1.0 + self.a**2) / (fan_in if self.mode == "fan_in" else fan_out)


class Lecun(FromFans):
    """Variance gain² / fan_in."""

    gain: float = Field(default=1.0, gt=0.0)

    def variance(self, fan_in: int, fan_out: int) -> float:
        """gain² / fan_in."""
        return self.gain**2 / fan_in


@recipe("xavier_uniform")
class XavierUniform(Xavier, FromFansUniform):
    """Glorot's uniform draw.

    >>> XavierUniform().bounds(Block("rnn.weight_hh_l0[cell]", (3, 3), fan_in=3, fan_out=3))
    (-1.0, 1.0)
    """

    formula: ClassVar[str] = "W ~ U(-r, r), r = gain sqrt(6 / (fan_in + fan_out))"
    source: ClassVar[str] = "Glorot and Bengio 2010, equation 16"


@recipe("xavier_normal")
class XavierNormal(Xavier, FromFansNormal):
    """Glorot's variance, drawn from a normal.

    >>> XavierNormal().moments(Block("rnn.weight_hh_l0[cell]", (4, 4), fan_in=4, fan_out=4))
    (0.0, 0.5)
    """

    formula: ClassVar[str] = "W ~ N(0, 2 gain^2 / (fan_in + fan_out))"
    source: ClassVar[str] = "Glorot and Bengio 2010, equation 12"


@recipe("kaiming_uniform")
class KaimingUniform(Kaiming, FromFansUniform):
    """He's variance, drawn uniformly.

    >>> KaimingUniform().bounds(Block("fc.weight", (5, 6), fan_in=6, fan_out=5))
    (-1.0, 1.0)
    """

    formula: ClassVar[str] = "W ~ U(-r, r), r = sqrt(6 / ((1 + a^2) fan))"
    source: ClassVar[str] = "He et al. 2015, arXiv:1502.01852, section 2.2"


@recipe("kaiming_normal")
class KaimingNormal(Kaiming, FromFansNormal):
    """He's normal draw.

    >>> KaimingNormal(mode="fan_out").moments(Block("fc.weight", (8, 5), fan_in=5, fan_out=8))
    (0.0, 0.5)
    """

    formula: ClassVar[str] = "W ~ N(0, 2 / ((1 + a^2) fan))"
    source: ClassVar[str] = "He et al. 2015, arXiv:1502.01852, section 2.2"


@recipe("lecun_uniform")
class LecunUniform(Lecun, FromFansUniform):
    """LeCun's variance, drawn uniformly.

    >>> LecunUniform().bounds(Block("fc.weight", (5, 3), fan_in=3, fan_out=5))
    (-1.0, 1.0)
    """

    formula: ClassVar[str] = "W ~ U(-r, r), r = gain sqrt(3 / fan_in)"
    source: ClassVar[str] = "LeCun et al. 1998, Efficient BackProp, section 4.6"


@recipe("lecun_normal")
class LecunNormal(Lecun, FromFansNormal):
    """LeCun's variance, drawn from a normal.

    >>> LecunNormal().moments(Block("fc.weight", (5, 4), fan_in=4, fan_out=5))
    (0.0, 0.5)
    """

    formula: ClassVar[str] = "W ~ N(0, gain^2 / fan_in)"
    source: ClassVar[str] = "LeCun et al. 1998, Efficient BackProp, section 4.6"
