"""Rotations of pairs of units, each by its own angle: Henaff's, the Cayley transform's, expRNN's. Wakes no torch."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from rnninit_hooks.recipes.base import Block, Breach, Draw, Recipe
from rnninit_hooks.recipes.laws import demand, judge, unfit, uniform_spread
from rnninit_hooks.recipes.matrices import FLOAT32, alike, not_square
from rnninit_hooks.recipes.registry import recipe

if TYPE_CHECKING:
    from torch import Tensor


class PlaneRotations(Recipe):
    """What all are: units 2k and 2k + 1 turned by an angle of their own; the last of an odd number stays.

    Angles come from numbers drawn uniformly between two bounds.
    """

    divisible: ClassVar[bool] = False
    _sense: ClassVar[float] = 1.0

    def _bounds(self) -> tuple[float, float]:
        return -math.pi, math.pi

    def _angle(self, drawn: Tensor) -> Tensor:
        return drawn

    def _drawn(self, angle: Tensor) -> Tensor:
        return angle

    def _signs(self, like: Tensor) -> Tensor:
        """Factors of the columns."""
        return like.new_ones(like.shape[-1])

    def refuse(self, block: Block) -> str | None:
        """Only square matrices rotate."""
        return not_square(self, block)

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """The rotations along the diagonal."""
        demand(self, block)
        low, high = self._bounds()
        drawn = draw.uniform(block.shape[0] // 2).mul_(high - low).add_(low)
        return self._turned(draw.eye(block.shape[0]), self._angle(drawn))

    def _turned(self, eye: Tensor, angles: Tensor) -> Tensor:
        """Rotations by these angles, as the product with the signs of the columns."""
        even = 2 * len(angles)
        first, second = eye.diagonal()[0:even:2], eye.diagonal()[1:even:2]
        first.copy_(angles.cos()), second.copy_(angles.cos())
        upper, lower = eye.diagonal(1)[0:even:2], eye.diagonal(-1)[0:even:2]
        lower.copy_(self._sense * angles.sin()), upper.copy_(-self._sense * angles.sin())
        return eye * self._signs(eye)

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """The pattern of rotations, each of length 1 up to rounding; their angles uniform as chance allows."""
        if breaches := unfit(block, value):
            return breaches
        plain = value * self._signs(value)
        even = block.shape[0] // 2 * 2
        cosine = (plain.diagonal()[0:even:2] + plain.diagonal()[1:even:2]) / 2.0
        sine = self._sense * (plain.diagonal(-1)[0:even:2] - plain.diagonal(1)[0:even:2]) / 2.0
        angles = sine.atan2(cosine)
        expected = self._turned(value.new_ones(block.shape[0]).diag(), angles)
        slack = (block.eps + 4.0 * min(block.eps, FLOAT32)) * (expected != 0.0)
        if breaches := alike(block, value, expected, law="rotations of pairs", slack=slack):
            return breaches
        return judge(replace(block, shape=tuple(angles.shape)), self._drawn(angles), uniform_spread(*self._bounds()))


@recipe("rotations")
class Rotations(PlaneRotations):
    """Pairs of units turned by angles U(-pi, pi); of an odd number of units the last stays as it is.

    The exponential of Henaff's block-diagonal skew matrix: orthogonal, determinant +1, eigenvalues exp(±i angle).

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> block = Block("rnn.weight_hh_l0", (3, 3))
    >>> Rotations().fill(block, Keyed(0, block.address))
    tensor([[ 0.9966, -0.0829,  0.0000],
            [ 0.0829,  0.9966,  0.0000],
            [ 0.0000,  0.0000,  1.0000]], dtype=torch.float64)
    """

    formula: ClassVar[str] = "W = blockdiag([[cos t, -sin t], [sin t, cos t]]), t ~ U(-pi, pi); odd n: last 1"
    source: ClassVar[str] = "Henaff, Szlam and LeCun 2016, arXiv:1602.06662"


@recipe("cayley")
class Cayley(PlaneRotations):
    """The Cayley transform of a skew matrix whose eigenvalues are turned by angles U(0, pi/2), times diag(1, .., -1, ..).

    `negative` of the diagonal entries, the last ones, are -1 (Helfrich's D, a hyper-parameter). The transform
    (I + A)⁻¹ (I - A) of the blocks [[0, s], [-s, 0]], s = -tan(t/2), is the rotation by -t, written down at once.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> block = Block("rnn.weight_hh_l0", (3, 3))
    >>> weight = Cayley(negative=1).fill(block, Keyed(0, block.address))
    >>> weight
    tensor([[ 0.6923,  0.7216, -0.0000],
            [-0.7216,  0.6923, -0.0000],
            [ 0.0000,  0.0000, -1.0000]], dtype=torch.float64)
    """

    formula: ClassVar[str] = "W = (I + A)^-1 (I - A) D, A = blockdiag([[0, s], [-s, 0]]), s = -tan(t/2), t ~ U(0, pi/2)"
    source: ClassVar[str] = "Helfrich, Willmott and Ye 2018, arXiv:1707.09520"

    _sense: ClassVar[float] = -1.0

    negative: int = Field(default=0, ge=0, description="How many of the last entries of D are -1.")

    def refuse(self, block: Block) -> str | None:
        """A square matrix, with a column for every -1."""
        if reason := not_square(self, block):
            return reason
        if self.negative <= block.shape[0]:
            return None
        return f"cayley asks for {self.negative} entries -1, and a block of shape {block.shape} has {block.shape[0]}"

    def _bounds(self) -> tuple[float, float]:
        return 0.0, math.pi / 2.0

    def _signs(self, like: Tensor) -> Tensor:
        signs = like.new_ones(like.shape[-1])
        signs[len(signs) - self.negative :] = -1.0
        return signs


@recipe("exprnn")
class ExpRNN(PlaneRotations):
    """The exponential of a skew matrix of blocks [[0, -a], [a, 0]]: pairs of units turned by a.

    With `skew: henaff` a ~ U(-pi, pi), which is `rotations`; with `skew: cayley` a = tan(t/2), t ~ U(0, pi/2), the
    parameters that a Cayley transform would turn into angles t, so that a lies between 0 and 1.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> block = Block("rnn.weight_hh_l0", (3, 3))
    >>> ExpRNN(skew="cayley").fill(block, Keyed(0, block.address))
    tensor([[ 0.9105, -0.4136,  0.0000],
            [ 0.4136,  0.9105,  0.0000],
            [ 0.0000,  0.0000,  1.0000]], dtype=torch.float64)
    """

    formula: ClassVar[str] = "W = exp(blockdiag([[0, -a], [a, 0]])), a ~ U(-pi, pi) or a = tan(t/2), t ~ U(0, pi/2)"
    source: ClassVar[str] = "Lezcano-Casado and Martinez-Rubio 2019, arXiv:1901.08428, and its code"

    skew: Literal["henaff", "cayley"] = Field(description="Where the skew matrix comes from.")

    def _bounds(self) -> tuple[float, float]:
        return (0.0, math.pi / 2.0) if self.skew == "cayley" else (-math.pi, math.pi)

    def _angle(self, drawn: Tensor) -> Tensor:
        return (drawn / 2.0).tan() if self.skew == "cayley" else drawn

    def _drawn(self, angle: Tensor) -> Tensor:
        return 2.0 * angle.atan() if self.skew == "cayley" else angle
