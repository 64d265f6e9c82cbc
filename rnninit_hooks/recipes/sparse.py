"""The sparse recipe: a fixed number of non-zero elements in every row or in every column. Wakes no torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from rnninit_hooks.recipes.base import Block, Breach, Draw, Recipe
from rnninit_hooks.recipes.laws import SMALLEST, TAIL, Spread, demand, judge, unfit
from rnninit_hooks.recipes.matrices import at_most
from rnninit_hooks.recipes.registry import recipe

if TYPE_CHECKING:
    from torch import Tensor


@recipe("sparse")
class Sparse(Recipe):
    """`nonzero` elements N(0, std²) in every row (the inputs of one unit) or column, at random places; 0 elsewhere.

    `per: row` is Martens' scheme; `nn.init.sparse_` counts per column. In narrow dtypes the law knows that a draw may
    round to 0.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> block = Block("rnn.weight_hh_l0", (6, 6))
    >>> weight = Sparse(nonzero=2, std=1.0).fill(block, Keyed(0, block.address))
    >>> (weight != 0).sum(1).tolist()
    [2, 2, 2, 2, 2, 2]
    >>> print(*Sparse(nonzero=3, std=1.0).law(block, weight))
    non-zero elements per row: found 2 to 2, expected 3
    """

    formula: ClassVar[str] = "W has `nonzero` elements ~ N(0, std^2) per row (or column), 0 elsewhere"
    source: ClassVar[str] = "Martens 2010, Deep learning via Hessian-free optimization; Sutskever et al. 2013"
    divisible: ClassVar[bool] = False

    nonzero: int = Field(ge=1, description="How many elements of every row or column are not 0.")
    std: float = Field(gt=0.0, description="Standard deviation of the elements that are not 0.")
    per: Literal["row", "column"] = Field(default="row", description="Rows are the inputs of one unit, columns the outputs.")

    def refuse(self, block: Block) -> str | None:
        """Only a matrix has rows, and they must be long enough."""
        if len(block.shape) != 2 or not all(block.shape):
            return f"sparse needs a matrix, and this block has shape {block.shape}"
        length = block.shape[1 if self.per == "row" else 0]
        if self.nonzero <= length:
            return None
        return f"sparse asks for {self.nonzero} elements per {self.per}, and one of shape {block.shape} has {length}"

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """Normal draws at the places of the smallest of a row's uniform draws."""
        demand(self, block)
        lines, length = block.shape if self.per == "row" else block.shape[::-1]
        places = draw.uniform(lines, length).topk(self.nonzero, dim=1, largest=False).indices
        filled = draw.full(lines, length, value=0.0).scatter_(1, places, draw.normal(lines, self.nonzero).mul_(self.std))
        return filled if self.per == "row" else filled.mT.contiguous()

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """`nonzero` per row; those normal as chance allows; no column with more than chance gives it."""
        if breaches := unfit(block, value):
            return breaches
        lines = value if self.per == "row" else value.mT
        if breaches := tuple(self._counts(block, lines)):
            return breaches
        some = value[value != 0.0]
        return judge(replace(block, shape=tuple(some.shape)), some, Spread(0.0, self.std))

    def _counts(self, block: Block, lines: Tensor) -> Iterator[Breach]:
        counts = (lines != 0.0).sum(1)
        missing = self.nonzero * len(lines) - int(counts.sum())
        lost = SMALLEST.get(block.eps, 0.0) / (self.std * math.sqrt(2.0 * math.pi))
        least, most = (int(counts.min()), int(counts.max())) if len(lines) else (self.nonzero, self.nonzero)
        if most > self.nonzero or missing > at_most(self.nonzero * len(lines) * min(lost, 1.0)):
            yield Breach(f"non-zero elements per {self.per}", f"{least} to {most}", str(self.nonzero))
            return
        across, length = (lines != 0.0).sum(0), lines.shape[1]
        bound = min(len(lines), at_most(len(lines) * self.nonzero / length, tail=TAIL / length))
        if int(across.max()) > bound:
            other = "column" if self.per == "row" else "row"
            yield Breach(f"non-zero elements in one {other}", str(int(across.max())), f"at most {bound}, as chance has it")
