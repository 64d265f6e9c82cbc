"""Recipes without chance: zeros, ones, a constant, the identity, and leaving a slot alone. Wakes no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rnninit_hooks.errors import RnnInitError
from rnninit_hooks.recipes.base import Block, Breach, Draw, Recipe
from rnninit_hooks.recipes.laws import demand, equal, unfit
from rnninit_hooks.recipes.registry import recipe

if TYPE_CHECKING:
    from torch import Tensor


@recipe("zeros")
class Zeros(Recipe):
    """Every element is 0.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> Zeros().fill(Block("rnn.bias_l0[input]", (3,)), Keyed(0, "rnn.bias_l0[input]"))
    tensor([0., 0., 0.], dtype=torch.float64)
    """

    formula: ClassVar[str] = "W = 0"
    source: ClassVar[str] = "common practice for biases; for output layers Bachlechner et al. 2020, arXiv:2003.04887"
    constant: ClassVar[bool] = True

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """Zeros of the block's shape."""
        return draw.full(*block.shape, value=0.0)

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Every element is 0; for a bias, which may be a sum, up to rounding of numbers of order 1."""
        return unfit(block, value) or equal(block, value, 0.0)


@recipe("ones")
class Ones(Recipe):
    """Every element is 1.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> Ones().fill(Block("rnn.bias_l0[forget]", (3,)), Keyed(0, "rnn.bias_l0[forget]"))
    tensor([1., 1., 1.], dtype=torch.float64)
    """

    formula: ClassVar[str] = "W = 1"
    source: ClassVar[str] = "normalisation gains: Ioffe and Szegedy 2015, arXiv:1502.03167"
    constant: ClassVar[bool] = True

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """Ones of the block's shape."""
        return draw.full(*block.shape, value=1.0)

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Every element is 1 up to rounding."""
        return unfit(block, value) or equal(block, value, 1.0)


@recipe("constant")
class Constant(Recipe):
    """Every element is `value`; on a bias this is the bias that the gate feels.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> Constant(value=1.5).fill(Block("rnn.bias_l0[forget]", (3,)), Keyed(0, "rnn.bias_l0[forget]"))
    tensor([1.5000, 1.5000, 1.5000], dtype=torch.float64)
    """

    formula: ClassVar[str] = "W = value"
    source: ClassVar[str] = "forget biases: Gers et al. 2000; Jozefowicz et al. 2015, section 3.1"
    constant: ClassVar[bool] = True

    value: float

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """`value`, in the block's shape."""
        return draw.full(*block.shape, value=self.value)

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Every element is `value` up to rounding."""
        return unfit(block, value) or equal(block, value, self.value)


@recipe("identity")
class Identity(Recipe):
    """`gain` on the diagonal, 0 elsewhere; square matrices only.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> Identity(gain=0.5).fill(Block("rnn.weight_hh_l0", (2, 2)), Keyed(0, "rnn.weight_hh_l0"))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.5000]], dtype=torch.float64)
    """

    formula: ClassVar[str] = "W = gain I"
    source: ClassVar[str] = "Le, Jaitly and Hinton 2015, arXiv:1504.00941, section 3"
    constant: ClassVar[bool] = True

    gain: float = 1.0

    def refuse(self, block: Block) -> str | None:
        """Only square matrices can be the identity."""
        square = len(block.shape) == 2 and block.shape[0] == block.shape[1]
        return None if square else f"identity needs a square matrix, and this block has shape {block.shape}"

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """`gain` times the identity."""
        demand(self, block)
        return draw.eye(block.shape[0]).mul_(self.gain)

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """The diagonal is `gain` up to rounding, everything else 0."""
        if breaches := unfit(block, value):
            return breaches
        rest = value.clone()
        rest.diagonal().fill_(0.0)
        return equal(block, value.diagonal(), self.gain, law="diagonal") + equal(block, rest, 0.0, law="off-diagonal")


@recipe("keep")
class Keep(Recipe):
    """The slot keeps what it has: nothing is drawn, nothing is judged.

    >>> import torch
    >>> Keep().law(Block("rnn.weight_ih_l0[cell]", (2,)), torch.tensor([3.0, 4.0]))
    ()
    """

    formula: ClassVar[str] = "W stays"
    source: ClassVar[str] = "this package: a rule that protects a slot"

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """Always raises: a kept slot is never drawn."""
        raise RnnInitError(f"{block.address}: keep() has no value to fill with; leave the slot as it is")

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Anything obeys."""
        return ()
