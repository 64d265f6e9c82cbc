"""The sampler: random numbers that depend on (seed, address) alone, never on a global stream or on order.

Scheme ``v1``, frozen: a change of any line below is a new scheme with a new name.

- Every call of `uniform` or `normal` on one `Keyed` (`haar` calls `normal`) is a *stream*, numbered 0, 1, 2, ...
- key = BLAKE2b, 16 bytes, `person=b"rnninit.v1"`, of three fields: the seed as ASCII decimal, the address as UTF-8,
  the stream as ASCII decimal; each field is preceded by its length in bytes as 8 bytes, little endian. Bytes 0-7 and
  8-15 of the digest, little endian, are the two words of a Philox4x64-10 key.
- Element i (row-major in the block) is word i mod TILE of tile i // TILE. A tile's words are those that numpy's
  `Philox(key=key, counter=[0, tile, 0, 0]).random_raw` yields, so any tile can be drawn alone.
- u = ((word >> 12) + 1/2) * 2**-52: exact in float64, never 0 and never 1. (With 53 bits, adding 1/2 would round to 1.)
- normal = sqrt(2) * erfinv(2u - 1) in float64, element by element; no rejection, so nothing shifts.
- haar = Q of the float64 QR of a tall normal matrix, its columns multiplied by the signs of diag(R); transposed when
  wide. Distributed by Haar's measure exactly (Mezzadri, math-ph/0609050).

Philox: Salmon et al., SC 2011. Uniform and normal draws have the same bits at every thread count; `haar` goes through
LAPACK, where another build or thread count may move the last bit of a float64, rarely visible after rounding.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import operator
import threading
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SAMPLER = "v1"
TILE = 2**16

_PERSON = b"rnninit.v1"
_ROOT_2 = math.sqrt(2.0)


class Keyed:
    """Random and constant float64 CPU tensors for one slot, the same for the same (seed, address) everywhere.

    No default dtype, default device, autocast, grad or inference mode changes what it gives; no global random state
    is read or moved. Raises `ValueError` for an unknown sampler.

    >>> Keyed(7, "rnn.weight_hh_l0[forget]").uniform(2, 2)
    tensor([[0.1865, 0.9707],
            [0.2896, 0.1709]], dtype=torch.float64)
    >>> first, again = (Keyed(7, "rnn.bias_l0[forget]").normal(3) for _ in range(2))
    >>> torch.equal(first, again)
    True
    """

    def __init__(self, seed: int, address: str, sampler: str = SAMPLER) -> None:
        """Start at stream 0 of this seed and address."""
        if sampler != SAMPLER:
            raise ValueError(f"no sampler is called {sampler!r}; this release draws {SAMPLER!r}")
        if isinstance(seed, bool) or not isinstance(address, str):
            raise TypeError(f"Keyed takes an integer seed and an address as text, found {seed!r} and {address!r}")
        self.seed = operator.index(seed)
        self.address = address
        self.sampler = sampler
        self._streams = itertools.count()

    def __repr__(self) -> str:
        """`Keyed(seed, address, sampler)`."""
        return f"Keyed({self.seed}, {self.address!r}, {self.sampler!r})"

    def of(self, address: str) -> Keyed:
        """The draws of another address under the same seed, from stream 0."""
        return Keyed(self.seed, address, self.sampler)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform on the open interval (0, 1)."""
        return self._draw(shape, self.uniform_tile)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal."""
        return self._draw(shape, self.normal_tile)

    @torch.inference_mode(False)
    def haar(self, rows: int, columns: int) -> Tensor:
        """A Haar-distributed matrix with orthonormal rows or columns, whichever are fewer."""
        tall = self.normal(max(rows, columns), min(rows, columns))
        q, r = torch.linalg.qr(tall, mode="reduced")
        sign = r.diagonal().sign()
        q = q * sign.masked_fill(sign == 0, 1.0)
        whole: Tensor = q if rows >= columns else q.mT
        return whole.contiguous()

    @torch.inference_mode(False)
    def full(self, *shape: int, value: float) -> Tensor:
        """A constant."""
        return torch.full(shape, value, dtype=torch.float64, device="cpu")

    @torch.inference_mode(False)
    def eye(self, size: int) -> Tensor:
        """The identity."""
        return torch.eye(size, dtype=torch.float64, device="cpu")

    @torch.inference_mode(False)
    def uniform_tile(self, stream: int, tile: int, length: int = TILE) -> Tensor:
        """The first `length` elements of one tile of a stream, as `uniform` has them at `tile * TILE` and after.

        Raises `ValueError` when `length` is no part of a tile, or `stream` or `tile` is negative.
        """
        if not 0 <= length <= TILE or stream < 0 or tile < 0:
            raise ValueError(f"tiles count from 0 and have 0 to {TILE} elements, found {stream=}, {tile=}, {length=}")
        return torch.from_numpy(_open_unit(_words(self._key(stream), tile, length)))

    @torch.inference_mode(False)
    def normal_tile(self, stream: int, tile: int, length: int = TILE) -> Tensor:
        """The first `length` elements of one tile of a stream, as `normal` has them at `tile * TILE` and after."""
        return self.uniform_tile(stream, tile, length).mul_(2.0).sub_(1.0).erfinv_().mul_(_ROOT_2)

    @torch.inference_mode(False)
    def _draw(self, shape: tuple[int, ...], part: Callable[[int, int, int], Tensor]) -> Tensor:
        count, stream = math.prod(shape), next(self._streams)
        if count <= TILE:
            return part(stream, 0, count).reshape(shape)
        whole = torch.empty(shape, dtype=torch.float64, device="cpu")
        flat = whole.view(-1)
        for tile, start in enumerate(range(0, count, TILE)):
            piece = flat[start : start + TILE]
            piece.copy_(part(stream, tile, len(piece)))
        return whole

    def _key(self, stream: int) -> NDArray[np.uint64]:
        fields = [text.encode("utf-8", "surrogatepass") for text in (str(self.seed), self.address, str(stream))]
        message = b"".join(len(field).to_bytes(8, "little") + field for field in fields)
        digest = hashlib.blake2b(message, digest_size=16, person=_PERSON).digest()
        return np.frombuffer(digest, dtype="<u8").astype(np.uint64)


class _Generators(threading.local):
    """One Philox per thread: setting its state takes a fifth of the time that building one takes."""

    def __init__(self) -> None:
        self.philox = np.random.Philox(key=0)


_generators = _Generators()


def _words(key: NDArray[np.uint64], tile: int, length: int) -> NDArray[np.uint64]:
    philox = _generators.philox
    philox.state = {
        "bit_generator": "Philox",
        "state": {"counter": np.array([0, tile, 0, 0], np.uint64), "key": key},
        "buffer": np.zeros(4, np.uint64),
        "buffer_pos": 4,
        "has_uint32": 0,
        "uinteger": 0,
    }
    return philox.random_raw(length)


def _open_unit(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    return ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
