"""Cut a model's parameters into slots: the block that one gate owns, or the bias that one gate feels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import torch
from torch import Tensor, nn

from rnninit_hooks.address import Address
from rnninit_hooks.anatomy import Member, Organ, join, organs
from rnninit_hooks.findings import Finding
from rnninit_hooks.layouts.model import Layout, Part
from rnninit_hooks.layouts.registry import layout_of
from rnninit_hooks.recipes.base import Block

Region = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Piece:
    """The part of one parameter that belongs to a slot: (start, stop) along every axis."""

    member: Member
    region: Region
    partner: str | None = None
    sign: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """The piece's shape as stored."""
        return tuple(stop - start for start, stop in self.region)

    def view(self, whole: Tensor) -> Tensor:
        """The piece of a tensor that has the parameter's shape; a view, so that it can be written."""
        return whole[tuple(slice(start, stop) for start, stop in self.region)]


@dataclass(frozen=True, eq=False)
class Slot:
    """One block that rules decide about.

    `name` is the qualified name without the gate: of the parameter, or of the sum where several biases add up
    (`rnn.bias_l0`). `pieces` has one entry per partner. `constant` is what `forward` adds to the gate, `polarity` +1
    where an open gate keeps the old state, -1 where it overwrites it, 0 elsewhere.
    """

    name: str
    gate: str | None
    pieces: tuple[Piece, ...]
    organ: Organ
    layout: Layout | None = None
    kind: str | None = None
    layer: int | None = None
    direction: str | None = None
    transposed: bool = False
    constant: float = 0.0
    polarity: int = 0

    @cached_property
    def address(self) -> str:
        """The slot's name, the same string everywhere."""
        return str(Address(self.name, self.gate))

    @property
    def member(self) -> Member:
        """The parameter of the first piece."""
        return self.pieces[0].member

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a rule's regex is searched in: those of the parameters, then that of their sum."""
        return tuple(dict.fromkeys([*(piece.member.name for piece in self.pieces), self.name]))

    @property
    def shape(self) -> tuple[int, ...]:
        """The slot's shape as stored."""
        return self.pieces[0].shape

    @property
    def key(self) -> tuple[tuple[tuple[int, ...], Region], ...]:
        """What tells two names of one block from two blocks."""
        return tuple((piece.member.key, piece.region) for piece in self.pieces)

    @property
    def hidden_size(self) -> int | None:
        """How many units a gate of the recurrent module has."""
        if self.layout is None or not self.layout.recurrent or self.layout.size is None:
            return None
        return int(getattr(self.organ.module, self.layout.size))

    @property
    def padding(self) -> int | None:
        """The row of an embedding that stays as it is."""
        module = self.organ.module
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and self.member.local == "weight":
            return module.padding_idx
        return None

    @cached_property
    def block(self) -> Block:
        """What a recipe sees."""
        shape = self.shape[::-1] if self.transposed else self.shape
        fan_in, fan_out = fans(shape)
        return Block(
            self.address, shape, fan_in, fan_out, self.kind, self.gate, self.layer, self.direction,
            self.hidden_size, epsilon(self.member.dtype),
        )  # fmt: skip

    def single(self, piece: Piece) -> Slot:
        """One partner of this slot as a slot of its own."""
        return replace(self, name=piece.member.name, pieces=(piece,), constant=0.0)

    def value(self) -> Tensor:
        """What the slot effectively holds now, float64 on the CPU, in `W @ x` orientation."""
        parts = [piece.sign * to_double(piece.view(piece.member.read())) for piece in self.pieces]
        total = torch.stack(parts).sum(0) + self.constant
        return total.mT if self.transposed else total


def to_double(tensor: Tensor) -> Tensor:
    """A float64 copy on the CPU."""
    return tensor.detach().to(device="cpu", dtype=torch.float64)


def epsilon(dtype: torch.dtype) -> float:
    """Machine epsilon; 0 for types that are no floating point."""
    return float(torch.finfo(dtype).eps) if dtype.is_floating_point else 0.0


def fans(shape: tuple[int, ...]) -> tuple[int, int] | tuple[None, None]:
    """Fan-in and fan-out of a block (out, in, *kernel); None for vectors."""
    if len(shape) < 2:
        return None, None
    kernel = prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


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


def dissect_organ(organ: Organ) -> Anatomy:
    """Cut one module's own parameters into slots."""
    shaped = [member for member in organ.members if not member.lazy]
    lazy = tuple(member for member in organ.members if member.lazy)
    layout = layout_of(type(organ.module)) if shaped else None
    trouble = _misfit(layout, organ, shaped) if layout else None
    if layout and trouble:
        finding = _misfit_finding(layout, organ, trouble)
        return Anatomy(tuple(_organ_slots(organ, shaped, None)), lazy, (finding,))
    return Anatomy(tuple(_organ_slots(organ, shaped, layout)), lazy, ())


def _parts(layout: Layout, members: Iterable[Member]) -> Iterator[tuple[Member, Part]]:
    for member in members:
        part = next((part for part in layout.parts if part.match(member.local)), None)
        if part:
            yield member, part


def _misfit(layout: Layout, organ: Organ, members: list[Member]) -> str | None:
    found = list(_parts(layout, members))
    missing = set(layout.required) - {part.name for _, part in found}
    if missing:
        return f"no parameter {', '.join(sorted(missing))}; found {', '.join(member.local for member in members)}"
    size = getattr(organ.module, layout.size, None) if layout.size else None
    wrong = [f"{m.local} is {list(m.shape or ())}" for m, part in found if part.gates and not _even(m, part, size)]
    extent = f"{layout.size}={size}" if layout.size else "equal"
    return f"{', '.join(wrong)}; expected {extent} rows or columns for each gate" if wrong else None


def _even(member: Member, part: Part, size: int | None) -> bool:
    shape = member.shape or ()
    if part.axis >= len(shape):
        return False
    extent = shape[part.axis]
    return extent == part.gates * size if size is not None else extent % part.gates == 0


def _misfit_finding(layout: Layout, organ: Organ, trouble: str) -> Finding:
    kind = type(organ.module).__name__
    return Finding(
        "RNN112", f"{organ.path or 'the model'} is a {kind}, but the layout {layout.name} does not fit: {trouble}",
        level="warning", address=organ.path or None, fix="register a layout for this class (ri.register_layout)",
    )  # fmt: skip


def _organ_slots(organ: Organ, members: list[Member], layout: Layout | None) -> Iterator[Slot]:
    found = {member.local: part for member, part in _parts(layout, members)} if layout else {}
    sums: dict[str, list[tuple[Member, Part]]] = defaultdict(list)
    for member in members:
        part = found.get(member.local)
        if layout is None or part is None:
            yield _plain(organ, member)
        elif part.effective:
            sums[_sum_name(member, part)].append((member, part))
        else:
            yield from _gated(organ, layout, member, part)
    for name, partners in sums.items():
        yield from _summed(organ, layout, name, partners) if layout else ()


def _plain(organ: Organ, member: Member) -> Slot:
    return Slot(member.name, None, (Piece(member, _everything(member)),), organ)


def _everything(member: Member) -> Region:
    return tuple((0, extent) for extent in member.shape or ())


def _where(member: Member, part: Part) -> dict[str, str | None]:
    found = part.match(member.local)
    return found.groupdict() if found else {}


def _sum_name(member: Member, part: Part) -> str:
    groups = {key: value or "" for key, value in _where(member, part).items()}
    return (part.effective or member.local).format(**groups)


def _base(organ: Organ, layout: Layout, member: Member, part: Part) -> Slot:
    groups = _where(member, part)
    layer = int(groups["layer"] or 0) if "layer" in groups else None
    direction = ("reverse" if groups["reverse"] else "forward") if "reverse" in groups else None
    return Slot(
        member.name, None, (Piece(member, _everything(member), part.partner, part.sign),), organ, layout, part.kind,
        layer, direction, part.transposed,
    )  # fmt: skip


def _gated(organ: Organ, layout: Layout, member: Member, part: Part) -> Iterator[Slot]:
    base = _base(organ, layout, member, part)
    if not part.gates:
        yield base
    for gate in part.order:
        piece = replace(base.pieces[0], region=_gate_region(member, part, gate))
        constant = layout.constant.get(gate, 0.0) if part.kind == "bias" else 0.0
        polarity = layout.polarity.get(gate, 0)
        yield replace(base, gate=gate, pieces=(piece,), constant=constant, polarity=polarity)


def _gate_region(member: Member, part: Part, gate: str) -> Region:
    region = list(_everything(member))
    size = region[part.axis][1] // part.gates
    start = part.order.index(gate) * size
    region[part.axis] = (start, start + size)
    return tuple(region)


def _summed(organ: Organ, layout: Layout, name: str, partners: list[tuple[Member, Part]]) -> Iterator[Slot]:
    for gate in dict.fromkeys(gate for _, part in partners for gate in part.order):
        slots = [slot for pair in partners for slot in _gated(organ, layout, *pair) if slot.gate == gate]
        if len(slots) == 1 or gate in layout.separate:
            yield from slots
        else:
            pieces = tuple(slot.pieces[0] for slot in slots)
            yield replace(slots[0], name=join(organ.path, name), pieces=pieces)
