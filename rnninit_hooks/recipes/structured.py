"""Square matrices with a structure of their own: a chain, antisymmetric damping, positive definite."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator

from rnninit_hooks.recipes.base import Block, Breach, Draw, Recipe
from rnninit_hooks.recipes.laws import Spread, demand, judge, unfit
from rnninit_hooks.recipes.matrices import alike, moved, not_square, worked
from rnninit_hooks.recipes.registry import recipe

if TYPE_CHECKING:
    from torch import Tensor
    from typing_extensions import Self


@recipe("chain")
class Chain(Recipe):
    """`above` on the superdiagonal (unit i hears unit i + 1), `diagonal` and `below` on the other two, 0 elsewhere.

    A pure chain has spectral radius 0 and yet carries a signal: its largest singular value is |above|.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> Chain(above=1.02).fill(Block("rnn.weight_hh_l0", (3, 3)), Keyed(0, "rnn.weight_hh_l0"))
    tensor([[0.0000, 1.0200, 0.0000],
            [0.0000, 0.0000, 1.0200],
            [0.0000, 0.0000, 0.0000]], dtype=torch.float64)
    """

    formula: ClassVar[str] = "W[i, i+1] = above, W[i, i] = diagonal, W[i+1, i] = below, 0 elsewhere"
    source: ClassVar[str] = "Orhan and Pitkow 2019, arXiv:1905.13715"
    divisible: ClassVar[bool] = False
    constant: ClassVar[bool] = True

    above: float = 1.02
    diagonal: float = 0.0
    below: float = 0.0

    @model_validator(mode="after")
    def _linked(self) -> Self:
        if not (self.above or self.below):
            raise ValueError("a chain needs a link: above or below must not be 0; use `identity` for a diagonal alone")
        return self

    def refuse(self, block: Block) -> str | None:
        """A square matrix with a link."""
        if reason := not_square(self, block):
            return reason
        return None if block.shape[0] > 1 else f"chain needs two units to link, and this block has shape {block.shape}"

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """The three diagonals."""
        demand(self, block)
        return self._pattern(draw.full(*block.shape, value=0.0))

    def _pattern(self, zeros: Tensor) -> Tensor:
        for offset, size in ((1, self.above), (0, self.diagonal), (-1, self.below)):
            zeros.diagonal(offset).fill_(size)
        return zeros

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Every element is that of the pattern up to rounding."""
        return unfit(block, value) or alike(block, value, self._pattern(value.new_zeros(block.shape)))


@recipe("antisymmetric")
class Antisymmetric(Recipe):
    """M - Mᵀ - gamma I with elements of M drawn from N(0, gain²/n): every eigenvalue has the real part -gamma exactly.

    `gain` is the standard deviation before 1/sqrt(n), no variance; an element off the diagonal has gain sqrt(2/n).

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> block = Block("cell.weight_hh", (4, 4))
    >>> weight = Antisymmetric(gain=1.0, gamma=0.01).fill(block, Keyed(0, block.address))
    >>> (weight + weight.mT).unique()
    tensor([-0.0200,  0.0000], dtype=torch.float64)
    """

    formula: ClassVar[str] = "W = M - M^T - gamma I, M_ij ~ N(0, gain^2 / n)"
    source: ClassVar[str] = "Chang et al. 2019, AntisymmetricRNN, arXiv:1902.09689"
    divisible: ClassVar[bool] = False

    gain: float = Field(gt=0.0, description="M has elements of standard deviation gain / sqrt(n).")
    gamma: float = Field(ge=0.0, description="Damping: the real part of every eigenvalue is -gamma.")

    def refuse(self, block: Block) -> str | None:
        """Only square matrices have a transpose to subtract."""
        return not_square(self, block)

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """A normal draw less its transpose, damped."""
        demand(self, block)
        half = draw.normal(*block.shape).mul_(self.gain / math.sqrt(block.shape[0]))
        weight = half - half.mT
        weight.diagonal().fill_(-self.gamma)
        return weight

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Antisymmetric but for -gamma on the diagonal; above it normal as chance allows."""
        if breaches := unfit(block, value):
            return breaches
        expected = (value - value.mT) / 2.0
        expected.diagonal().fill_(-self.gamma)
        if breaches := alike(block, value, expected, law="antisymmetry and damping"):
            return breaches
        above = value[value.new_ones(value.shape).triu(1) > 0.0]
        spread = Spread(0.0, self.gain * math.sqrt(2.0 / block.shape[0]))
        return judge(replace(block, shape=tuple(above.shape)), above, spread)


@recipe("np_rnn")
class NpRNN(Recipe):
    """Symmetric and positive definite with largest eigenvalue 1: one direction persists, the others fade. For ReLU networks.

    >>> import torch
    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> block = Block("rnn.weight_hh_l0", (4, 4))
    >>> weight = NpRNN().fill(block, Keyed(0, block.address))
    >>> [round(x, 3) for x in torch.linalg.eigvalsh(weight).tolist()]
    [0.345, 0.446, 0.528, 1.0]
    """

    formula: ClassVar[str] = "W = (A + I) / lambda_max(A + I), A = R R^T / n, R ~ N(0, 1)"
    source: ClassVar[str] = "Talathi and Vartak 2015, arXiv:1511.03771"
    divisible: ClassVar[bool] = False

    def refuse(self, block: Block) -> str | None:
        """Only square matrices are symmetric."""
        return not_square(self, block)

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """A normal draw times its transpose, plus the identity, over the largest eigenvalue."""
        demand(self, block)
        import torch  # so that reading rules wakes none

        size = block.shape[0]
        normal = draw.normal(size, size)
        matrix = (normal @ normal.mT).div_(size) + draw.eye(size)
        matrix = (matrix + matrix.mT) / 2.0
        return matrix / float(torch.linalg.eigvalsh(matrix)[-1])

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Symmetric up to rounding; every eigenvalue positive; the largest 1 as far as storage leaves it."""
        if breaches := unfit(block, value):
            return breaches
        import torch  # so that reading rules wakes none

        middle = (value + value.mT) / 2.0
        if breaches := alike(block, value, middle, law="symmetry", slack=worked(block, 1.0)):
            return breaches
        eigenvalues = torch.linalg.eigvalsh(middle)
        least, most = float(eigenvalues[0]), float(eigenvalues[-1])
        if least <= 0.0:
            return (Breach("least eigenvalue", f"{least:.5g}", "more than 0"),)
        if abs(most - 1.0) <= moved(block, value) + worked(block, 1.0):
            return ()
        return (Breach("largest eigenvalue", f"{most:.9g}", "1"),)
