"""Recipes of what stands around the recurrence: embeddings, residual outputs, the bias of a classifier. Wakes no torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from rnninit_hooks.recipes.base import Block
from rnninit_hooks.recipes.iid import NormalAround
from rnninit_hooks.recipes.laws import demand
from rnninit_hooks.recipes.registry import recipe
from rnninit_hooks.recipes.targets import ClosedForm

if TYPE_CHECKING:
    from torch import Tensor

_SHOWN = 8


class _ByWidth(NormalAround):
    """Normal around 0, of a standard deviation that a width decides."""

    dim: int | None = Field(default=None, ge=1, description="The model's width; else it is read off the matrix.")

    def _width(self, block: Block) -> int | None:
        raise NotImplementedError

    def _std(self, width: int) -> float:
        raise NotImplementedError

    def refuse(self, block: Block) -> str | None:
        """Without `dim`, only a matrix says how wide the model is."""
        if self._width(block):
            return None
        return f"{self.kind} reads the model's width off a matrix, and this block has shape {block.shape}; say `dim`"

    def moments(self, block: Block) -> tuple[float, float]:
        """0 and the standard deviation."""
        demand(self, block)
        return 0.0, self._std(self._width(block) or 0)


@recipe("small_init")
class SmallInit(_ByWidth):
    """N(0, 2 / (5 dim)), `dim` the width of the model: the columns of an embedding or of a matrix that reads the stream.

    >>> SmallInit().moments(Block("embed.weight", (50, 10), fan_in=10, fan_out=50))
    (0.0, 0.2)
    """

    formula: ClassVar[str] = "W ~ N(0, 2 / (5 dim)), dim = fan_in unless said"
    source: ClassVar[str] = "Nguyen and Salazar 2019, arXiv:1910.05895; NX-AI/xlstm components/init.py small_init_init_"

    def _width(self, block: Block) -> int | None:
        return self.dim or block.fan_in

    def _std(self, width: int) -> float:
        return math.sqrt(2.0 / (5.0 * width))


@recipe("wang_init")
class WangInit(_ByWidth):
    """N(0, (2 / layers)² / dim) for the matrices that write into the residual stream, whose width is `dim`: their rows.

    >>> WangInit(layers=4).moments(Block("ffn.proj_down.weight", (25, 70), fan_in=70, fan_out=25))
    (0.0, 0.1)
    """

    formula: ClassVar[str] = "W ~ N(0, 4 / (layers^2 dim)), dim = fan_out unless said"
    source: ClassVar[str] = "EleutherAI/gpt-neox init_functions.py wang_init_method; NX-AI/xlstm components/init.py wang_init_"

    layers: int = Field(ge=1, description="How many residual blocks the model has.")

    def _width(self, block: Block) -> int | None:
        return self.dim or block.fan_out

    def _std(self, width: int) -> float:
        return 2.0 / self.layers / math.sqrt(width)


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Count = Annotated[float, Field(gt=0.0)]


@recipe("prior")
class Prior(ClosedForm):
    """Bias of a softmax head: log of each class's share, so that over a weight of zeros the model says those shares.

    `counts` has one positive number for each class, in the order of the outputs: counts or shares, they are divided by
    their sum. A class that never occurs has no finite bias: give it a small count.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> Prior(counts=[30, 10]).fill(Block("head.bias", (2,)), Keyed(0, "head.bias")).exp()
    tensor([0.7500, 0.2500], dtype=torch.float64)
    """

    formula: ClassVar[str] = "b = log(counts / sum(counts))"
    source: ClassVar[str] = "log marginals of the labels: the bias that is best where the weight is 0"

    counts: Annotated[tuple[Count, ...], BeforeValidator(_as_tuple), Field(min_length=2)]

    def __str__(self) -> str:
        """The first few counts, of a vocabulary's worth."""
        more = f", ... {len(self.counts)} in all" if len(self.counts) > _SHOWN else ""
        return f"{self.kind}(counts=({', '.join(f'{count:g}' for count in self.counts[:_SHOWN])}{more}))"

    def refuse(self, block: Block) -> str | None:
        """One count for each element of a vector."""
        if block.shape == (len(self.counts),):
            return None
        return f"prior has {len(self.counts)} counts, and this block has shape {block.shape}"

    def target(self, block: Block, ones: Tensor) -> Tensor:
        """The logarithms of the shares."""
        return ones.new_tensor(self.counts).log() - math.log(math.fsum(self.counts))
