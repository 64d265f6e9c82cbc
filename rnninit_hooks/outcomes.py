"""What two plans would leave in a model, held against each other bit by bit, one group of parameters at a time.

Where both sides have the same draws (recipe, seed, block, placement) the bits are the same without drawing: what is
written is a function of these and of nothing else. Everywhere else both sides are drawn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from rnninit_hooks.anatomy import Member
from rnninit_hooks.composition import by_parameter, compose, fresh_copy, lay
from rnninit_hooks.facts import statistics
from rnninit_hooks.marks import marked
from rnninit_hooks.planning import Plan
from rnninit_hooks.slots import Piece, Region, Slot
from rnninit_hooks.units import Unit

Verdict = Literal["equal", "differs", "batch", "unmeasured", "undrawn", "meta", "coupled"]
"""`batch`: equal if nothing else changes; `unmeasured` to `coupled`: not known, for that reason."""

Place = tuple[tuple[int, ...], Region]
Figures = Mapping[str, float]
_WORST: tuple[Verdict, ...] = ("differs", "undrawn", "unmeasured", "meta", "coupled", "batch", "equal")


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """What several pieces come to; the pieces of nothing are equal."""
    return min(verdicts, key=_WORST.index, default="equal")


@dataclass(frozen=True, eq=False)
class Hand:
    """One plan as a writer: its units in order, those that cannot be drawn, and who writes what."""

    plan: Plan
    order: Mapping[int, int]
    blind: Mapping[int, Verdict]
    owners: Mapping[Place, Unit]
    veiled: frozenset[tuple[int, ...]]
    """Parameters of which some part cannot be drawn."""

    @classmethod
    def of(cls, plan: Plan) -> Hand:
        """A plan, made ready to be compared."""
        owners = {place: unit for unit in plan.units for place in places(unit)}
        blind = {id(unit): why for unit, why in _blind(plan)}
        veiled = frozenset(key for (key, _), unit in owners.items() if id(unit) in blind)
        return cls(plan, {id(unit): index for index, unit in enumerate(plan.units)}, blind, owners, veiled)

    def among(self, group: Iterable[Unit]) -> list[Unit]:
        """The units of this plan in a group of both, in the plan's order."""
        return sorted((unit for unit in group if id(unit) in self.order), key=lambda unit: self.order[id(unit)])


def _blind(plan: Plan) -> Iterator[tuple[Unit, Verdict]]:
    refused = {finding.address for finding in plan.errors}
    for unit in plan.units:
        if unit.recipe.asks:
            yield unit, "unmeasured"
        elif unit.block.address in refused or unit.slots[0].address in refused or unit.recipe.refuse(unit.block):
            yield unit, "undrawn"


def places(unit: Unit) -> Iterator[Place]:
    """Where a unit writes."""
    for slot in unit.slots:
        for piece in slot.pieces if unit.only is None else (unit.only,):
            yield piece.member.key, piece.region


def signature(unit: Unit) -> tuple[object, ...]:
    """All that the written bits of a unit depend on besides the seed; the text tells 0.0 from -0.0, which are equal."""
    only = unit.only.region if unit.only else None
    slots = tuple((slot.constant, slot.transposed, slot.padding, slot.shape, _pieces(slot)) for slot in unit.slots)
    recipe = unit.recipe
    return type(recipe), recipe, repr(recipe.model_dump()), unit.block, unit.whole, unit.rule.place, only, slots


def _pieces(slot: Slot) -> tuple[object, ...]:
    return tuple((piece.member.key, piece.region, piece.partner, piece.sign, piece.dropped) for piece in slot.pieces)


@dataclass(frozen=True, eq=False)
class Image:
    """What the drawn units of one plan come to in some parameters, and which elements they wrote."""

    values: Mapping[tuple[int, ...], Tensor] = field(default_factory=dict)
    written: Mapping[tuple[int, ...], Tensor] = field(default_factory=dict)


def outcomes(one: Hand, other: Hand, slots: Sequence[Slot]) -> Iterator[tuple[Place, Verdict, list[tuple[Slot, Image, Image]]]]:
    """A verdict for every place of the slots that some plan writes to; groups come one after the other.

    Places that no plan reaches are not given: they are equal. With a place come the slots that begin there and the images
    to measure them in, which are let go of before the next group is drawn.
    """
    pieces = _by_member(slots)
    for group in by_parameter((*one.plan.units, *other.plan.units)):
        pair = one.among(group), other.among(group)
        alike = one.plan.seed == other.plan.seed and list(map(signature, pair[0])) == list(map(signature, pair[1]))
        images = (Image(), Image()) if alike else (_image(one, pair[0]), _image(other, pair[1]))
        for slot, piece in (found for key in _keys(group) for found in pieces[key]):
            heads = [(slot, *images)] if piece is slot.pieces[0] and not alike else []
            yield (piece.member.key, piece.region), _verdict(piece, (one, other), images), heads


def _by_member(slots: Iterable[Slot]) -> Mapping[tuple[int, ...], list[tuple[Slot, Piece]]]:
    found: dict[tuple[int, ...], list[tuple[Slot, Piece]]] = defaultdict(list)
    for slot in slots:
        for piece in slot.pieces:
            found[piece.member.key].append((slot, piece))
    return found


def _keys(group: Iterable[Unit]) -> list[tuple[int, ...]]:
    return list(dict.fromkeys(key for unit in group for key, _ in places(unit)))


def _image(hand: Hand, units: Sequence[Unit]) -> Image:
    drawn = [unit for unit in units if id(unit) not in hand.blind]
    values = {one.member.key: one.value for one in compose(drawn, hand.plan.seed, open_to=_open, held=held)}
    return Image(values, _written(drawn))


def _open(member: Member) -> bool:
    return marked(member) is None


def held(member: Member) -> Tensor:
    """What a parameter holds now; zeros where it holds no memory, and then `_written` tells what may be compared."""
    if member.device.type == "meta":
        return torch.zeros(member.shape or (), dtype=member.dtype, device="cpu")
    return fresh_copy(member)


def _written(units: Iterable[Unit]) -> dict[tuple[int, ...], Tensor]:
    """Which elements are written, of parameters without memory."""
    masks: dict[tuple[int, ...], Tensor] = {}
    for unit in units:
        for slot in unit.slots:
            for piece in slot.pieces if unit.only is None else (unit.only,):
                member = piece.member
                if member.device.type == "meta" and _open(member):
                    mask = masks.setdefault(member.key, torch.zeros(member.shape or (), dtype=torch.bool, device="cpu"))
                    lay(mask, piece, slot, torch.ones((), device="cpu"))
    return masks


def _verdict(piece: Piece, hands: tuple[Hand, Hand], images: tuple[Image, Image]) -> Verdict:
    if not _open(piece.member):
        return "equal"
    owners = [hand.owners.get((piece.member.key, piece.region)) for hand in hands]
    reasons = [hand.blind[id(unit)] for hand, unit in zip(hands, owners, strict=True) if unit and id(unit) in hand.blind]
    if reasons:
        return _unseen(hands, owners, worst(reasons))
    if piece.member.key not in {*images[0].values, *images[1].values}:
        return "equal"
    veiled = any(piece.member.key in hand.veiled for hand in hands)
    return _seen(piece, images, coupled=piece.member.door.kind != "plain", veiled=veiled)


def _unseen(hands: tuple[Hand, Hand], owners: Sequence[Unit | None], reason: Verdict) -> Verdict:
    """Where a side cannot be drawn: the same request under the same seed gives the same bits, if it can be met."""
    first, second = owners
    same_seed = hands[0].plan.seed == hands[1].plan.seed
    if first and second and same_seed and signature(first) == signature(second):
        return "batch" if reason == "unmeasured" else "equal"
    return reason


def _seen(piece: Piece, images: tuple[Image, Image], *, coupled: bool, veiled: bool) -> Verdict:
    """Behind a parametrization one part of a value may move another, so there the whole must be the same."""
    member = piece.member
    values = [image.values[member.key] if member.key in image.values else held(member) for image in images]
    if member.device.type == "meta" and not torch.equal(*(_mask(piece, image) for image in images)):
        return "meta"
    if not same_bits(*(piece.view(value) for value in values)):
        return "differs"
    both = all(member.key in image.values for image in images)
    return "equal" if not coupled or (both and not veiled and same_bits(*values)) else "coupled"


def _mask(piece: Piece, image: Image) -> Tensor:
    member = piece.member
    mask = image.written.get(member.key)
    return piece.view(torch.zeros(member.shape or (), dtype=torch.bool, device="cpu") if mask is None else mask)


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Equal bit by bit: 0.0 is not -0.0, and a nan is itself."""
    raw = [value.detach().contiguous().reshape(-1).view(torch.uint8) for value in (one, other)]
    return torch.equal(*raw)


def figures(slot: Slot, image: Image, *, partner: bool) -> Figures:
    """The numbers that say something to people of what would be written into a slot; none where nothing is drawn."""
    parts = [(piece.sign, piece.view(image.values[piece.member.key])) for piece in slot.pieces
             if piece.member.key in image.values]  # fmt: skip
    if len(parts) != len(slot.pieces) or 0 in slot.shape:
        return {}
    if slot.kind != "bias":
        facts = statistics(parts[0][1])
        return {name: facts[name] for name in ("mean", "std") if name == "mean" or len(slot.shape) > 1}
    value = torch.stack([sign * part.double() for sign, part in parts]).sum(0) + slot.constant
    if partner:
        return {"value": value.mean().item()}
    kept = {"retention": torch.sigmoid(slot.polarity * value).mean().item()} if slot.polarity else {}
    return {"effective_bias": value.mean().item(), **kept}
