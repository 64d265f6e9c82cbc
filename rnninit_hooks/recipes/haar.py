"""Haar-distributed matrices without a factorisation: random Householder reflectors, applied in blocks.

The Q of a Gaussian matrix's QR, with the signs of R's diagonal moved into it, is Haar-distributed (Mezzadri,
math-ph/0609050). Its Householder vectors are those of independent Gaussian vectors of lengths m, m-1, ... (Stewart,
SIAM J. Numer. Anal. 17, 1980), so there is nothing to factorise: draw them and form Q. That takes 4/3 n^3 operations
instead of 8/3, and nearly all of them are matrix products when the reflectors go in blocks, I - V S^-1 V^T with S the
upper triangle of V^T V and half its diagonal (Schreiber and Van Loan 1989; Puglisi 1992). S is summed in float64: it
decides how orthogonal Q is, which so comes out closer than what torch's own call leaves.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from rnninit_hooks.recipes.room import ALIGNMENT, empty

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

BLOCK, CORE = 64, 192
"""Reflectors that are applied together, and how many of the last ones LAPACK applies, since blocks do not pay there."""


def needed(rows: int, columns: int) -> int:
    """How many normal numbers one matrix takes, rows >= columns."""
    starts = _starts(columns)
    return _core_size(rows, columns, starts) + sum(BLOCK * (rows - start) for start in starts)


def small(columns: int) -> bool:
    """True where all reflectors go to LAPACK, so that several matrices cost less together."""
    return not _starts(columns)


def cores(drawn: NDArray[Any], rows: int, columns: int) -> Tensor:
    """Small matrices (count, rows, columns) with orthonormal columns out of normal numbers (count, needed)."""
    return _core(torch.from_numpy(drawn).view(-1, columns, rows))


def haar(drawn: NDArray[Any], rows: int, columns: int) -> Tensor:
    """A matrix with orthonormal columns, rows >= columns, out of `needed` normal numbers, which are overwritten.

    Memory beside the result: half of it for the reflectors, and a few panels of BLOCK rows.
    """
    starts = _starts(columns)
    done = len(starts) * BLOCK
    trailing = _core(torch.from_numpy(drawn[: (columns - done) * (rows - done)]).view(1, columns - done, rows - done))[0]
    if not starts:
        return trailing
    whole = empty((rows, columns), trailing.dtype)
    whole[done:, done:] = trailing
    reflectors, offset = torch.from_numpy(drawn), _core_size(rows, columns, starts)
    for start in reversed(starts):
        size = BLOCK * (rows - start)
        _reflect(whole[start:, start:], reflectors[offset : offset + size].view(BLOCK, -1))
        offset += size
    return whole


def _core_size(rows: int, columns: int, starts: list[int]) -> int:
    """Rounded up where blocks follow, so that they begin aligned."""
    size = (columns - len(starts) * BLOCK) * (rows - len(starts) * BLOCK)
    return -(-size // ALIGNMENT) * ALIGNMENT if starts else size


def _starts(columns: int) -> list[int]:
    return list(range(0, columns - CORE, BLOCK))


def _core(vectors: Tensor) -> Tensor:
    """The last reflectors, one per row of each of `vectors` from its diagonal on, through LAPACK's orgqr."""
    upper = vectors.triu_()
    first = upper.diagonal(dim1=-2, dim2=-1)
    signed = torch.copysign(torch.linalg.vector_norm(upper, dim=-1), first)
    lead = first + signed
    upper.div_(lead.unsqueeze(-1))
    room = torch.empty(upper.mT.shape, dtype=upper.dtype, device="cpu")
    return torch.mul(_products(upper.mT, lead / signed), -torch.sign(signed).unsqueeze(-2), out=room)


def _products(vectors: Tensor, factors: Tensor) -> Tensor:
    """One by one where a batch would align its matrices unlike each alone, which can move the last bit."""
    if vectors[0].nbytes % ALIGNMENT == 0:
        batch: Tensor = torch.linalg.householder_product(vectors, factors)
        return batch
    pairs = zip(vectors, factors, strict=True)
    return torch.stack([torch.linalg.householder_product(vector, factor) for vector, factor in pairs])


def _reflect(whole: Tensor, vectors: Tensor) -> None:
    """Apply one block: `whole` holds the product of the later ones from (BLOCK, BLOCK) on, and the whole one after."""
    head = vectors[:, :BLOCK].triu_()
    first = vectors.diagonal()
    first += torch.copysign(torch.linalg.vector_norm(vectors, dim=1), first)
    sign = torch.sign(first)
    square = _halved_square(vectors)
    inverse = torch.linalg.solve_triangular(square, _minus_eye(BLOCK), upper=True).to(whole.dtype)
    width = whole.shape[1]
    met = torch.empty(BLOCK, width, dtype=whole.dtype, device="cpu")
    torch.mul(head, -sign, out=met[:, :BLOCK])
    torch.mm(vectors[:, BLOCK:], whole[BLOCK:, BLOCK:], out=met[:, BLOCK:])
    whole[:BLOCK].zero_()
    whole[BLOCK:, :BLOCK].zero_()
    whole.addmm_(vectors.mT, inverse @ met)
    whole.diagonal()[:BLOCK].sub_(sign)


def _halved_square(vectors: Tensor) -> Tensor:
    """V V^T with half its diagonal, float64; for float64 vectors the diagonal, which matters most, in still longer sums."""
    exact = vectors.to(torch.float64)
    square = exact @ exact.mT
    if vectors.dtype == torch.float64:
        long = vectors.numpy().astype(np.longdouble)
        square.diagonal().copy_(torch.from_numpy(np.einsum("ij,ij->i", long, long).astype(np.float64)))
    square.diagonal().mul_(0.5)
    return square


@lru_cache(maxsize=1)
def _minus_eye(size: int) -> Tensor:
    return -torch.eye(size, dtype=torch.float64, device="cpu")
