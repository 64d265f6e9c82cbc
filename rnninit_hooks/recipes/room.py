"""Memory to draw into: aligned, so that equal draws have equal bits, and on huge pages, so that first touches are cheap."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALIGNMENT = 64
"""Bytes; what torch aligns to as well. Vector kernels may sum in another order where an array begins elsewhere."""


def room(count: int, dtype: Any) -> NDArray[Any]:
    """A flat array that holds nothing yet; numpy, not torch, since it asks the system for huge pages.

    >>> room(5, np.float32).ctypes.data % ALIGNMENT
    0
    """
    size = count * np.dtype(dtype).itemsize
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.__array_interface__["data"][0] % ALIGNMENT
    return raw[start : start + size].view(dtype)


def empty(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A CPU tensor of any dtype that holds nothing yet."""
    flat = room(prod(shape) * dtype.itemsize, np.uint8)
    return torch.from_numpy(flat).view(dtype).view(shape)
