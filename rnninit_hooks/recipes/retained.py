"""Biases of the keeping gate by closed forms: for a wanted lag, and along a power law. Wakes no torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator

from rnninit_hooks.recipes.base import Block, Breach, Draw, Recipe
from rnninit_hooks.recipes.laws import demand, equal, rounding, unfit
from rnninit_hooks.recipes.registry import recipe

if TYPE_CHECKING:
    from torch import Tensor
    from typing_extensions import Self


def _no_keeper(kind: str, block: Block) -> str | None:
    if block.kind == "bias" and block.polarity:
        return None
    return f"{kind} is for the bias of the gate that keeps the old state; match `kind: bias` and `gate: retain`"


@recipe("bias_for_lag")
class BiasForLag(Recipe):
    """A share `value` of the state is left after `steps` steps at zero input: retention value^(1/steps).

    The closed form counts the cell's own path alone. Recurrent matrices carry signal too, so for an LSTM it asks for more
    than is needed: for a tenth after 100 steps it says 3.76, where 1.3 to 2.4 were measured.

    >>> round(BiasForLag(value=0.1, steps=100.0).logit(), 2)
    3.76
    """

    formula: ClassVar[str] = "b = ±logit(value^(1/steps)), + where the open gate keeps"
    source: ClassVar[str] = "Gilboa et al. 2019, arXiv:1901.08987 (mean field; the cell path alone)"
    constant: ClassVar[bool] = True

    value: float = Field(gt=0, lt=1, description="Share of the state that is left, between 0 and 1.")
    steps: float = Field(gt=0, description="After how many steps; more than 0.")

    def logit(self) -> float:
        """What the gate feels where an open gate keeps."""
        rate = -math.log(self.value) / self.steps
        return -math.log(math.expm1(rate))

    def refuse(self, block: Block) -> str | None:
        """Only the bias of the gate that keeps the old state."""
        return _no_keeper(self.kind, block)

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """The logit with the gate's sign."""
        demand(self, block)
        return draw.full(*block.shape, value=block.polarity * self.logit())

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Every unit's effective bias is the one asked for, up to rounding."""
        return unfit(block, value) or equal(block, value, block.polarity * self.logit())


@recipe("power_law")
class PowerLaw(Recipe):
    """Biases that fall from `high` to `low` over the units: high - (high - low) (j / (d - 1))^exponent.

    xLSTM's scalar cell uses high 5, low -7 and exponent 0.3 + 1.3 r, r from 0 in the first block to 1 in the last. A gate
    that overwrites the old state gets the opposite sign. Refused for a single unit, where the formula divides 0 by 0.

    >>> [round(value, 3) for value in PowerLaw(high=5.0, low=-7.0, exponent=1.0).values(4)]
    [5.0, 1.0, -3.0, -7.0]
    """

    formula: ClassVar[str] = "b_j = ±(high - (high - low) (j / (d - 1))^exponent)"
    source: ClassVar[str] = "NX-AI/xlstm, xlstm/blocks/slstm/cell.py (powerlaw_blockdependent)"
    constant: ClassVar[bool] = True

    high: float
    low: float
    exponent: float = Field(gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be below high, found low {self.low} and high {self.high}")
        return self

    def values(self, count: int) -> list[float]:
        """What the gate feels where an open gate keeps."""
        return [self.high - (self.high - self.low) * (j / (count - 1)) ** self.exponent for j in range(count)]

    def refuse(self, block: Block) -> str | None:
        """Only the bias of the gate that keeps the old state, of two units or more."""
        single = "a power law over one unit divides 0 by 0" if math.prod(block.shape) == 1 else None
        return _no_keeper(self.kind, block) or single

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """The law's values with the gate's sign."""
        demand(self, block)
        found = draw.full(math.prod(block.shape), value=0.0)
        for index, value in enumerate(self.values(found.numel())):
            found[index] = block.polarity * value
        return found.reshape(block.shape)

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Every unit has its own value, up to rounding."""
        if breaches := unfit(block, value):
            return breaches
        if value.numel() < 2:
            return ()
        wanted = value.new_tensor(self.values(value.numel())).reshape(block.shape) * block.polarity
        gap = float((value - wanted).abs().max())
        if gap <= rounding(block, max(abs(self.high), abs(self.low))):
            return ()
        return (Breach("power law", f"up to {gap:.6g} away", f"{self.high:.6g} falling to {self.low:.6g}"),)
