"""Was a parameter touched since? Asked of its content, since version counters miss `.data` and numpy writes."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

_LOSSY = (torch.float16, torch.bfloat16, torch.float32)


@dataclass(frozen=True)
class Snapshot:
    """What a tensor held at one moment: identity, version, and a fingerprint of its bits.

    `total` is the fingerprint of the storage, `rounded` that of the same values in every narrower floating point type,
    which tells a cast from a write. A tensor without memory (meta, lazy) has no content. Copies and pickles drop
    identity and version: the object behind them is another.
    """

    ident: int | None
    version: int | None
    dtype: torch.dtype
    total: int | None
    rounded: tuple[tuple[torch.dtype, int], ...] = ()

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "ident": None, "version": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)

    def __deepcopy__(self, memo: object) -> Snapshot:
        return replace(self, ident=None, version=None)


def snapshot(tensor: Tensor) -> Snapshot:
    """Fingerprint a tensor, on the CPU."""
    if is_lazy(tensor) or tensor.is_meta:
        return Snapshot(id(tensor), None, tensor.dtype, None)
    plain = _plain(tensor)
    rounded = tuple((dtype, _total(plain.to(dtype))) for dtype in _narrower(tensor.dtype))
    return Snapshot(id(tensor), version_of(tensor), tensor.dtype, _total(plain), rounded)


def version_of(tensor: Tensor) -> int | None:
    """How often torch saw a write in place; None for inference tensors, which do not count."""
    return None if tensor.is_inference() else tensor._version


def _narrower(dtype: torch.dtype) -> tuple[torch.dtype, ...]:
    """The types to which a cast loses bits."""
    if not dtype.is_floating_point:
        return ()
    return tuple(low for low in _LOSSY if low != dtype and low.itemsize <= dtype.itemsize)


def _plain(tensor: Tensor) -> Tensor:
    """The memory behind a tensor, on the CPU; of a sharded tensor the part that lies here."""
    local: Any = getattr(tensor, "to_local", None)
    held: Tensor = local() if callable(local) else tensor
    return held.detach().to("cpu").contiguous().reshape(-1)


def _total(plain: Tensor) -> int:
    """A sum alone would not see two words change places, and a checksum of 32 bits alone is short."""
    raw = plain.view(torch.uint8).numpy()
    words = raw[: len(raw) - len(raw) % 8].view(np.int64)
    return (int(words.sum()) % 2**64) << 32 | zlib.crc32(raw.data)


def touched(tensor: Tensor, before: Snapshot) -> bool:
    """True when somebody wrote into the tensor since the snapshot. Moving or casting it is no write."""
    if tensor.is_meta:
        return False
    if before.total is None:
        return type(tensor) is nn.Parameter and bool(version_of(tensor))  # it was given memory, then written
    if before.ident == id(tensor) and before.dtype == tensor.dtype and _counted(tensor, before):
        return True
    plain = _plain(tensor)
    if tensor.dtype == before.dtype and _total(plain) == before.total:
        return False
    return not _is_cast(plain, before)


def _counted(tensor: Tensor, before: Snapshot) -> bool:
    """Only a higher count tells a write: `torch.utils.swap_tensors` lets it fall."""
    version = version_of(tensor)
    return version is not None and before.version is not None and version > before.version


def _is_cast(plain: Tensor, before: Snapshot) -> bool:
    """True when the values are those of the snapshot, sent through some floating point type."""
    totals = {**dict(before.rounded), before.dtype: before.total}
    now = _total(plain)
    for dtype, total in totals.items():
        through = plain.to(dtype)
        if _total(through) == total and _total(through.to(plain.dtype)) == now:
            return True
    return False
