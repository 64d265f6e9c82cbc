"""The truncated normal whose width comes from the fans of the slot: what Keras, jax and Haiku start from. Wakes no torch."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from rnninit_hooks.recipes.frameworks import FromFansCut
from rnninit_hooks.recipes.registry import recipe


@recipe("scaled_trunc_normal")
class ScaledTruncNormal(FromFansCut):
    """A normal of variance scale / fan, cut at twice its width.

    With `corrected` the variance of what is drawn is scale / fan (Keras, jax, Flax: `lecun_normal` is scale 1 on fan_in,
    `he_normal` 2 on fan_in, `glorot_normal` 1 on fan_avg); without it the cut makes it .774 of that (Haiku, Sonnet 2).

    >>> from rnninit_hooks.recipes.base import Block
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

    def variance(self, fan_in: int, fan_out: int) -> float:
        """scale / fan."""
        fans = {"fan_in": float(fan_in), "fan_out": float(fan_out), "fan_avg": (fan_in + fan_out) / 2.0}
        return self.scale / fans[self.mode]
