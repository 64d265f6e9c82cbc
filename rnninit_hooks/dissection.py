"""Cut a model's parameters into slots, by the layouts of its modules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import prod

from torch import nn

from rnninit_hooks.anatomy import Member, Organ, join, organs
from rnninit_hooks.findings import Finding
from rnninit_hooks.layouts.model import Kind, Layout, Part
from rnninit_hooks.layouts.registry import layout_of
from rnninit_hooks.slots import Piece, Region, Slot, fans


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Every slot of a model, and what was odd on the way."""

    slots: tuple[Slot, ...]
    lazy: tuple[Member, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, eq=False)
class Cut:
    """One parameter under one part of a layout, and one source of its columns: where it lies, before gates are told apart."""

    organ: Organ
    layout: Layout
    member: Member
    part: Part
    kind: Kind | None
    stack: Region
    suffix: str = ""

    @property
    def groups(self) -> dict[str, str | None]:
        """Layer and direction, as the name tells them."""
        found = self.part.match(self.member.local)
        return found.groupdict() if found else {}

    @property
    def sum_name(self) -> str:
        """The name of the sum that this parameter is one partner of."""
        groups = {key: value or "" for key, value in self.groups.items()}
        return (self.part.effective or self.member.local).format(**groups)


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


def _parts(layout: Layout, members: Iterable[Member]) -> Iterator[tuple[Member, Part]]:
    for member in members:
        yield from ((member, part) for part in layout.parts if part.match(member.local))


def misfit(layout: Layout, organ: Organ) -> str | None:
    """Why a layout does not fit a module's parameters, or None."""
    shaped = [member for member in organ.members if not member.lazy]
    found = list(_parts(layout, shaped))
    missing = set(layout.required) - {part.name for _, part in found}
    if missing:
        return f"no parameter {', '.join(sorted(missing))}; found {', '.join(member.local for member in shaped)}"
    size = getattr(organ.module, layout.size, None) if layout.size else None
    wrong = [f"{m.local} is {list(m.shape or ())}" for m, part in found if not _fits(organ, m, part, size)]
    extent = f"{layout.size}={size}" if layout.size else "equal"
    if wrong:
        return f"{', '.join(wrong)}; expected {extent} rows or columns for each gate"
    torn = [member.local for member in dict.fromkeys(member for member, _ in found) if not _exact(organ, layout, member)]
    return f"its parts leave out, or claim twice, elements of {', '.join(torn)}; expected each exactly once" if torn else None


def _exact(organ: Organ, layout: Layout, member: Member) -> bool:
    """True when the parts that speak of a parameter share its elements out among them."""
    cuts = [cut for _, part in _parts(layout, [member]) for cut in _cuts(organ, layout, member, part)]
    total = sum(prod(len(range(*bounds)) for bounds in cut.stack) for cut in cuts)
    return total == prod(member.shape or ()) and not any(_meet(a.stack, b.stack) for a, b in combinations(cuts, 2))


def _meet(one: Region, other: Region) -> bool:
    """Stacks are contiguous, so that bounds tell."""
    return all(max(a[0], b[0]) < min(a[1], b[1]) for a, b in zip(one, other, strict=True))


def _fits(organ: Organ, member: Member, part: Part, size: int | None) -> bool:
    shape = member.shape or ()
    axes = [axis for axis, _ in part.fixed] + ([part.axis] if part.gates else [])
    if any(axis >= len(shape) for axis in axes) or any(index >= shape[axis] for axis, index in part.fixed):
        return False
    if part.columns and (len(shape) < 2 or _column_extents(organ, member, part) is None):
        return False
    return not part.gates or _even(organ, part, shape[part.axis], size)


def _even(organ: Organ, part: Part, extent: int, size: int | None) -> bool:
    if part.sizes:
        sizes = [_extent(organ, size) for size in part.sizes]
        return None not in sizes and sum(size or 0 for size in sizes) == extent
    return extent == part.gates * size if size is not None else extent % part.gates == 0


def _extent(organ: Organ, size: int | str) -> int | None:
    found = getattr(organ.module, size, None) if isinstance(size, str) else size
    return found if isinstance(found, int) else None


def _column_extents(organ: Organ, member: Member, part: Part) -> list[int] | None:
    """How many columns come from each source, or None where they do not add up."""
    sizes = [None if size is None else _extent(organ, size) for _, size in part.columns]
    if any(found is None and size is not None for found, (_, size) in zip(sizes, part.columns, strict=True)):
        return None
    total = (member.shape or ())[_column_axis(part)]
    rest = total - sum(size or 0 for size in sizes)
    exact = None not in sizes
    return None if rest < 0 or (exact and rest) else [rest if size is None else size for size in sizes]


def _column_axis(part: Part) -> int:
    return 0 if part.axis == 1 else 1


def _misfit_finding(layout: Layout, organ: Organ, trouble: str) -> Finding:
    kind = type(organ.module).__name__
    return Finding(
        "RNN112", f"{organ.path or 'the model'} is a {kind}, but the layout {layout.name} does not fit: {trouble}",
        level="warning", address=organ.path or None, fix="register a layout for this class (ri.register_layout)",
    )  # fmt: skip


def _organ_slots(organ: Organ, members: Sequence[Member], layout: Layout | None) -> Iterator[Slot]:
    found: dict[str, list[Cut]] = defaultdict(list)
    for member, part in _parts(layout, members) if layout else ():
        found[member.local] += _cuts(organ, layout, member, part) if layout else ()
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
    return Slot(member.name, None, (Piece(member, _everything(member)),), organ)


def _everything(member: Member) -> Region:
    return tuple((0, extent, 1) for extent in member.shape or ())


def _cuts(organ: Organ, layout: Layout, member: Member, part: Part) -> Iterator[Cut]:
    region = list(_everything(member))
    for axis, index in part.fixed:
        region[axis] = (index, index + 1, 1)
    suffix = "".join(f":{index}" for _, index in part.fixed) if part.fixed and region != list(_everything(member)) else ""
    if not part.columns:
        yield Cut(organ, layout, member, part, part.kind, tuple(region), suffix)
        return
    axis, start = _column_axis(part), 0
    for (kind, _), size in zip(part.columns, _column_extents(organ, member, part) or (), strict=True):
        region[axis] = (start, start + size, 1)
        start += size
        yield Cut(organ, layout, member, part, kind, tuple(region), f"{suffix}:{kind}")


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
    for gate in part.order:
        piece = replace(base.pieces[0], region=_gate_region(cut, gate))
        constant = layout.constant.get(gate, 0.0) if cut.kind == "bias" else 0.0
        polarity = layout.polarity.get(gate, 0)
        yield replace(base, gate=gate, pieces=(piece,), constant=constant, polarity=polarity)


def _gate_region(cut: Cut, gate: str) -> Region:
    part, region = cut.part, list(cut.stack)
    extent, index = region[part.axis][1], part.order.index(gate)
    if part.interleaved:
        region[part.axis] = (index, extent, part.gates)
    else:
        sizes = [_extent(cut.organ, size) or 0 for size in part.sizes] or [extent // part.gates] * part.gates
        region[part.axis] = (sum(sizes[:index]), sum(sizes[: index + 1]), 1)
    return tuple(region)


def _summed(name: str, partners: list[Cut]) -> Iterator[Slot]:
    for gate in dict.fromkeys(gate for cut in partners for gate in cut.part.order):
        slots = [slot for cut in partners for slot in _gated(cut) if slot.gate == gate]
        if len(slots) == 1 or gate in partners[0].layout.separate:
            yield from slots
        else:
            pieces = tuple(slot.pieces[0] for slot in slots)
            yield replace(slots[0], name=join(partners[0].organ.path, name), pieces=pieces)
