"""Recipes that say how long a recurrent unit remembers, whatever its cell calls the gate and whichever way it works."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from rnninit_hooks.recipes.base import Block, Breach, Draw, Recipe
from rnninit_hooks.recipes.laws import equal, unfit
from rnninit_hooks.recipes.registry import recipe

if TYPE_CHECKING:
    from torch import Tensor


class _Memory(Recipe):
    """The bias of the gate that decides how much of the old state stays, from what should stay."""

    constant: ClassVar[bool] = True

    def _logit(self) -> float:
        raise NotImplementedError

    def refuse(self, block: Block) -> str | None:
        """Only the bias of the gate that keeps or overwrites the old state has a retention."""
        if block.kind == "bias" and block.polarity:
            return None
        return f"only the bias of the gate that keeps the old state has a {self.kind}; match `kind: bias` and `gate: retain`"

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """The effective bias: the logit, negated where an open gate overwrites the state."""
        return draw.full(*block.shape, value=block.polarity * self._logit())

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Every unit's effective bias is the one asked for, up to rounding."""
        return unfit(block, value) or equal(block, value, block.polarity * self._logit())


@recipe("retention")
class Retention(_Memory):
    """At zero input, `value` (between 0 and 1) of the old state stays in each step.

    The bias that the gate feels becomes logit(value) where an open gate keeps the state (LSTM forget, torch's GRU
    update), -logit(value) where an open gate overwrites it; constants added in `forward` are counted in.

    >>> import torch, rnninit_hooks as ri
    >>> rule = ri.Rule(id="keep", match=ri.Match(kind="bias", gate="retain"), init=ri.Retention(value=0.9))
    >>> cell = torch.nn.GRUCell(3, 4)
    >>> _ = ri.apply(cell, ri.Policy(rules=[rule], untouched="allow"))
    >>> round(ri.inspect(cell)["bias[update]"].retention, 6)
    0.9
    """

    formula: ClassVar[str] = "b = ±log(value / (1 - value)), + where the open gate keeps"
    source: ClassVar[str] = "Gers et al. 2000 (forget bias); Tallec and Ollivier 2018, arXiv:1804.11188, section 2"

    value: float = Field(gt=0, lt=1, description="Share of the old state that stays in one step, between 0 and 1.")

    def _logit(self) -> float:
        return math.log(self.value) - math.log1p(-self.value)


@recipe("timescale")
class Timescale(_Memory):
    """At zero input, the state decays over `steps` steps: retention 1 - 1/steps; `steps` is more than 1.

    >>> round(Timescale(steps=10)._logit(), 4), round(Retention(value=0.9)._logit(), 4)
    (2.1972, 2.1972)
    """

    formula: ClassVar[str] = "b = ±log(steps - 1), + where the open gate keeps"
    source: ClassVar[str] = "Tallec and Ollivier 2018, arXiv:1804.11188, section 2: characteristic forgetting time"

    steps: float = Field(gt=1, description="Steps after which a share of 1/e is left, at zero input; more than 1.")

    def _logit(self) -> float:
        return math.log(self.steps - 1)
