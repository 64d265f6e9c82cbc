"""The orthogonal recipe: gain times a Haar-distributed matrix, block by block. Wakes no torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from rnninit_hooks.recipes.base import Block, Breach, Draw, Recipe
from rnninit_hooks.recipes.laws import SMALLEST, demand, unfit
from rnninit_hooks.recipes.registry import recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_FLOAT32 = 2.0**-23
LARGE, PROBES = 4096, 32
"""Rows from which on orthogonality is probed instead of computed, and how many probes are taken."""


@recipe("orthogonal")
class Orthogonal(Recipe):
    """`gain` times an orthogonal matrix; when it is not square, rows or columns are orthogonal, whichever are fewer.

    A convolution (out, in, *kernel) is taken as the matrix (out, in * kernel). The law asks for orthogonality and the
    gain, so any orthogonal matrix obeys, drawn or not (the identity too); the gate blocks of a stack that is
    orthogonal as a whole do not.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> block = Block("rnn.weight_hh_l0[forget]", (4, 4))
    >>> weight = Orthogonal().fill(block, Keyed(0, block.address))
    >>> (weight @ weight.mT - weight.new_ones(4).diag()).abs().max() < 1e-12
    tensor(True)
    >>> print(*Orthogonal().law(block, weight / 2))
    gain: found 0.5, expected 1.0
    """

    formula: ClassVar[str] = "W = gain Q, Q Haar-distributed; W W^T = gain^2 I on the smaller side"
    source: ClassVar[str] = "Saxe et al. 2013, arXiv:1312.6120; Haar's measure: Mezzadri, math-ph/0609050"

    gain: float = Field(default=1.0, gt=0.0)

    def refuse(self, block: Block) -> str | None:
        """Only a matrix with rows and columns can be orthogonal."""
        if len(block.shape) < 2:
            return f"orthogonal needs a matrix, and this block has shape {block.shape}"
        return None if all(block.shape) else f"orthogonal needs elements, and a block of shape {block.shape} has none"

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """`gain` times a Haar-distributed matrix, in the block's shape."""
        return self.fill_many([block], [draw])[0]

    def fill_many(self, blocks: Sequence[Block], draws: Sequence[Draw]) -> list[Tensor]:
        """Blocks of one shape are drawn together, which is faster for small ones and gives the same bits."""
        for block in blocks:
            demand(self, block)
        shapes = {(block.shape[0], math.prod(block.shape[1:])) for block in blocks}
        together = getattr(type(draws[0]), "haars", None) if len(shapes) == 1 else None
        pairs = zip(blocks, draws, strict=True)
        drawn = together(draws, *shapes.pop()) if together else [_drawn(block, draw) for block, draw in pairs]
        return [self._scaled(value).reshape(block.shape) for block, value in zip(blocks, drawn, strict=True)]

    def _scaled(self, value: Tensor) -> Tensor:
        return value if self.gain == 1.0 else value.mul_(self.gain)

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """max|W Wᵀ/g² - I| on the smaller side stays within `tolerance`; a mere other gain is called so."""
        if breaches := unfit(block, value):
            return breaches
        if not value.numel():
            return ()
        matrix = value.reshape(block.shape[0], -1)
        matrix = matrix if self.gain == 1.0 else matrix / self.gain
        matrix = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT
        if len(matrix) > LARGE:
            return self._probed(block, matrix)
        gram = matrix @ matrix.mT
        residual, allowed = _residual(gram), self.tolerance(block)
        if residual <= allowed:
            return ()
        square = float(gram.diagonal().mean()) + 1.0
        gram.diagonal().add_(1.0)
        if square > 0.0 and _residual(gram / square) <= allowed:
            return (Breach("gain", f"{self.gain * math.sqrt(square):.9g}", str(self.gain)),)
        return (Breach("orthogonality residual per g²", f"{residual:.3g}", f"at most {allowed:.2g}"),)

    def _probed(self, block: Block, rows: Tensor) -> tuple[Breach, ...]:
        """What E = W Wᵀ/g² - I does to PROBES vectors of random signs, for blocks too large for a whole product.

        An element of E as large as the bound is missed with probability 2**-PROBES at most: of two sign vectors that
        differ in its column alone, one gives a sum as large as the element. A row of E no longer than the tolerance
        stays below the bound but once in 10**10 blocks (Hoeffding).
        """
        from rnninit_hooks.recipes.draws import Keyed

        signs = Keyed(0, "orthogonality").uniform(len(rows), PROBES).sub_(0.5).sign_()
        found = float((rows @ (rows.mT @ signs) - signs).abs().max())
        allowed = self.tolerance(block) * math.sqrt(2.0 * math.log(2e10 * len(rows) * PROBES))
        if found <= allowed:
            return ()
        law = f"orthogonality residual per g², by {PROBES} probes"
        return (Breach(law, f"{found:.3g}", f"at most {allowed:.2g}"),)

    def tolerance(self, block: Block) -> float:
        """How large the residual may be: what storage does, and what a factorisation in that precision does.

        Storing moves each element by half an epsilon of itself at most, so that by Cauchy and Schwarz the residual
        grows by one epsilon at most, whatever the size; elements below the normal range add an absolute part. A QR
        in float32 leaves about 1e-7 sqrt(n) more (nobody factorises in less than float32). Hence 5.7e-6 for float32
        and 1e-2 for bfloat16 at n = 128.
        """
        longest = max(block.shape[0], math.prod(block.shape[1:]))
        stored = 1.25 * block.eps + 2.0 * math.sqrt(longest) * SMALLEST.get(block.eps, 0.0) / self.gain
        return stored + 4.0 * min(block.eps, _FLOAT32) * math.sqrt(longest)


def _drawn(block: Block, draw: Draw) -> Tensor:
    return draw.haar(block.shape[0], math.prod(block.shape[1:]))


def _residual(gram: Tensor) -> float:
    """max|G - I|; nan where the numbers overflow, which no tolerance admits. Leaves G - I behind."""
    gram.diagonal().sub_(1.0)
    low, high = (float(bound) for bound in gram.aminmax())
    return max(-low, high) if low == low else math.nan
