"""The decisions of two plans side by side, cut as finely as either side cuts them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rnninit_hooks.decisions import Decision
from rnninit_hooks.slots import Slot


@dataclass(frozen=True, eq=False)
class Pair:
    """One slot and what each side decides about it; `partner` when it is one of the parameters that a gate's bias sums."""

    slot: Slot
    a: Decision
    b: Decision
    partner: bool = False


def paired(one: Iterable[Decision], other: Iterable[Decision], native: frozenset[str]) -> Iterator[Pair]:
    """Every slot of a model once, in the order of the first side; `native` are the addresses that it has without rules.

    A sum that a literal rule of one side splits into its partners is split on the other side too. A slot that only one
    side knows by itself (a tensor with several names, decided under another one) is undecided on the other.
    """
    sides = tuple(one), tuple(other)
    split = {each.slot.address for side in sides for each in side} - native
    first, second = ({each.slot.address: each for each in _cut(side, split)} for side in sides)
    for address in dict.fromkeys([*first, *second]):
        slot = (first.get(address) or second[address]).slot
        empty = Decision(slot, None)
        yield Pair(slot, first.get(address, empty), second.get(address, empty), address in split)


def _cut(decisions: Iterable[Decision], split: set[str]) -> Iterator[Decision]:
    for decision in decisions:
        singles = [decision.slot.single(piece) for piece in decision.slot.pieces]
        if len(singles) > 1 and any(single.address in split for single in singles):
            for single in singles:
                yield Decision(single, decision.rule, within=decision.slot if decision.rule else None)
        else:
            yield decision
