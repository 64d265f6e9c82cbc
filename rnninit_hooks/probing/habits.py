"""What commonly goes wrong, seen on a model without any policy: in what its layers keep, and in what its biases hold."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from rnninit_hooks.findings import Finding
from rnninit_hooks.fingerprints import Likeness
from rnninit_hooks.rows import MemoryFacts
from rnninit_hooks.slots import Piece, Slot, to_double

EVEN, APART, SET = 1e-5, 0.08, 0.5


def habits(
    slots: Sequence[Slot], memory: Sequence[MemoryFacts], likeness: Mapping[str, tuple[Likeness, ...]]
) -> Iterator[Finding]:
    """Findings about memory first, then about single slots."""
    modules: dict[str, list[MemoryFacts]] = defaultdict(list)
    for facts in memory:
        modules[facts.module].append(facts)
    for path, layers in modules.items():
        yield from _differing(path, layers)
        yield from _memory(path, layers)
    retain = [slot for slot in slots if slot.kind == "bias" and slot.polarity and slot.layout and slot.layout.recurrent]
    for slot in retain:
        yield from _doubled(slot)
        yield from _mixed(slot)
    for slot in slots:
        yield from _misplaced(slot, retain)
        yield from _stacked(slot, likeness.get(slot.address, ()))


def _differing(path: str, layers: Sequence[MemoryFacts]) -> Iterator[Finding]:
    kept = [facts.retention for facts in layers]
    even = any(facts.most - facts.least < 0.02 for facts in layers)
    if len(layers) > 1 and even and max(kept) - min(kept) > APART:
        each = ", ".join(f"layer {facts.layer} {facts.direction} {facts.retention:.2f}" for facts in layers)
        yield Finding(
            "RNN209", f"layers or directions keep different shares of their state: {each}", level="warning",
            address=path or None, expected="one share, unless every layer was meant to differ",
            fix="set every layer and both directions, e.g. by a rule with `gate: retain`",
        )  # fmt: skip


def _memory(path: str, layers: Sequence[MemoryFacts]) -> Iterator[Finding]:
    kept = [facts.retention for facts in layers]
    steps = max(facts.time_constant for facts in layers)
    shut = [facts for facts in layers if facts.retention < 0.35 and facts.most - facts.least < 0.02]
    if shut:
        yield Finding(
            "RNN211", f"{shut[0].name} keeps only {shut[0].retention:.2f} of its state in a step", level="warning",
            address=path or None, expected="0.5 or more", fix="turn the sign of the bias: in this cell an open gate "
            "does the opposite; a rule with `gate: retain` and `init: {kind: retention, value: 0.9}` needs no sign",
        )  # fmt: skip
    elif all(0.4 < share < 0.6 for share in kept):
        yield Finding(
            "RNN212", f"no layer of it was set to remember: {max(kept):.2f} of the state is left after a step, a memory of "
            f"{steps:.1f} steps", level="info", address=path or None,
            fix="nothing for short memories; else `init: {kind: timescale, steps: N}` on `gate: retain`",
        )  # fmt: skip


def _held(piece: Piece) -> Tensor:
    return to_double(piece.view(piece.member.read()))


def _constant(values: Tensor) -> float | None:
    """The one number that a vector holds."""
    return values[0].item() if values.numel() and bool((values - values[0]).abs().max() < EVEN) else None


def _doubled(slot: Slot) -> Iterator[Finding]:
    held = [_constant(_held(piece)) for piece in slot.pieces]
    first = held[0]
    if len(held) > 1 and first and all(one is not None and abs(one - first) < EVEN for one in held) and abs(first) > SET + EVEN:
        names = " and ".join(piece.member.local for piece in slot.pieces)
        felt = slot.value()[0].item()
        yield Finding(
            "RNN208", f"{names} hold {first:.4g} each, so that the gate feels {felt:.4g} and keeps "
            f"{1 / (1 + math.exp(-slot.polarity * felt)):.3f} of the state", level="warning", address=slot.address,
            expected=f"{first:.4g} in all, if that was meant", fix="write the value to one of them and 0 to the other",
        )  # fmt: skip


def _mixed(slot: Slot) -> Iterator[Finding]:
    counts = Counter(round(value, 5) for value in slot.value().reshape(-1).tolist())
    if 1 < len(counts) <= 3 and max(counts) - min(counts) > 0.2 and min(counts.values()) * 8 > counts.total():
        found = ", ".join(f"{value:.3g} ({count} units)" for value, count in sorted(counts.items()))
        yield Finding(
            "RNN209", f"units of one gate hold different constants: {found}", level="warning", address=slot.address,
            expected="one constant, or a distribution",
            fix="a slice of another cell type was written; address the gate by its name",
        )  # fmt: skip


def _misplaced(slot: Slot, retain: Sequence[Slot]) -> Iterator[Finding]:
    if slot.kind != "bias" or slot.polarity or not slot.gate or slot.layout is None or not slot.layout.recurrent:
        return
    value = _constant(slot.value() - slot.constant)
    here = [one for one in retain if one.organ is slot.organ and (one.layer, one.direction) == (slot.layer, slot.direction)]
    if value is not None and abs(value) >= SET and here and abs(here[0].value().mean().item() - here[0].constant) < 0.3:
        yield Finding(
            "RNN210", f"holds {value:.3g}, while the gate that keeps the state ({here[0].gate}) holds nothing", level="warning",
            address=slot.address, expected=f"the value on {here[0].address}, if memory was meant",
            fix="address the gate by its name or by `gate: retain`; gate order differs between libraries",
        )  # fmt: skip


def _stacked(slot: Slot, likeness: Sequence[Likeness]) -> Iterator[Finding]:
    fused = [like for like in likeness if like.fused]
    if slot.kind == "recurrent" and fused and len(fused) == len(likeness):
        yield Finding(
            "RNN203", f"looks like {fused[0].initialiser} drawn for the fused matrix, not for this gate's block",
            level="warning", address=slot.address, expected="the initialiser on each gate's own block",
            fix="initialise each gate's block on its own",
        )  # fmt: skip
