"""Recipes that other frameworks start from: LeCun's variance cut at two sigma, and fans of the joint matrix. Wakes no torch.

Some frameworks keep one matrix for [x; h], the input beside the old state, and take its fans. On a torch module that
matrix is spread over `weight_ih` and `weight_hh`; `Block.joint_in` says how many columns it would have.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from rnninit_hooks.recipes.base import Block, Breach, Draw
from rnninit_hooks.recipes.iid import TruncNormal
from rnninit_hooks.recipes.registry import recipe
from rnninit_hooks.recipes.scaled import FromFans, FromFansUniform, Lecun, Xavier

if TYPE_CHECKING:
    from torch import Tensor


class FromFansCut(FromFans):
    """A normal around 0 cut at ±2, with the standard deviation that the fans decide; see `trunc_normal`."""

    corrected: bool = True

    def cut(self, block: Block) -> TruncNormal:
        """The truncated normal on this block."""
        return TruncNormal(std=math.sqrt(self._variance(block)), corrected=self.corrected)

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """Elements drawn independently, one uniform number each, nothing rejected."""
        return self.cut(block).fill(block, draw)

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Within the cut; mean and standard deviation as chance allows."""
        return self.cut(block).law(block, value)


class FromJointFans(FromFans):
    """Fans of the matrix that a framework keeps for input and old state together."""

    def joint_fans(self, block: Block) -> tuple[int, int]:
        """Columns and rows of the joint matrix that this block is a part of."""
        return block.joint_in or 0, block.fan_out or 0

    def _variance(self, block: Block) -> float:
        super()._variance(block)
        return self.variance(*self.joint_fans(block))

    def refuse(self, block: Block) -> str | None:
        """Only the input and the recurrent matrix of a gate are parts of a joint one."""
        if block.joint_in is None or block.gate is None:
            return f"{self.kind} speaks of one gate's input or recurrent matrix, and this block of shape {block.shape} is none"
        return super().refuse(block)


@recipe("lecun_trunc_normal")
class LecunTruncNormal(Lecun, FromFansCut):
    """LeCun's variance, drawn from a normal that is cut at two standard deviations.

    With `corrected`, the default, what is drawn has the standard deviation gain / sqrt(fan_in); without it the normal
    before the cut has it, and what is drawn 0.8796 of it.

    >>> block = Block("fc.weight", (5, 4), fan_in=4, fan_out=5)
    >>> [round(LecunTruncNormal(corrected=corrected).cut(block).spread.std, 4) for corrected in (True, False)]
    [0.5, 0.4398]
    """

    formula: ClassVar[str] = "W ~ N(0, s^2) cut at ±2 s; s = gain / sqrt(fan_in), corrected for what the cut takes"
    source: ClassVar[str] = "jax.nn.initializers.lecun_normal and Flax (corrected); Haiku's and Sonnet's Linear (not corrected)"


@recipe("joint_lecun_trunc_normal")
class JointLecunTruncNormal(FromJointFans, LecunTruncNormal):
    """`lecun_trunc_normal` with the fan-in of the joint matrix: as many columns as input and old state have together.

    >>> block = Block("rnn.weight_ih_l0[cell]", (6, 4), fan_in=4, fan_out=6, gate="cell", joint_in=16)
    >>> JointLecunTruncNormal(corrected=False).cut(block).std
    0.25
    """

    formula: ClassVar[str] = "W ~ N(0, s^2) cut at ±2 s; s = gain / sqrt(columns of [W_ih W_hh])"
    source: ClassVar[str] = "dm-haiku: LSTM is one Linear on [x; h]"


@recipe("joint_xavier_uniform")
class JointXavierUniform(FromJointFans, Xavier, FromFansUniform):
    """Glorot's uniform draw with the fans of the joint matrix, [W_ih W_hh] of `gates` gates stacked.

    `gates` says how many gates share the matrix: 4 for TensorFlow 1's LSTM cells, 2 for its GRU's gates, 1 for the GRU's
    candidate and the basic RNN.

    >>> block = Block("rnn.weight_hh_l0[cell]", (6, 6), fan_in=6, fan_out=6, gate="cell", joint_in=30)
    >>> JointXavierUniform(gates=4).bounds(block)
    (-0.3333333333333333, 0.3333333333333333)
    """

    formula: ClassVar[str] = "W ~ U(-r, r), r = gain sqrt(6 / (columns of [W_ih W_hh] + gates rows))"
    source: ClassVar[str] = "TensorFlow 1, rnn_cell_impl.py, with get_variable's glorot_uniform"

    gates: int = Field(gt=0, description="How many gates share the joint matrix.")

    def joint_fans(self, block: Block) -> tuple[int, int]:
        """Columns of the joint matrix, and the rows of all gates that share it."""
        columns, rows = super().joint_fans(block)
        return columns, self.gates * rows
