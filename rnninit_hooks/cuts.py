"""How a layout lies on a module's parameters: which region of which parameter is one part, and whether all of them fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from math import prod

from rnninit_hooks.anatomy import Member, Organ
from rnninit_hooks.layouts.model import Kind, Layout, Part
from rnninit_hooks.slots import Region


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


def parts_of(layout: Layout, members: Iterable[Member]) -> Iterator[tuple[Member, Part]]:
    """Every parameter with each part of a layout that speaks of its name."""
    for member in members:
        yield from ((member, part) for part in layout.parts if part.match(member.local))


def misfit(layout: Layout, organ: Organ) -> str | None:
    """Why a layout does not fit a module's parameters, or None."""
    shaped = [member for member in organ.members if not member.lazy]
    found = list(parts_of(layout, shaped))
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
    cuts = [cut for _, part in parts_of(layout, [member]) for cut in cuts_of(organ, layout, member, part)]
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


def everything(member: Member) -> Region:
    """The region of a whole parameter."""
    return tuple((0, extent, 1) for extent in member.shape or ())


def cuts_of(organ: Organ, layout: Layout, member: Member, part: Part) -> Iterator[Cut]:
    """Where one part lies on one parameter: once, or once for each source of its columns."""
    region = list(everything(member))
    for axis, index in part.fixed:
        region[axis] = (index, index + 1, 1)
    suffix = "".join(f":{index}" for _, index in part.fixed) if part.fixed and region != list(everything(member)) else ""
    if not part.columns:
        yield Cut(organ, layout, member, part, part.kind, tuple(region), suffix)
        return
    axis, start = _column_axis(part), 0
    for (kind, _), size in zip(part.columns, _column_extents(organ, member, part) or (), strict=True):
        region[axis] = (start, start + size, 1)
        start += size
        yield Cut(organ, layout, member, part, kind, tuple(region), f"{suffix}:{kind}")


def gate_region(cut: Cut, gate: str) -> Region:
    """The region of one gate within a cut."""
    part, region = cut.part, list(cut.stack)
    extent, index = region[part.axis][1], part.order.index(gate)
    if part.interleaved:
        region[part.axis] = (index, extent, part.gates)
    else:
        sizes = [_extent(cut.organ, size) or 0 for size in part.sizes] or [extent // part.gates] * part.gates
        region[part.axis] = (sum(sizes[:index]), sum(sizes[: index + 1]), 1)
    return tuple(region)
