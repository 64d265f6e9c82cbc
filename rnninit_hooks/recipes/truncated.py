"""The truncated normal whose width comes from the fans of the slot: what Keras, jax and Haiku start from. Wakes no torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from rnninit_hooks.recipes.base import Block, Breach, Draw
from rnninit_hooks.recipes.iid import TruncNormal
from rnninit_hooks.recipes.registry import recipe
from rnninit_hooks.recipes.scaled import FromFans

if TYPE_CHECKING:
    from torch import Tensor


@recipe("scaled_trunc_normal")
class ScaledTruncNormal(FromFans):
    """A normal of variance scale / fan, cut at twice its width.

    With `corrected` the variance of what is drawn is scale / fan (Keras, jax, Flax: `lecun_normal` is scale 1 on fan_in,
    `he_normal` 2 on fan_in, `glorot_normal` 1 on fan_avg); without it the cut makes it .774 of that (Haiku, Sonnet 2).

    >>> block = Block("rnn.weight_hh_l0[cell]", (4, 4), fan_in=4, fan_out=4)
    >>> ScaledTruncNormal().cut(block).spread.std
    0.5
    """

    formula: ClassVar[str] = "W ~ N(0, s^2) cut at +-2s, s = sqrt(scale / fan), enlarged by 1 / .8796 if corrected"
    source: ClassVar[str] = (
        "Keras VarianceScaling, jax.nn.initializers.variance_scaling (corrected); Haiku, Sonnet 2 (not corrected)"
    )

    scale: float = Field(default=1.0, gt=0.0)
    mode: Literal["fan_in", "fan_out", "fan_avg"] = "fan_in"
    corrected: bool = True

    def variance(self, fan_in: int, fan_out: int) -> float:
        """scale / fan."""
        fans = {"fan_in": float(fan_in), "fan_out": float(fan_out), "fan_avg": (fan_in + fan_out) / 2.0}
        return self.scale / fans[self.mode]

    def cut(self, block: Block) -> TruncNormal:
        """The truncated normal of this block."""
        return TruncNormal(std=math.sqrt(self._variance(block)), corrected=self.corrected)

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """Elements drawn independently, nothing rejected."""
        return self.cut(block).fill(block, draw)

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Within the cut; mean and standard deviation as chance allows."""
        return self.cut(block).law(block, value)
