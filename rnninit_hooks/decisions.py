"""Which rule decides which slot: the last that matches, through ties, literal partners and protection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from rnninit_hooks.findings import Finding
from rnninit_hooks.matching import Field, Selection, select
from rnninit_hooks.slots import Slot

if TYPE_CHECKING:
    from rnninit_hooks.rules.models import Policy, Rule


@dataclass(frozen=True, eq=False)
class Decision:
    """One slot and the rule that decides it, or None.

    `via` is another name of the tensor that the rule matched. `within` is the sum of which the slot is one partner,
    when a rule about the sum decides this partner and a literal rule another.
    """

    slot: Slot
    rule: Rule | None
    via: str | None = None
    within: Slot | None = None


@dataclass(frozen=True, eq=False)
class Decided:
    """Every slot with its rule, and what became of every rule."""

    decisions: tuple[Decision, ...]
    selections: tuple[Selection, ...]
    winners: frozenset[str]
    ties: tuple[Finding, ...]

    @cached_property
    def deciding(self) -> Mapping[int, str]:
        """The rule's id of every decided slot, by the slot's identity."""
        return {id(decision.slot): decision.rule.id for decision in self.decisions if decision.rule}


def decide(policy: Policy, slots: Iterable[Slot]) -> Decided:
    """Let the last matching rule win, slot by slot."""
    every = tuple(slots)
    field = Field(every)
    selections = tuple(select(rule, field) for rule in policy.rules)
    last = _last(selections)
    split = tuple(decision for slot in every for decision in _split(slot, last.get(id(slot)), selections))
    winners = frozenset(decision.rule.id for decision in split if decision.rule)
    decisions, ties = _tied(split)
    return Decided(decisions, selections, winners, ties)


def _last(selections: Iterable[Selection]) -> Mapping[int, Rule]:
    return {id(slot): selection.rule for selection in selections for slot in selection.chosen}


def _split(slot: Slot, rule: Rule | None, selections: Iterable[Selection]) -> Iterator[Decision]:
    if rule is None or not rule.literal or len(slot.pieces) == 1:
        yield Decision(slot, rule)
        return
    matching = [selection for selection in selections if selection.has(slot)]
    for piece in slot.pieces:
        named = [s.rule for s in matching if not s.rule.literal or piece.member.name in s.named(slot)]
        rule = named[-1] if named else None
        yield Decision(slot.single(piece), rule, within=None if rule is None or rule.literal else slot)


def _tied(decisions: tuple[Decision, ...]) -> tuple[tuple[Decision, ...], tuple[Finding, ...]]:
    groups: dict[object, list[Decision]] = {}
    for decision in decisions:
        groups.setdefault(decision.slot.key, []).append(decision)
    ties = _overlaps(decisions) + tuple(finding for group in groups.values() if (finding := _clash(group)))
    return tuple(_joined(group) for group in groups.values()), ties


def _joined(group: list[Decision]) -> Decision:
    first = group[0]
    if first.rule:
        return first
    other = next((decision for decision in group if decision.rule), None)
    return Decision(first.slot, other.rule, other.slot.address, other.within) if other else first


def _clash(group: list[Decision]) -> Finding | None:
    if len(group) == 1:
        return None
    first = next((decision for decision in group if decision.rule), None)
    for other in group:
        if first and first.rule and other.rule and other.rule.init != first.rule.init:
            return _tie_finding(first, other, f"also called {other.slot.address}")
    return None


def _overlaps(decisions: tuple[Decision, ...]) -> tuple[Finding, ...]:
    """One tensor cut differently under two names, such as a head tied to a fused weight, and decided under both."""
    names = {(piece.member.key, piece.member.name) for decision in decisions for piece in decision.slot.pieces}
    if len({key for key, _ in names}) == len(names):
        return ()
    cuts: dict[tuple[int, ...], dict[str, list[Decision]]] = defaultdict(lambda: defaultdict(list))
    for decision in decisions:
        for piece in decision.slot.pieces:
            cuts[piece.member.key][piece.member.name].append(decision)
    return tuple(finding for names in cuts.values() if len(names) > 1 for finding in _unlike_cuts(list(names.values())))


def _unlike_cuts(cuts: list[list[Decision]]) -> Iterator[Finding]:
    first, *others = cuts
    for other in (other for other in others if _regions(other) != _regions(first)):
        pair = [next((decision for decision in cut if decision.rule), None) for cut in (first, other)]
        if pair[0] and pair[1]:
            yield _tie_finding(pair[0], pair[1], f"also part of {pair[1].slot.address}, which is cut differently")


def _regions(cut: list[Decision]) -> set[object]:
    return {piece.region for decision in cut for piece in decision.slot.pieces}


def _tie_finding(first: Decision, other: Decision, how: str) -> Finding:
    assert first.rule and other.rule
    return Finding(
        "RNN106",
        f"is {how}: one tensor, decided by rule {first.rule.id!r} ({first.rule.init}) "
        f"and by rule {other.rule.id!r} ({other.rule.init})",
        address=first.slot.address, rule=other.rule.id, place=other.rule.origin,
        fix="let one rule match both names, or narrow one of the rules",
    )  # fmt: skip
