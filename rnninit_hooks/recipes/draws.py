"""The sampler: random numbers that depend on (seed, address) alone, never on a global stream or on order.

Scheme ``v2`` (see `tiles.py` for words, uniform and normal numbers):

- Every call of `uniform`, `normal`, `between`, `around` or `haar` on one `Keyed` is a *stream*, numbered 0, 1, 2, ...
- `uniform` and `normal` are float64. `between`, `around` and `haar` work in float32 for a parameter that is no wider, in
  float64 otherwise; the two agree up to the rounding of float32.
- `haar` forms the product of random Householder reflectors; see `haar.py`.

Uniform draws have the same bits everywhere. Logarithm, sine, cosine and matrix products go through the machine's
libraries, where another build or thread count may move the last bit.
"""

from __future__ import annotations

import itertools
import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from rnninit_hooks.recipes import tiles
from rnninit_hooks.recipes.haar import cores, haar, needed, small
from rnninit_hooks.recipes.room import room
from rnninit_hooks.recipes.tiles import LANE, SAMPLER, TILE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

FLOAT32 = 2.0**-23
"""The machine epsilon of float32: parameters of this or a greater one are drawn narrow."""


class Keyed:
    """Random and constant CPU tensors for one slot, the same for the same (seed, address) everywhere.

    No default dtype, default device, autocast, grad or inference mode changes what it gives; no global random state
    is read or moved. With `narrow`, `between`, `around` and `haar` work in float32. Raises `ValueError` for an unknown
    sampler.

    >>> Keyed(7, "rnn.weight_hh_l0[forget]").uniform(2, 2)
    tensor([[0.8050, 0.7413],
            [0.2957, 0.6423]], dtype=torch.float64)
    >>> first, again = (Keyed(7, "rnn.bias_l0[forget]").normal(3) for _ in range(2))
    >>> torch.equal(first, again)
    True
    """

    def __init__(self, seed: int, address: str, sampler: str = SAMPLER, *, narrow: bool = False) -> None:
        """Start at stream 0 of this seed and address."""
        if sampler != SAMPLER:
            raise ValueError(f"no sampler is called {sampler!r}; this release draws {SAMPLER!r}")
        if isinstance(seed, bool) or not isinstance(address, str):
            raise TypeError(f"Keyed takes an integer seed and an address as text, found {seed!r} and {address!r}")
        self.seed = operator.index(seed)
        self.address = address
        self.sampler = sampler
        self.narrow = narrow
        self._streams = itertools.count()

    def __repr__(self) -> str:
        """`Keyed(seed, address, sampler)`."""
        return f"Keyed({self.seed}, {self.address!r}, {self.sampler!r}{', narrow=True' * self.narrow})"

    def of(self, address: str) -> Keyed:
        """The draws of another address under the same seed, from stream 0."""
        return Keyed(self.seed, address, self.sampler, narrow=self.narrow)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform on the open interval (0, 1), float64."""
        return self._tensor(shape, self._wide)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal, float64."""
        return self._tensor(shape, self._wide_normal)

    def between(self, low: float, high: float, *shape: int) -> Tensor:
        """Uniform from `low` to `high`, in the working dtype."""

        def part(stream: int, tile: int, length: int) -> NDArray[Any]:
            unit = self._working(stream, tile, length)
            unit *= unit.dtype.type(high - low)
            unit += unit.dtype.type(low)
            return unit

        return self._tensor(shape, part)

    def around(self, mean: float, std: float, *shape: int) -> Tensor:
        """Normal with this mean and standard deviation, in the working dtype."""

        def part(stream: int, tile: int, length: int) -> NDArray[Any]:
            normal = self._working_normal(stream, tile, length)
            normal *= normal.dtype.type(std)
            normal += normal.dtype.type(mean)
            return normal

        return self._tensor(shape, part)

    def haar(self, rows: int, columns: int) -> Tensor:
        """A Haar-distributed matrix with orthonormal rows or columns, whichever are fewer, in the working dtype."""
        return self.haars([self], rows, columns)[0]

    @staticmethod
    def haars(draws: Sequence[Keyed], rows: int, columns: int) -> list[Tensor]:
        """What `haar` gives for each of several draws of one working dtype, in less time where matrices are small."""
        with torch.inference_mode(False), torch.no_grad():
            if not torch.is_autocast_enabled("cpu"):
                return _haars(draws, rows, columns)
            with torch.autocast("cpu", enabled=False):
                return _haars(draws, rows, columns)

    @torch.inference_mode(False)
    def full(self, *shape: int, value: float) -> Tensor:
        """A constant, float64."""
        return torch.full(shape, value, dtype=torch.float64, device="cpu")

    @torch.inference_mode(False)
    def eye(self, size: int) -> Tensor:
        """The identity, float64."""
        return torch.eye(size, dtype=torch.float64, device="cpu")

    @torch.inference_mode(False)
    def uniform_tile(self, stream: int, tile: int, length: int = TILE) -> Tensor:
        """The first `length` elements of one tile of a stream, as `uniform` has them at `tile * TILE` and after.

        Raises `ValueError` when `length` is no part of a tile, or `stream` or `tile` is negative.
        """
        return torch.from_numpy(self._wide(*_valid(stream, tile, length)))

    @torch.inference_mode(False)
    def normal_tile(self, stream: int, tile: int, length: int = TILE) -> Tensor:
        """The first `length` elements of one tile of a stream, as `normal` has them at `tile * TILE` and after."""
        return torch.from_numpy(self._wide_normal(*_valid(stream, tile, length)))

    @torch.inference_mode(False)
    def _tensor(self, shape: tuple[int, ...], part: Callable[[int, int, int], NDArray[Any]]) -> Tensor:
        if any(size < 0 for size in shape):
            raise ValueError(f"a shape has no negative sizes, found {shape}")
        return torch.from_numpy(self._array(math.prod(shape), part)).view(shape)

    def _array(self, count: int, part: Callable[[int, int, int], NDArray[Any]]) -> NDArray[Any]:
        stream = next(self._streams)
        first = part(stream, 0, min(count, TILE))
        whole = room(count, first.dtype)
        whole[:TILE] = first
        for tile, start in enumerate(range(TILE, count, TILE), 1):
            whole[start : start + TILE] = part(stream, tile, min(count - start, TILE))
        return whole

    def _halves(self, stream: int, tile: int, lane: str, length: int) -> NDArray[np.uint32]:
        return tiles.halves(self.seed, self.address, stream, tile, lane, length)

    def _narrow(self, stream: int, tile: int, length: int) -> NDArray[np.float32]:
        return tiles.narrow(self._halves(stream, tile, "coarse", length))

    def _wide(self, stream: int, tile: int, length: int) -> NDArray[np.float64]:
        coarse = self._halves(stream, tile, "coarse", length)
        return tiles.wide(coarse, self._halves(stream, tile, "fine", length))

    def _working(self, stream: int, tile: int, length: int) -> NDArray[Any]:
        return self._narrow(stream, tile, length) if self.narrow else self._wide(stream, tile, length)

    def _working_normal(self, stream: int, tile: int, length: int) -> NDArray[Any]:
        return tiles.normal(self._working(stream, tile, _chunks(length)))[:length]

    def _wide_normal(self, stream: int, tile: int, length: int) -> NDArray[np.float64]:
        return tiles.normal(self._wide(stream, tile, _chunks(length)))[:length]


def _haars(draws: Sequence[Keyed], rows: int, columns: int) -> list[Tensor]:
    if not rows or not columns:
        dtype = torch.float32 if draws[0].narrow else torch.float64
        return [torch.empty(rows, columns, dtype=dtype, device="cpu") for _ in draws]
    tall, short = max(rows, columns), min(rows, columns)
    count = needed(tall, short)
    if small(short) and count <= TILE:
        found = list(cores(_normals(draws, count), tall, short))
    else:
        found = [haar(draw._array(count, draw._working_normal), tall, short) for draw in draws]
    return found if rows >= columns else [one.mT.contiguous() for one in found]


def _normals(draws: Sequence[Keyed], count: int) -> NDArray[Any]:
    """One stream of normal numbers per draw, (draws, count), of one tile each: the bits of `_array`, all at once."""
    unit = np.stack([draw._working(next(draw._streams), 0, _chunks(count)) for draw in draws])
    found = room(len(draws) * count, unit.dtype).reshape(len(draws), count)
    found[...] = tiles.normal(unit)[:, :count]
    return found


def _chunks(length: int) -> int:
    return -(-length // (2 * LANE)) * 2 * LANE


def _valid(stream: int, tile: int, length: int) -> tuple[int, int, int]:
    if not 0 <= length <= TILE or stream < 0 or tile < 0:
        raise ValueError(f"tiles count from 0 and have 0 to {TILE} elements, found {stream=}, {tile=}, {length=}")
    return stream, tile, length
