"""Recipes for vectors: evenly spaced values, and the recurrent weights of an IndRNN. Wakes no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator

from rnninit_hooks.recipes.base import Block, Breach, Draw, Recipe
from rnninit_hooks.recipes.iid import UniformBetween
from rnninit_hooks.recipes.laws import demand, unfit
from rnninit_hooks.recipes.matrices import alike
from rnninit_hooks.recipes.registry import recipe

if TYPE_CHECKING:
    from torch import Tensor
    from typing_extensions import Self


@recipe("linspace")
class Linspace(Recipe):
    """Evenly spaced from `low` for the first unit to `high` for the last, both included; `low` may be above `high`.

    Vectors of two elements or more; one element cannot have both ends.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> Linspace(low=3.0, high=6.0).fill(Block("cell.bias[forget]", (4,)), Keyed(0, "cell.bias[forget]"))
    tensor([3., 4., 5., 6.], dtype=torch.float64)
    >>> Linspace(low=3.0, high=6.0).refuse(Block("cell.bias[forget]", (1,)))
    'linspace needs two elements at least, to have both ends, and this block has shape (1,)'
    """

    formula: ClassVar[str] = "w_j = low + (high - low) j / (n - 1), j = 0 .. n - 1"
    source: ClassVar[str] = "common practice for forget biases, e.g. Beck et al. 2024 (xLSTM), arXiv:2405.04517"
    constant: ClassVar[bool] = True

    low: float
    high: float

    @model_validator(mode="after")
    def _two_ends(self) -> Self:
        if self.low == self.high:
            raise ValueError(f"low and high are both {self.low}, so that nothing is spaced; use `constant`")
        return self

    def refuse(self, block: Block) -> str | None:
        """Only a vector with two ends can be spaced."""
        if len(block.shape) != 1:
            return f"linspace needs a vector, and this block has shape {block.shape}"
        if block.shape[0] >= 2:
            return None
        return f"linspace needs two elements at least, to have both ends, and this block has shape {block.shape}"

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """From `low` to `high`."""
        demand(self, block)
        return self._spaced(draw.full(*block.shape, value=1.0))

    def _spaced(self, ones: Tensor) -> Tensor:
        """Weighted so that both ends are exact."""
        share = ones.cumsum(0).sub_(1.0).div_(len(ones) - 1)
        return (1.0 - share) * self.low + share * self.high

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Every element is the one that its place asks for, up to rounding."""
        if breaches := unfit(block, value):
            return breaches
        largest = max(abs(self.low), abs(self.high), 1.0 if block.kind == "bias" else 0.0)
        return alike(block, value, self._spaced(value.new_ones(block.shape)), slack=block.eps * largest)


@recipe("indrnn")
class IndRNN(UniformBetween):
    """U(0, gain^(1/steps)): the recurrent weights of an IndRNN, one per unit, of which `steps` steps make `gain` at most.

    With `last` (for the last layer, which has to remember) U(gain^(-1/steps), gain^(1/steps)).

    >>> of = Block("cell.weight_hh", (64,), kind="recurrent")
    >>> [round(bound, 4) for bound in IndRNN(steps=100).bounds(of)]
    [0.0, 1.007]
    >>> [round(bound, 4) for bound in IndRNN(steps=100, last=True).bounds(of)]
    [0.9931, 1.007]
    """

    formula: ClassVar[str] = "u ~ U(0, gain^(1/steps)); last layer U(gain^(-1/steps), gain^(1/steps))"
    source: ClassVar[str] = "Li et al. 2018, arXiv:1803.04831, section 3"

    steps: int = Field(ge=1, description="Length of the sequences, in steps.")
    gain: float = Field(default=2.0, gt=1.0, description="The most that a unit's own path may grow over all the steps.")
    last: bool = Field(default=False, description="True for the last layer: no unit forgets within the steps.")

    def refuse(self, block: Block) -> str | None:
        """Only a vector of weights has one weight per unit."""
        if len(block.shape) != 1:
            return f"indrnn needs a vector, one recurrent weight per unit, and this block has shape {block.shape}"
        return "indrnn speaks of recurrent weights, and this block is a bias" if block.kind == "bias" else None

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """Elements drawn independently and uniformly between the bounds."""
        demand(self, block)
        return super().fill(block, draw)

    def bounds(self, block: Block) -> tuple[float, float]:
        """0, or in the last layer the inverse of the upper bound, and gain^(1/steps)."""
        high: float = self.gain ** (1.0 / self.steps)
        return (1.0 / high if self.last else 0.0), high
