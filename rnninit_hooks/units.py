"""What is written into a model, draw by draw: which recipe fills which pieces, and how an effective bias is placed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rnninit_hooks.decisions import Decision
from rnninit_hooks.recipes.base import Block, Recipe
from rnninit_hooks.recipes.fills import Keep
from rnninit_hooks.slots import Piece, Slot, fans, to_double

if TYPE_CHECKING:
    from rnninit_hooks.rules.models import Rule


@dataclass(frozen=True, eq=False)
class Unit:
    """One draw: a rule, the block that its recipe fills, and the slots that take it.

    An ordinary unit has one slot and that slot's block. A `whole` unit has the block of the fused parameter and every
    slot of it that the rule owns. `only` limits the writing to one partner of a sum, where a literal rule has the other.
    """

    rule: Rule
    block: Block
    slots: tuple[Slot, ...]
    whole: bool = False
    only: Piece | None = None

    @property
    def recipe(self) -> Recipe:
        """What fills the block."""
        return self.rule.init

    @property
    def complete(self) -> bool:
        """True when the unit owns everything that its block covers, so that its law can be judged."""
        owns_all = not self.whole or sum(_numel(slot) for slot in self.slots) == _product(self.block.shape)
        return owns_all and self.only is None

    def contributions(self, value: Tensor) -> Iterator[tuple[Piece, Tensor]]:
        """What each piece receives of the drawn value, in stored orientation."""
        if self.whole:
            for slot in self.slots:
                piece = slot.pieces[0]
                yield piece, piece.view(_spread(slot, value))
        else:
            for piece, part in _placed(self.slots[0], value, self.rule.place):
                if self.only is None or piece is self.only:
                    yield piece, part

    def current(self) -> Tensor:
        """What the model effectively holds where this unit would write: float64, CPU, `block.shape`."""
        slot = self.slots[0]
        if not self.whole:
            return slot.value()
        return stacked_value(slot)


def stacked_value(slot: Slot) -> Tensor:
    """What the fused matrix holds that a slot is one gate of: float64, CPU, `W @ x` orientation."""
    stored = to_double(_stack(slot).view(slot.member.read()))
    return stored.mT if slot.transposed else stored


def _stack(slot: Slot) -> Piece:
    return slot.stack or slot.pieces[0]


def _spread(slot: Slot, value: Tensor) -> Tensor:
    """The value of a stack, laid where it stands in the whole parameter."""
    stored = value.mT if slot.transposed else value
    if _stack(slot).shape == (slot.member.shape or ()):
        return stored
    whole = torch.zeros(slot.member.shape or (), dtype=value.dtype)
    _stack(slot).view(whole).copy_(stored)
    return whole


def _numel(slot: Slot) -> int:
    return _product(slot.shape)


def _product(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())


def _placed(slot: Slot, value: Tensor, place: str) -> Iterator[tuple[Piece, Tensor]]:
    value = value.mT if slot.transposed else value
    if slot.constant:
        value = value - slot.constant
    if len(slot.pieces) == 1 and slot.pieces[0].sign == 1:
        yield slot.pieces[0], value
        return
    chosen = _chosen(slot, place)
    for piece in slot.pieces:
        share = value / len(chosen) if piece in chosen else torch.zeros_like(value)
        yield piece, piece.sign * share


def _chosen(slot: Slot, place: str) -> list[Piece]:
    if place == "split":
        return list(slot.pieces)
    return [piece for piece in slot.pieces if piece.partner == place][:1] or [slot.pieces[0]]


def units_of(decisions: Iterable[Decision]) -> Iterator[Unit]:
    """Group decided slots into draws: one per slot, or one per parameter where the rule says `whole`."""
    groups: dict[tuple[str, str], list[Decision]] = defaultdict(list)
    for decision in decisions:
        if decision.rule and not isinstance(decision.rule.init, Keep):
            name = decision.slot.name if decision.rule.whole else decision.slot.address
            groups[decision.rule.id, name].append(decision)
    for group in groups.values():
        yield _unit(group)


def _unit(group: list[Decision]) -> Unit:
    first = group[0]
    rule, slot = first.rule, first.slot
    assert rule is not None  # units_of groups decided slots alone
    if first.within:
        return Unit(rule, first.within.block, (first.within,), only=_partner(first.within, slot))
    if rule.literal and not rule.whole:  # the pieces of a whole are laid as they are
        slot = slot.single(slot.pieces[0])
    if rule.whole:
        return Unit(rule, whole_block(slot), tuple(decision.slot for decision in group), True)
    return Unit(rule, slot.block, (slot,))


def together(units: Iterable[Unit]) -> Iterator[tuple[Unit, ...]]:
    """The units of joint recipes, by rule, layer and direction."""
    groups: dict[tuple[str, str | None], list[Unit]] = defaultdict(list)
    for unit in units:
        if unit.recipe.joint:
            groups[unit.rule.id, unit.block.group].append(unit)
    yield from map(tuple, groups.values())


def _partner(total: Slot, single: Slot) -> Piece:
    """The piece of a sum that a slot of its own, or a name tied to it, speaks of."""
    wanted = single.key[0]
    return next(piece for piece, key in zip(total.pieces, total.key, strict=True) if key == wanted)


def whole_block(slot: Slot) -> Block:
    """The block of the fused parameter that a slot is one gate of, with the fans of the stack."""
    shape = _stack(slot).shape
    shape = shape[::-1] if slot.transposed else shape
    fan_in, fan_out = fans(shape)
    return replace(slot.block, address=slot.name, shape=shape, fan_in=fan_in, fan_out=fan_out, gate=None)
