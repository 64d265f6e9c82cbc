"""Recipes told by a spectrum: a wanted spectral radius, and singular values within bounds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator

from rnninit_hooks.errors import RnnInitError
from rnninit_hooks.recipes.base import Block, Breach, Draw, Recipe
from rnninit_hooks.recipes.laws import SMALLEST, TAIL, demand, judge, unfit, uniform_spread
from rnninit_hooks.recipes.matrices import FLOAT32, at_most, moved, not_square, worked
from rnninit_hooks.recipes.registry import recipe

if TYPE_CHECKING:
    from torch import Tensor
    from typing_extensions import Self

_TRIES = 64
_FIRM = 1e-6
_LOOSEST = 0.2
_SOLVED = 2.0**-44
"""What an eigenvalue solver in float64 costs at most, as a share of the elements."""
_HOEFFDING = math.sqrt(2.0 * math.log(4.0 / TAIL))


@recipe("spectral_radius")
class SpectralRadius(Recipe):
    """A Gaussian matrix, dense or sparse, scaled so that its largest eigenvalue has the absolute value `radius`; square only.

    `density` is the share of elements that are not 0, at places drawn at random. A draw without a firm spectral radius
    (a nilpotent one has 0) is drawn again; fewer non-zero elements than rows are refused, since most such matrices are
    nilpotent. The radius bounds no norm: radius 0.95 comes with singular values near 1.9.

    >>> import torch
    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> block = Block("reservoir.weight_hh_l0", (30, 30))
    >>> weight = SpectralRadius(radius=0.95, density=0.1).fill(block, Keyed(0, block.address))
    >>> round(float(torch.linalg.eigvals(weight).abs().max()), 9), int((weight != 0).sum())
    (0.95, 90)
    >>> SpectralRadius(radius=0.95, density=0.1).refuse(Block("a.weight", (4, 4)))
    'spectral_radius would leave 2 non-zero elements in shape (4, 4): most such matrices are nilpotent; raise density to 0.25'
    """

    formula: ClassVar[str] = "W = M radius / max|eigenvalue of M|, M ~ N(0, 1) on a share `density` of the elements"
    source: ClassVar[str] = "Jaeger 2001, The echo state approach to analysing and training recurrent neural networks"
    divisible: ClassVar[bool] = False

    radius: float = Field(gt=0.0, description="The largest absolute value of an eigenvalue.")
    density: float = Field(default=1.0, gt=0.0, le=1.0, description="Share of the elements that are not 0.")

    def _count(self, block: Block) -> int:
        return round(self.density * block.shape[0] * block.shape[1])

    def refuse(self, block: Block) -> str | None:
        """A square matrix with a non-zero element for every row."""
        if reason := not_square(self, block):
            return reason
        size, count = block.shape[0], self._count(block)
        if count >= size:
            return None
        return (
            f"spectral_radius would leave {count} non-zero elements in shape {block.shape}: "
            f"most such matrices are nilpotent; raise density to {math.ceil(1000 / size) / 1000}"
        )

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """A Gaussian draw, scaled; drawn again while its spectral radius is 0 or as good as undetermined."""
        demand(self, block)
        for _ in range(_TRIES):
            matrix = self._gaussian(block, draw)
            if found := self._firm_radius(matrix):
                return matrix * (self.radius / found)
        raise RnnInitError(
            f"{block.address}: {_TRIES} draws of {self} had no firm spectral radius on shape {block.shape}; raise density"
        )

    def _firm_radius(self, matrix: Tensor) -> float:
        """The spectral radius of a draw; 0 where it is as good as undetermined, which a dense draw's never is."""
        if self.density == 1.0:
            import torch  # so that reading rules wakes none

            return float(torch.linalg.eigvals(matrix).abs().max())
        sizes, doubts = spectrum(matrix)
        first = int(sizes.argmax())
        found = float(sizes[first])
        return found if float(doubts[first]) * 2.0**-52 <= _FIRM * found else 0.0

    def _gaussian(self, block: Block, draw: Draw) -> Tensor:
        if self._count(block) == math.prod(block.shape):
            return draw.normal(*block.shape)
        count = self._count(block)
        places = draw.uniform(math.prod(block.shape)).topk(count, largest=False).indices
        flat = draw.full(math.prod(block.shape), value=0.0)
        return flat.scatter_(0, places, draw.normal(count)).reshape(block.shape)

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """The density, and the radius as far as storage leaves it, given how firmly each eigenvalue stands."""
        if breaches := unfit(block, value) or self._density(block, value):
            return breaches
        sizes, doubts = spectrum(value)
        slack = self._slack(block, value, doubts)
        found = float(sizes.max())
        if bool((sizes - slack <= self.radius).all()) and bool((sizes + slack >= self.radius).any()):
            return ()
        return (Breach("spectral radius", f"{found:.9g}", f"{self.radius:.9g}"),)

    def _slack(self, block: Block, value: Tensor, doubts: Tensor) -> Tensor:
        """How far rounding, by half an epsilon, may have moved each eigenvalue; doubled, since first order is not all."""
        tiny = 0.5 * SMALLEST.get(block.eps, 0.0) * len(value)
        working = min(block.eps, FLOAT32) * self.radius
        share = max(block.eps, _SOLVED)
        slack = share * doubts + 4.0 * working + tiny
        return slack.clamp(max=_LOOSEST * self.radius)

    def _density(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        wanted, found = self._count(block), int((value != 0.0).sum())
        typical = self.radius / math.sqrt(max(1.0, self.density * block.shape[0]))
        lost = at_most(wanted * min(1.0, 4.0 * SMALLEST.get(block.eps, 0.0) / typical))
        if wanted - lost <= found <= wanted:
            return ()
        return (Breach("non-zero elements", str(found), str(wanted)),)


def spectrum(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Absolute values of the eigenvalues, and how far each moves at most when every element moves by a share of itself.

    The second is in units of the share and of first order: with left and right eigenvectors y, x of product 1 the
    lesser of sum |y_i w_ij x_j|, which nothing exceeds, and of what independent errors exceed with probability TAIL
    (Hoeffding's inequality). It is inf where an eigenvalue has no eigenvectors of its own, as 0 of a nilpotent matrix.
    """
    import torch  # so that reading rules wakes none

    values, right = torch.linalg.eig(matrix)
    others, left = torch.linalg.eig(matrix.mT)  # not the inverse of `right`, which defective other eigenvalues spoil
    left = left[:, (values[:, None] - others).abs().argmin(1)]
    product = (left * right).sum(0).abs()
    most = _form(left.abs(), matrix.abs(), right.abs())
    chance = _HOEFFDING * _form(left.abs().square(), matrix.square(), right.abs().square()).sqrt()
    return values.abs(), (torch.minimum(most, chance) / product).nan_to_num(math.inf)


def _form(left: Tensor, matrix: Tensor, right: Tensor) -> Tensor:
    return (left * (matrix @ right)).sum(0)


@recipe("singular_values")
class SingularValues(Recipe):
    """U diag(s) Vᵀ with Haar-distributed U and V and singular values s drawn uniformly between `low` and `high`.

    Any shape; a convolution (out, in, *kernel) is taken as the matrix (out, in * kernel). Vorontsov's spectral margin m
    is low 1 - m, high 1 + m.

    >>> import torch
    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> block = Block("rnn.weight_hh_l0", (3, 5))
    >>> weight = SingularValues(low=0.9, high=1.1).fill(block, Keyed(0, block.address))
    >>> [round(x, 4) for x in torch.linalg.svdvals(weight).tolist()]
    [1.0875, 1.0062, 1.0026]
    """

    formula: ClassVar[str] = "W = U diag(s) V^T, U and V Haar-distributed, s ~ U(low, high)"
    source: ClassVar[str] = "Vorontsov et al. 2017, On orthogonality and learning recurrent networks"
    divisible: ClassVar[bool] = False

    low: float = Field(ge=0.0)
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be below high, found {self.low} and {self.high}; for one value use `orthogonal`")
        return self

    def refuse(self, block: Block) -> str | None:
        """Only a matrix with elements has singular values."""
        if len(block.shape) >= 2 and all(block.shape):
            return None
        return f"singular_values needs a matrix, and this block has shape {block.shape}"

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """Two Haar-distributed matrices around the singular values."""
        demand(self, block)
        rows, columns = block.shape[0], math.prod(block.shape[1:])
        inner = min(rows, columns)
        strengths = draw.uniform(inner).mul_(self.high - self.low).add_(self.low)
        left, right = draw.haar(rows, inner).double(), draw.haar(inner, columns).double()
        return (left * strengths @ right).reshape(block.shape)

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Every singular value within the bounds, as far as storage leaves it; uniform as chance allows."""
        if breaches := unfit(block, value):
            return breaches
        import torch  # so that reading rules wakes none

        strengths = torch.linalg.svdvals(value.reshape(block.shape[0], -1))
        slack = moved(block, value) + 2.0 * worked(block, self.high)
        least, most = float(strengths.min()), float(strengths.max())
        if least < self.low - slack or most > self.high + slack:
            return (Breach("singular values", f"{least:.9g} to {most:.9g}", f"within {self.low:.9g} to {self.high:.9g}"),)
        inside = strengths.clamp(self.low, self.high)
        return judge(Block(block.address, tuple(inside.shape), eps=block.eps), inside, uniform_spread(self.low, self.high))
