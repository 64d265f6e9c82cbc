"""From a plan to numbers: each parameter's whole new value, drawn slot by slot, nothing written yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from math import prod

import torch
from torch import Tensor

from rnninit_hooks.anatomy import Member
from rnninit_hooks.facts import finite
from rnninit_hooks.findings import Finding
from rnninit_hooks.recipes import room
from rnninit_hooks.recipes.draws import FLOAT32, Keyed
from rnninit_hooks.recipes.tiles import TILE
from rnninit_hooks.slots import Piece, Slot, epsilon
from rnninit_hooks.units import Unit

Progress = Callable[[int, int, str], None]
Born = Callable[[Member], torch.dtype]


@dataclass(frozen=True, eq=False)
class Composed:
    """One parameter's new value, in its own dtype on the CPU; what no rule decides holds the bits that it had."""

    member: Member
    value: Tensor
    units: tuple[Unit, ...]


def dtype_now(member: Member) -> torch.dtype:
    """The dtype that a parameter has now."""
    return member.dtype


def draw(unit: Unit, seed: int, *, born: Born = dtype_now) -> Tensor:
    """The value of one unit, on the CPU; depends on (seed, address) alone, never on a global stream."""
    return _drawn_together([unit], seed, born)[0]


def _drawn(units: Iterable[Unit], seed: int, born: Born) -> Iterator[tuple[Unit, Tensor]]:
    """Every unit with its value; small blocks that stand beside each other under one recipe are drawn together."""
    for _, run in groupby(units, key=_alike):
        together = list(run)
        yield from zip(together, _drawn_together(together, seed, born), strict=True)


def _alike(unit: Unit) -> object:
    block = unit.block
    return (unit.recipe, block.shape, unit.slots[0].member.key) if prod(block.shape) <= TILE else id(unit)


def _drawn_together(units: list[Unit], seed: int, born: Born) -> list[Tensor]:
    narrow = epsilon(born(units[0].slots[0].member)) >= FLOAT32
    draws = [Keyed(seed, unit.block.address, narrow=narrow) for unit in units]
    values = units[0].recipe.fill_many([unit.block for unit in units], draws)
    for unit, value in zip(units, values, strict=True):
        if tuple(value.shape) != unit.block.shape:
            found, address = tuple(value.shape), unit.block.address
            raise ValueError(f"recipe {unit.recipe} filled {address} with shape {found}; expected {unit.block.shape}")
    return [_working(value.detach()) for value in values]


def _working(value: Tensor) -> Tensor:
    return value.to(device="cpu", dtype=value.dtype if value.dtype == torch.float32 else torch.float64)


def cast(value: Tensor, dtype: torch.dtype) -> Tensor:
    """Round once to float32 and then on, so that a model built in bfloat16 equals one cast to it."""
    return value.to(dtype) if dtype in (torch.float64, torch.float32) else value.to(torch.float32).to(dtype)


def compose(
    units: Iterable[Unit],
    seed: int,
    *,
    progress: Progress | None = None,
    open_to: Callable[[Member], bool] = lambda _: True,
    born: Born = dtype_now,
    held: Callable[[Member], Tensor] | None = None,
) -> Iterator[Composed]:
    """Every parameter of `compose_groups`, one by one."""
    for group in compose_groups(units, seed, progress=progress, open_to=open_to, born=born, held=held):
        yield from group


def compose_groups(
    units: Iterable[Unit],
    seed: int,
    *,
    progress: Progress | None = None,
    open_to: Callable[[Member], bool] = lambda _: True,
    born: Born = dtype_now,
    held: Callable[[Member], Tensor] | None = None,
) -> Iterator[tuple[Composed, ...]]:
    """Draw every unit and lay the pieces into whole parameters where `open_to` allows it; partners of a sum together.

    `born` gives the dtype to round to first, where a model was cast after it was decided; `held` what stands in for the
    value that a parameter has, where it has none.
    """
    groups = by_parameter(tuple(units))
    total = sum(len(group) for group in groups)
    done = 0
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        for group in groups:
            yield tuple(_compose_group(group, seed, open_to, born, held or fresh_copy))
            done += len(group)
            if progress:
                progress(done, total, group[-1].block.address)


def by_parameter(units: tuple[Unit, ...]) -> list[list[Unit]]:
    """Units that share a parameter, directly or through the partners of a bias, stand together."""
    home: dict[tuple[int, ...], list[Unit]] = {}
    for unit in units:
        keys = [piece.member.key for slot in unit.slots for piece in slot.pieces]
        merged: list[Unit] = []
        for group in {id(home[key]): home[key] for key in keys if key in home}.values():
            merged += group
        merged.append(unit)
        for key in {*keys, *(p.member.key for u in merged for s in u.slots for p in s.pieces)}:
            home[key] = merged
    return list({id(group): group for group in home.values()}.values())


def _compose_group(
    group: list[Unit], seed: int, open_to: Callable[[Member], bool], born: Born, held: Callable[[Member], Tensor]
) -> Iterator[Composed]:
    values: dict[tuple[int, ...], Tensor] = {}
    members: dict[tuple[int, ...], Member] = {}
    users: dict[tuple[int, ...], list[Unit]] = defaultdict(list)
    covered = _covered(group)
    for unit, drawn in _drawn(group, seed, born):
        for piece, part in unit.contributions(drawn):
            if not open_to(piece.member):
                continue
            key = piece.member.key
            members.setdefault(key, piece.member)
            if key not in values:
                values[key] = empty(piece.member) if key in covered else held(piece.member)
            lay(values[key], piece, unit.slots[0], cast(part, born(piece.member)))
            users[key].append(unit)
    for key, value in values.items():
        yield Composed(members[key], value, tuple(users[key]))


def _covered(group: list[Unit]) -> set[tuple[int, ...]]:
    """Parameters of which every element is drawn, so that what they hold need not be asked for, nor other ranks."""
    counts: dict[tuple[int, ...], int] = defaultdict(int)
    sizes: dict[tuple[int, ...], int] = {}
    for unit in group:
        for slot in unit.slots:
            for piece in slot.pieces if unit.only is None else (unit.only,):
                counts[piece.member.key] += 0 if slot.padding is not None else prod(piece.shape)
                sizes[piece.member.key] = prod(piece.member.shape or ())
    return {key for key, size in sizes.items() if counts[key] == size}


def empty(member: Member) -> Tensor:
    """Memory for a whole parameter on the CPU, holding nothing yet."""
    return room.empty(member.shape or (), member.dtype)


def fresh_copy(member: Member) -> Tensor:
    """A private CPU copy of what a parameter holds now."""
    return member.read().detach().to(device="cpu", copy=True).contiguous()


def lay(whole: Tensor, piece: Piece, slot: Slot, part: Tensor) -> None:
    """Put one piece into a whole parameter, in place; a padding row stays."""
    view = piece.view(whole)
    keep = view[slot.padding].clone() if slot.padding is not None else None
    view.copy_(cast(part, whole.dtype))
    if keep is not None:
        view[slot.padding] = keep


def not_finite(composed: Composed) -> Finding | None:
    """A finding when a drawn value overflows the parameter's dtype or is nan."""
    if finite(composed.value):
        return None
    rule = composed.units[0].rule
    return Finding(
        "RNN205", f"rule {rule.id!r} would write nan or inf into {composed.member.dtype}", address=composed.member.name,
        rule=rule.id, place=rule.origin, expected="finite numbers", fix="lower the value, or use a wider dtype",
    )  # fmt: skip
