"""Cut a model's parameters into slots, by the layouts of its modules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from torch import nn

from rnninit_hooks.anatomy import Member, Organ, join, organs
from rnninit_hooks.cuts import Cut, cuts_of, everything, gate_region, misfit, parts_of
from rnninit_hooks.findings import Finding
from rnninit_hooks.layouts.model import Layout
from rnninit_hooks.layouts.registry import layout_of
from rnninit_hooks.slots import Piece, Slot, fans


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Every slot of a model, and what was odd on the way."""

    slots: tuple[Slot, ...]
    lazy: tuple[Member, ...]
    findings: tuple[Finding, ...]


def dissect(model: nn.Module) -> Anatomy:
    """Cut a model into slots; every element of every parameter belongs to exactly one slot per name it has."""
    if not isinstance(model, nn.Module):
        what = f"the class {model.__name__}; call it first" if isinstance(model, type) else type(model).__name__
        raise TypeError(f"expected a model, an instance of torch.nn.Module; found {what}")
    cuts = [dissect_organ(organ) for organ in organs(model)]
    return Anatomy(
        tuple(slot for cut in cuts for slot in cut.slots), tuple(member for cut in cuts for member in cut.lazy),
        tuple(finding for cut in cuts for finding in cut.findings),
    )  # fmt: skip


def dissect_organ(organ: Organ, layout: Layout | None = None) -> Anatomy:
    """Cut one module's parameters into slots, by the layout of its class unless another is given."""
    shaped = [member for member in organ.members if not member.lazy]
    lazy = tuple(member for member in organ.members if member.lazy)
    layout = layout or (layout_of(organ.module) if shaped else None)
    trouble = misfit(layout, organ) if layout else None
    if layout and trouble:
        finding = _misfit_finding(layout, organ, trouble)
        return Anatomy(tuple(_organ_slots(organ, shaped, None)), lazy, (finding,))
    slots = _organ_slots(organ, shaped, layout)
    return Anatomy(tuple(_joined(slots) if layout else slots), lazy, ())


def _joined(slots: Iterable[Slot]) -> Iterator[Slot]:
    """The same slots; the matrices of one gate know how many columns they have together."""
    every = tuple(slots)
    columns: dict[tuple[object, ...], int] = defaultdict(int)
    for slot in every:
        columns[_fed(slot)] += fans(slot.block_shape)[0] or 0
    for slot in every:
        yield replace(slot, joint_in=columns[_fed(slot)]) if slot.kind in ("input", "recurrent") else slot


def _fed(slot: Slot) -> tuple[object, ...]:
    return slot.kind in ("input", "recurrent"), slot.layer, slot.direction, slot.gate


def _misfit_finding(layout: Layout, organ: Organ, trouble: str) -> Finding:
    kind = type(organ.module).__name__
    return Finding(
        "RNN112", f"{organ.path or 'the model'} is a {kind}, but the layout {layout.name} does not fit: {trouble}",
        level="warning", address=organ.path or None, fix="register a layout for this class (ri.register_layout)",
    )  # fmt: skip


def _organ_slots(organ: Organ, members: Sequence[Member], layout: Layout | None) -> Iterator[Slot]:
    found: dict[str, list[Cut]] = defaultdict(list)
    for member, part in parts_of(layout, members) if layout else ():
        found[member.local] += cuts_of(organ, layout, member, part) if layout else ()
    sums: dict[str, list[Cut]] = defaultdict(list)
    for member in members:
        if member.local not in found:
            yield _plain(organ, member)
        for cut in found[member.local]:
            if cut.part.effective:
                sums[cut.sum_name].append(cut)
            else:
                yield from _gated(cut)
    for name, partners in sums.items():
        yield from _summed(name, partners)


def _plain(organ: Organ, member: Member) -> Slot:
    return Slot(member.name, None, (Piece(member, everything(member)),), organ)


def _base(cut: Cut) -> Slot:
    groups, part = cut.groups, cut.part
    layer = int(groups["layer"] or 0) if "layer" in groups else None
    direction = ("reverse" if groups["reverse"] else "forward") if "reverse" in groups else None
    piece = Piece(cut.member, cut.stack, part.partner, part.sign, tuple(axis for axis, _ in part.fixed), cut.stack)
    return Slot(
        cut.member.name + cut.suffix, None, (piece,), cut.organ, cut.layout, cut.kind, layer, direction, part.transposed,
        stack=piece,
    )  # fmt: skip


def _gated(cut: Cut) -> Iterator[Slot]:
    base, part, layout = _base(cut), cut.part, cut.layout
    if not part.gates:
        yield base
    for gate, piece in zip(part.order, _gate_pieces(cut, base.pieces[0]), strict=True):
        constant = layout.constant.get(gate, 0.0) if cut.kind == "bias" else 0.0
        yield Slot(
            base.name, gate, (piece,), base.organ, layout, base.kind, base.layer, base.direction, base.transposed,
            constant, layout.polarity.get(gate, 0), base.stack,
        )  # fmt: skip


def _gate_pieces(cut: Cut, stack: Piece) -> Iterator[Piece]:
    for gate in cut.part.order:
        yield Piece(stack.member, gate_region(cut, gate), stack.partner, stack.sign, stack.dropped, stack.region)


def _summed(name: str, partners: list[Cut]) -> Iterator[Slot]:
    of_gate: dict[str | None, list[Slot]] = defaultdict(list)
    for slot in (slot for cut in partners for slot in _gated(cut)):
        of_gate[slot.gate].append(slot)
    for gate, slots in of_gate.items():
        if len(slots) == 1 or gate in partners[0].layout.separate:
            yield from slots
        else:
            pieces = tuple(slot.pieces[0] for slot in slots)
            yield replace(slots[0], name=join(partners[0].organ.path, name), pieces=pieces)
