"""Orthogonal recipes told by their determinant or by their signs: rotations of Haar, Householder's, Hadamard's."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from rnninit_hooks.recipes.base import Block, Breach, Draw, Recipe
from rnninit_hooks.recipes.laws import demand, unfit
from rnninit_hooks.recipes.matrices import alike, moved, not_square, worked
from rnninit_hooks.recipes.orthogonal import Orthogonal
from rnninit_hooks.recipes.registry import recipe

if TYPE_CHECKING:
    from torch import Tensor

_PRODUCT = 2.0**-50
"""What one more reflection costs in float64."""


def turning(value: Tensor, sign: float) -> tuple[Breach, ...]:
    """The determinant of an orthogonal matrix has this sign."""
    found = float(value.slogdet()[0])
    return () if found == sign else (Breach("sign of the determinant", f"{found:+.0f}", f"{sign:+.0f}"),)


@recipe("special_orthogonal")
class SpecialOrthogonal(Recipe):
    """`gain` times a rotation: Haar-distributed among the orthogonal matrices with determinant +1; square only.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> block = Block("rnn.weight_hh_l0", (3, 3))
    >>> weight = SpecialOrthogonal().fill(block, Keyed(0, block.address))
    >>> round(float(weight.det()), 12)
    1.0
    >>> print(*SpecialOrthogonal().law(block, weight[[1, 0, 2]]))
    sign of the determinant: found -1, expected +1
    """

    formula: ClassVar[str] = "W = gain Q, Q Haar-distributed on SO(n): W W^T = gain^2 I, det Q = +1"
    source: ClassVar[str] = "Lezcano-Casado and Martinez-Rubio 2019, arXiv:1901.08428; Mezzadri, math-ph/0609050"
    divisible: ClassVar[bool] = False

    gain: float = Field(default=1.0, gt=0.0)

    def refuse(self, block: Block) -> str | None:
        """Only square matrices have a determinant."""
        return not_square(self, block)

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """A Haar-distributed matrix, its first row turned round where the determinant is -1."""
        demand(self, block)
        weight = draw.haar(*block.shape).double()
        if float(weight.slogdet()[0]) < 0.0:
            weight[0] *= -1.0
        return weight * self.gain

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Orthogonal with this gain, and the determinant positive."""
        return Orthogonal(gain=self.gain).law(block, value) or turning(value, 1.0)


@recipe("householder")
class Householder(Recipe):
    """The product of `reflections` random reflections; all but that many directions stay, the determinant is (-1)^reflections.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> block = Block("rnn.weight_hh_l0", (5, 5))
    >>> weight = Householder(reflections=1).fill(block, Keyed(0, block.address))
    >>> round(float(weight.trace()), 12), round(float(weight.det()), 12)
    (3.0, -1.0)
    >>> print(*Householder(reflections=3).law(block, weight @ weight))
    sign of the determinant: found +1, expected -1
    """

    formula: ClassVar[str] = "W = prod_k (I - 2 v v^T / |v|^2), v ~ N(0, I)"
    source: ClassVar[str] = "Mhammedi et al. 2017, arXiv:1612.00188"
    divisible: ClassVar[bool] = False

    reflections: int = Field(ge=1, description="How many reflections are multiplied.")

    def refuse(self, block: Block) -> str | None:
        """Only square matrices reflect."""
        return not_square(self, block)

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """The identity, reflected again and again."""
        demand(self, block)
        size = block.shape[0]
        weight = draw.eye(size)
        for normal in draw.normal(self.reflections, size):
            axis = normal / normal.norm()
            weight -= 2.0 * axis.outer(axis @ weight)
        return weight

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Orthogonal; the determinant's sign is that of the parity; W - I has rank `reflections` at most."""
        judged = replace(block, eps=max(block.eps, self.reflections * _PRODUCT))
        if breaches := Orthogonal().law(judged, value) or turning(value, (-1.0) ** self.reflections):
            return breaches
        if self.reflections >= block.shape[0]:
            return ()
        import torch  # so that reading rules wakes none

        strengths = torch.linalg.svdvals(value - value.new_ones(block.shape[0]).diag())
        slack = moved(block, value) + worked(block, 1.0)
        rank = int((strengths > slack).sum())
        if rank <= self.reflections:
            return ()
        return (Breach("directions that do not stay", str(rank), f"at most {self.reflections}"),)


@recipe("hadamard")
class Hadamard(Recipe):
    """`gain` times a Hadamard matrix (Sylvester's) over sqrt(n), its columns with random signs; n must be a power of two.

    Every element has the same size, so that every unit hears every unit equally.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> block = Block("rnn.weight_hh_l0", (4, 4))
    >>> weight = Hadamard().fill(block, Keyed(0, block.address))
    >>> weight.abs().unique(), (weight @ weight.mT).diagonal()
    (tensor([0.5000], dtype=torch.float64), tensor([1., 1., 1., 1.], dtype=torch.float64))
    >>> Hadamard().refuse(Block("rnn.weight_hh_l0", (6, 6)))
    'hadamard needs a power of two, and this block of shape (6, 6) has 6 rows'
    """

    formula: ClassVar[str] = "W = gain H_n diag(+-1) / sqrt(n), n = 2^k"
    source: ClassVar[str] = "Sylvester 1867; as a layer Le et al. 2013 (Fastfood), arXiv:1408.3060"
    divisible: ClassVar[bool] = False

    gain: float = Field(default=1.0, gt=0.0)

    def refuse(self, block: Block) -> str | None:
        """Only square matrices of 2^k rows."""
        if reason := not_square(self, block):
            return reason
        size = block.shape[0]
        if size & (size - 1) == 0:
            return None
        return f"hadamard needs a power of two, and this block of shape {block.shape} has {size} rows"

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """Sylvester's matrix with the sign of each column drawn."""
        demand(self, block)
        signs = draw.uniform(block.shape[1]).sub_(0.5).sign()
        return self._sylvester(signs.new_ones(1, 1), block.shape[0]) * signs

    def _sylvester(self, one: Tensor, size: int) -> Tensor:
        pattern, turn = one, one.new_tensor([[1.0, 1.0], [1.0, -1.0]])
        while len(pattern) < size:
            pattern = turn.kron(pattern)
        return pattern * (self.gain / math.sqrt(size))

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Sylvester's matrix once the signs of the first row, all + there, are taken from the columns."""
        if breaches := unfit(block, value):
            return breaches
        signs = value[0].sign().where(value[0] != 0.0, value.new_tensor(1.0))
        return alike(block, value, self._sylvester(value.new_ones(1, 1), block.shape[0]) * signs)
