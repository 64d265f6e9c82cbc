"""The delta-orthogonal recipe: a convolution that is a semi-orthogonal matrix at its centre and 0 around it. Wakes no torch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from rnninit_hooks.recipes.base import Block, Breach, Draw, Recipe
from rnninit_hooks.recipes.laws import demand, equal, unfit
from rnninit_hooks.recipes.orthogonal import Orthogonal
from rnninit_hooks.recipes.registry import recipe

if TYPE_CHECKING:
    from torch import Tensor


@recipe("delta_orthogonal")
class DeltaOrthogonal(Recipe):
    """A kernel that is 0 but at its centre, where it is `gain` times a matrix with orthonormal columns.

    So the convolution (stride 1, "same" padding, no groups) multiplies the norm of its input by `gain`. Blocks are
    (out, in, *kernel); for the gates of a ConvLSTM `out` is one gate's. Refused: fewer outputs than inputs, since no
    such matrix keeps norms, and kernels of even size, which have no centre.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> block = Block("cell.conv.weight[forget]", (4, 2, 3, 3))
    >>> weight = DeltaOrthogonal().fill(block, Keyed(0, block.address))
    >>> (weight != 0).sum((0, 1)).tolist()
    [[0, 0, 0], [0, 8, 0], [0, 0, 0]]
    >>> DeltaOrthogonal().refuse(Block("conv.weight", (2, 4, 3), 12, 6))
    'delta_orthogonal needs as many outputs as inputs at least, and this block has shape (2, 4, 3)'
    """

    formula: ClassVar[str] = "W[.., centre] = gain Q, Q^T Q = I, Haar-distributed; 0 at every other tap"
    source: ClassVar[str] = "Xiao et al. 2018, arXiv:1806.05393, algorithm 2"

    gain: float = Field(default=1.0, gt=0.0)

    def refuse(self, block: Block) -> str | None:
        """A convolution with a centre and as many outputs as inputs."""
        if len(block.shape) < 3 or not all(block.shape):
            return f"delta_orthogonal needs a convolution (out, in, *kernel), and this block has shape {block.shape}"
        if any(size % 2 == 0 for size in block.shape[2:]):
            return f"delta_orthogonal needs a centre, and a kernel of shape {block.shape[2:]} has an even size"
        if block.shape[0] >= block.shape[1]:
            return None
        return f"delta_orthogonal needs as many outputs as inputs at least, and this block has shape {block.shape}"

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """0, and a Haar-distributed matrix at the centre."""
        demand(self, block)
        weight = draw.full(*block.shape, value=0.0)
        _centre(weight).copy_(draw.haar(*block.shape[:2]).double() * self.gain)
        return weight

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """0 around the centre; orthogonal with this gain at it."""
        if breaches := unfit(block, value):
            return breaches
        rest = value.clone()
        _centre(rest).fill_(0.0)
        centre = replace(block, shape=block.shape[:2])
        return equal(block, rest, 0.0, law="around the centre") + Orthogonal(gain=self.gain).law(centre, _centre(value))


def _centre(weight: Tensor) -> Tensor:
    """The matrix at the middle tap; a view."""
    for size in weight.shape[2:]:
        weight = weight.select(2, size // 2)
    return weight
