"""What is said of a value that was drawn: its range, its moments, a short name of its bits."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rnninit_hooks.slots import Slot

_LARGE = 2**14
"""From here on moments are summed in the value's own float32, in a fifth of the time and to six digits."""


def finite(value: Tensor) -> bool:
    """True when no element is nan or inf; one pass, since extremes carry both."""
    return value.numel() == 0 or all(math.isfinite(bound.item()) for bound in value.aminmax())


def statistics(value: Tensor) -> dict[str, float]:
    """Mean, std, min and max; nothing for an empty block. Float64 sums, float32 for large blocks of no wider dtype.

    >>> statistics(torch.tensor([1.0, 3.0]))
    {'mean': 2.0, 'std': 1.0, 'min': 1.0, 'max': 3.0}
    """
    if value.numel() == 0:
        return {}
    if value.dtype == torch.float32 and value.numel() >= _LARGE and (found := _quick(value.detach().cpu())):
        return found
    wide = value.detach().to(device="cpu", dtype=torch.float64)
    facts = {"mean": wide.mean(), "std": wide.std(correction=0), "min": wide.min(), "max": wide.max()}
    return {name: number.item() for name, number in facts.items()}


def _quick(value: Tensor) -> dict[str, float] | None:
    """None where the mean dwarfs the spread, so that their difference would be rounding."""
    flat = value.reshape(-1)
    low, high = (bound.item() for bound in flat.aminmax())
    mean, square = flat.mean().item(), torch.dot(flat, flat).item() / flat.numel()
    spread = square - mean * mean
    if not spread > 1e-2 * square:
        return None
    return {"mean": mean, "std": math.sqrt(spread), "min": low, "max": high}


def digest(value: Tensor) -> str:
    """A short name of a tensor's exact bits (SHA-256, its first 8 bytes, of the little-endian storage).

    >>> digest(torch.zeros(3)) == digest(torch.zeros(3)), digest(torch.zeros(3)) == digest(-torch.zeros(3))
    (True, False)
    """
    raw = value.detach().to("cpu").contiguous().reshape(-1).view(torch.uint8)
    data: Any = raw.numpy()  # a buffer, whatever the annotations of some versions say
    return hashlib.sha256(data).hexdigest()[:16]


def written_facts(slot: Slot, values: Mapping[tuple[int, ...], Tensor]) -> dict[str, Any]:
    """Digest and statistics of what was written into a slot; nothing when none of its pieces was."""
    parts = [(piece.sign, piece.view(values[piece.member.key])) for piece in slot.pieces if piece.member.key in values]
    if not parts:
        return {}
    return {"digest": "+".join(digest(view) for _, view in parts), "stats": statistics(_total(parts))}


def _total(parts: list[tuple[int, Tensor]]) -> Tensor:
    if len(parts) == 1 and parts[0][0] == 1:
        return parts[0][1]
    return torch.stack([sign * view.double() for sign, view in parts]).sum(0)
