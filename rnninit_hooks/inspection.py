"""What every slot of a model effectively is: spectra per gate, biases as the gate feels them, memory in steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from rnninit_hooks.dissection import dissect
from rnninit_hooks.fingerprints import Likeness
from rnninit_hooks.marks import unwritten
from rnninit_hooks.probing.habits import habits
from rnninit_hooks.probing.likeness import likenesses, words
from rnninit_hooks.probing.memory import memory_of, unmeasured
from rnninit_hooks.probing.proposing import probed, unknown
from rnninit_hooks.rows import FactTable, SlotFacts
from rnninit_hooks.slots import Slot

EXACT_SPECTRUM = 1024


def inspect(model: nn.Module, *, probe: bool = False) -> FactTable:
    """Measure every slot of a model; needs no policy, writes nothing.

    With `probe`, recurrent modules are run for one step on private copies: `memory` holds the share of the old state
    that each layer and direction keeps, rows say which initialisers they look like, and `findings` name what commonly
    goes wrong: biases written twice (RNN208), layers left out (RNN209), another gate's slice (RNN210), the wrong sign
    (RNN211), stacked initialisation (RNN203), gates that are not what their layout says (RNN107).

    Matrices (out, in) get singular values, orthogonality residual and, when square, the spectral radius: by
    eigenvalues up to 1024 units, beyond that as ‖W^m‖^(1/m) with m = 2¹⁰, which is within 1 %. Biases are effective:
    all partners plus what `forward` adds. The gate that keeps the old state also gets retention and time constant.
    Slots on the meta device or not yet built have no numbers and are left out.

    >>> import torch, rnninit_hooks as ri
    >>> lstm = torch.nn.LSTM(3, 4)
    >>> _ = ri.apply(lstm, "lstm-classic")
    >>> facts = ri.inspect(lstm)["bias_l0[forget]"]
    >>> facts.effective_bias, round(facts.retention, 3), round(facts.time_constant, 2)
    (1.0, 0.731, 3.72)
    """
    slots = [slot for slot in dissect(model).slots if measurable(slot)]
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        table = FactTable(tuple(_facts(slot) for slot in slots), findings=tuple(unwritten(model)))
    return _probed(model, slots, table) if probe else table


def _probed(model: nn.Module, slots: Sequence[Slot], table: FactTable) -> FactTable:
    with torch.no_grad():
        likeness = likenesses(slots)
    memory = tuple(memory_of(model))
    rows = tuple(_with_looks(row, likeness) for row in table.rows)
    with torch.no_grad():
        seen = (*habits(slots, memory, likeness), *unmeasured(model, memory))
        found = (*table.findings, *seen, *probed(model, everything=False), *unknown(model, probe=True))
    return FactTable(rows, memory, found)


def _with_looks(row: SlotFacts, likeness: Mapping[str, tuple[Likeness, ...]]) -> SlotFacts:
    return replace(row, looks_like=words(likeness[row.address])) if row.address in likeness else row


def measurable(slot: Slot) -> bool:
    """True when a slot holds real numbers in memory."""
    return slot.member.device.type != "meta" and slot.member.dtype.is_floating_point and 0 not in slot.shape


def _facts(slot: Slot) -> SlotFacts:
    value = slot.value()
    return SlotFacts(
        slot.address, slot.name, slot.organ.path, type(slot.organ.module).__name__, slot.shape,
        str(slot.member.dtype).removeprefix("torch."),
        **_moments(value), kind=slot.kind, gate=slot.gate, layer=slot.layer, direction=slot.direction,
        **(_spectrum(value) if value.dim() == 2 and value.isfinite().all() else {}), **_bias(slot, value),
    )  # fmt: skip


def _moments(value: Tensor) -> dict[str, Any]:
    return {
        "mean": value.mean().item(), "std": value.std(correction=0).item(),
        "min": value.min().item(), "max": value.max().item(),
    }  # fmt: skip


def _spectrum(matrix: Tensor) -> Mapping[str, Any]:
    singular = torch.linalg.svdvals(matrix)
    facts = {"singular_max": singular[0].item(), "singular_min": singular[-1].item(), "orthogonality": residual(matrix)}
    if matrix.shape[0] == matrix.shape[1]:
        facts["spectral_radius"] = spectral_radius(matrix)
    return facts


def residual(matrix: Tensor) -> float:
    """max|W Wᵀ/g² − I| on the smaller side, g² the mean squared singular value; 1 for a zero matrix."""
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.mT
    gram = tall.mT @ tall
    scale = gram.diagonal().mean()
    if scale == 0:
        return 1.0
    return (gram / scale - torch.eye(len(gram), dtype=gram.dtype, device=gram.device)).abs().max().item()


def spectral_radius(matrix: Tensor) -> float:
    """The largest |eigenvalue| of a square matrix."""
    if len(matrix) <= EXACT_SPECTRUM:
        radius: float = torch.linalg.eigvals(matrix).abs().max().item()
        return radius
    log_norm, power = 0.0, matrix
    for step in range(11):
        norm = torch.linalg.matrix_norm(power).item()
        if norm == 0:
            return 0.0
        log_norm += math.log(norm) / 2**step
        power = power / norm
        power = power @ power if step < 10 else power
    return math.exp(log_norm)


def _bias(slot: Slot, value: Tensor) -> dict[str, Any]:
    if slot.kind != "bias":
        return {}
    facts = {"effective_bias": value.mean().item()}
    if slot.polarity:
        retention = torch.sigmoid(slot.polarity * value)
        facts |= {"retention": retention.mean().item(), "time_constant": (1 / (1 - retention)).median().item()}
    return facts
