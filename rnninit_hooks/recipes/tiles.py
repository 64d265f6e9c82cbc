"""Words and uniform numbers of one tile of a stream: what the sampler is made of, almost on numpy alone.

Scheme ``v2``, frozen: a change of any line below is a new scheme with a new name.

- A stream is cut into tiles of TILE elements; each can be drawn alone. The key of a tile is BLAKE2b, 24 bytes,
  `person=b"rnninit.v2"`, of the fields seed (ASCII decimal), address (UTF-8), stream, tile (ASCII decimal) and lane
  (`coarse` or `fine`); each field is preceded by its length in bytes as 8 bytes, little endian.
- The three little-endian words of the key are a, b, c of an SFC64 generator whose counter is 1; its first 12 outputs are
  thrown away. Each further output gives two halves of 32 bits, the lower one first. Element i of the tile has half i.
- narrow (float32): u = (coarse + 1/2) * 2**-32 in float32, at most 1 - 2**-24: never 0 and never 1.
- wide (float64): u = (coarse * 2**20 + fine // 2**12 + 1/2) * 2**-52: exact, never 0 and never 1. Both agree up to the
  rounding of float32.
- normal numbers come in chunks of 2 * LANE: the first half of a chunk are radii, r = sqrt(-2 log u), the second angles,
  t = 2 pi u; they give r cos t and r sin t in their places (Box and Muller 1958).

SFC64: Doty-Humphrey's small fast chaotic generator, as numpy and PractRand have it. Keys of 192 bits make streams that
meet by chance only (2**-100 for a million tiles).
"""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLER = "v2"
TILE = 2**16
LANE = 256

_PERSON = b"rnninit.v2"
_WARM, _COUNTER = 12, (1).to_bytes(8, "little")
_ONE = np.uint64(0x3FF << 52)
_HALF, _STEP, _BELOW_ONE = np.float32(0.5), np.float32(2.0**-32), np.float32(1.0 - 2.0**-24)


class _Generators(threading.local):
    """One generator per thread: setting its state takes a fraction of the time that building one takes."""

    def __init__(self) -> None:
        self.sfc = np.random.SFC64(0)


_generators = _Generators()


def halves(seed: int, address: str, stream: int, tile: int, lane: str, count: int) -> NDArray[np.uint32]:
    """The first `count` halves of one tile."""
    sfc = _generators.sfc
    state = np.frombuffer(_key(seed, address, stream, tile, lane) + _COUNTER, dtype="<u8")
    sfc.state = {"bit_generator": "SFC64", "state": {"state": state}, "has_uint32": 0, "uinteger": 0}
    words: NDArray[np.uint64] = sfc.random_raw(_WARM + (count + 1) // 2)
    return words.astype("<u8", copy=False).view("<u4")[2 * _WARM : 2 * _WARM + count]


def _key(seed: int, address: str, stream: int, tile: int, lane: str) -> bytes:
    fields = [text.encode("utf-8", "surrogatepass") for text in (str(seed), address, str(stream), str(tile), lane)]
    message = b"".join([len(field).to_bytes(8, "little") + field for field in fields])
    return hashlib.blake2b(message, digest_size=24, person=_PERSON).digest()


def narrow(coarse: NDArray[np.uint32]) -> NDArray[np.float32]:
    """Uniform on the open interval (0, 1), float32."""
    unit = coarse.astype(np.float32)
    unit += _HALF
    unit *= _STEP
    np.minimum(unit, _BELOW_ONE, out=unit)
    return unit


def wide(coarse: NDArray[np.uint32], fine: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Uniform on (0, 1), float64: the bits of a number in [1, 2), less 1 - 2**-53, which is exact."""
    bits = coarse.astype(np.uint64)
    bits <<= np.uint64(20)
    bits |= fine >> np.uint32(12)
    bits |= _ONE
    unit = bits.view(np.float64)
    unit -= 1.0 - 2.0**-53
    return unit


def cosine(angle: NDArray[Any]) -> NDArray[Any]:
    """Numpy's in float32; torch's in float64, where numpy's takes ten times as long."""
    return np.cos(angle) if angle.dtype == np.float32 else torch.from_numpy(angle).cos().numpy()


def sine(angle: NDArray[Any]) -> NDArray[Any]:
    """As `cosine`."""
    return np.sin(angle) if angle.dtype == np.float32 else torch.from_numpy(angle).sin().numpy()


def normal(unit: NDArray[Any]) -> NDArray[Any]:
    """Standard normal numbers out of whole chunks of uniform ones, in place."""
    chunks = unit.reshape(-1, 2, LANE)
    first, second = chunks[:, 0], chunks[:, 1]
    radius, angle = np.log(first), second * unit.dtype.type(2.0 * np.pi)
    radius *= -2.0
    np.sqrt(radius, out=radius)
    np.multiply(radius, cosine(angle), out=first)
    np.multiply(radius, sine(angle), out=second)
    return unit
