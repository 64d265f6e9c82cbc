"""Which initialisers the slots of a model look like: fingerprints, parameter by parameter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from rnninit_hooks.fingerprints import Likeness, fingerprint, fingerprint_bias
from rnninit_hooks.slots import Slot, epsilon, to_double


def likenesses(slots: Sequence[Slot]) -> dict[str, tuple[Likeness, ...]]:
    """Address -> every initialiser that fits, for gated weights and biases; () where none does."""
    found: dict[str, tuple[Likeness, ...]] = {}
    for gates in _parameters(slots):
        found.update(_of_parameter(gates))
    return found


def _parameters(slots: Sequence[Slot]) -> list[list[Slot]]:
    groups: dict[tuple[object, ...], list[Slot]] = defaultdict(list)
    for slot in slots:
        if slot.gate and slot.kind in ("input", "recurrent", "bias") and slot.layout and slot.layout.recurrent:
            groups[slot.name, slot.kind, slot.shape].append(slot)
    return list(groups.values())


def _of_parameter(gates: Sequence[Slot]) -> dict[str, tuple[Likeness, ...]]:
    first = gates[0]
    hidden = first.hidden_size or first.block.shape[0]
    if first.kind == "bias":
        return {slot.address: _bias(slot, hidden) for slot in gates}
    blocks = {slot.address: _flat(slot.value()) for slot in gates}
    if min(next(iter(blocks.values())).shape) == 0:
        return {}
    kernel = next(iter(blocks.values())).shape[1] // max(1, first.block.shape[1] if len(first.block.shape) > 1 else 1)
    return fingerprint(blocks, hidden_size=hidden, kernel=kernel, epsilon=epsilon(first.member.dtype))


def _flat(value: Tensor) -> Tensor:
    return value.reshape(len(value), -1) if value.dim() > 1 else value.reshape(1, -1)


def _bias(slot: Slot, hidden: int) -> tuple[Likeness, ...]:
    """The first partner: a sum of two draws is the draw of nobody."""
    piece = slot.pieces[0]
    values = to_double(piece.view(piece.member.read())).reshape(-1)
    return fingerprint_bias(values, hidden_size=hidden, epsilon=epsilon(piece.member.dtype)) if torch.numel(values) else ()


def words(found: Sequence[Likeness]) -> tuple[str, ...]:
    """Each candidate in a few words."""
    return tuple(_words(like) for like in found)


def _words(like: Likeness) -> str:
    fields = ", ".join(f"{name}={value:.4g}" for name, value in like.parameters.items())
    return f"{like.initialiser}({fields}){' on the stack' if like.fused else ''}"
