"""Which slots a rule's `match` speaks of."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from rnninit_hooks.rules.lines import Names as Lines
from rnninit_hooks.rules.patterns import PatternTimeout
from rnninit_hooks.slots import Slot

if TYPE_CHECKING:
    from rnninit_hooks.rules.models import Match, Rule

Names = tuple[str, ...]
Profile = tuple[type, type, str | None, int | None, str | None]


@lru_cache(maxsize=4096)
def class_names(cls: type) -> frozenset[str]:
    """Bare and dotted names of a class and its bases."""
    return frozenset(name for base in cls.__mro__ for name in (base.__name__, f"{base.__module__}.{base.__qualname__}"))


def is_called(cls: type, name: str) -> bool:
    """True when a class or one of its bases is meant by a bare, a defining or a re-exported dotted name.

    >>> from torch import nn
    >>> [is_called(nn.LSTM, name) for name in ("LSTM", "torch.nn.modules.rnn.LSTM", "torch.nn.LSTM", "RNNBase", "GRU")]
    [True, True, True, True, False]
    """
    if name in class_names(cls):
        return True
    home, _, attribute = name.rpartition(".")
    exported = getattr(sys.modules.get(home), attribute, None) if home else None
    return exported in cls.__mro__


def gate_named(slot: Slot, name: str) -> bool:
    """True when a long name, a short name or `retain` speaks of the slot's gate."""
    return slot.layout is not None and slot.gate is not None and slot.layout.gate_called(name) == slot.gate


class Field:
    """All slots of a model, ordered so that a rule meets only those that it may speak of."""

    def __init__(self, slots: Iterable[Slot]) -> None:
        self.slots = tuple(slots)
        self._names = Lines(name for slot in self.slots for name in slot.names)
        self._by_name: dict[str, list[int]] = defaultdict(list)
        self._by_profile: dict[Profile, list[int]] = defaultdict(list)
        self._profiles: list[Profile] = []
        for index, slot in enumerate(self.slots):
            profile = _profile(slot)
            self._profiles.append(profile)
            self._by_profile[profile].append(index)
            for name in slot.names:
                self._by_name[name].append(index)

    def fitting(self, match: Match) -> tuple[tuple[Slot, ...], frozenset[str] | None]:
        """The slots that fit every key but `gate`, in order, and the names that the pattern is found in (None: all)."""
        profiles = {profile for profile in self._by_profile if _fits(match, profile)}
        if match.parameter is None:
            indices = sorted(index for profile in profiles for index in self._by_profile[profile])
            return tuple(self.slots[index] for index in indices), None
        found = self._names.found(match.parameter)
        met = {index for name in found for index in self._by_name[name] if self._profiles[index] in profiles}
        return tuple(self.slots[index] for index in sorted(met)), found


def _profile(slot: Slot) -> Profile:
    """What `match` asks besides names and gates; a gate may live in a Linear of the cell, so two classes."""
    return type(slot.organ.module), type(slot.member.owner), slot.kind, slot.layer, slot.direction


def _fits(match: Match, profile: Profile) -> bool:
    holder, owner, kind, layer, direction = profile
    return (
        (not match.kind or kind in match.kind)
        and (not match.layer or layer in match.layer)
        and (match.direction is None or direction == match.direction)
        and (not match.module or any(is_called(cls, name) for cls in {holder, owner} for name in match.module))
    )


class Selection:
    """One rule against all slots: `candidates` fit every key but `gate`, `fitting` fit that too, `chosen` are claimed.

    `overrun` is the parameter name on which the rule's regex took too long, if it did; then nothing is chosen.
    """

    def __init__(self, rule: Rule, candidates: Iterable[Slot], hits: frozenset[str] | None, overrun: str | None = None) -> None:
        self.rule = rule
        self.overrun = overrun
        self._hits = hits
        self.candidates = tuple(candidates)
        gates = rule.match.gate
        self.fitting = tuple(s for s in self.candidates if any(gate_named(s, g) for g in gates)) if gates else self.candidates
        joint = rule.init.joint
        self.chosen = tuple(slot for slot in self.fitting if rule.init.claims(slot.block)) if joint else self.fitting
        self._ids = frozenset(map(id, self.chosen))

    def has(self, slot: Slot) -> bool:
        """True when the rule matches this slot."""
        return id(slot) in self._ids

    def named(self, slot: Slot) -> Names:
        """The names of a slot in which the rule's regex is found."""
        return slot.names if self._hits is None else tuple(name for name in slot.names if name in self._hits)

    def partly_named(self) -> tuple[Slot, ...]:
        """Chosen slots of which the regex names some, but not all, of the parameters whose sum the gate feels."""
        return tuple(slot for slot in self.chosen if len(slot.pieces) > 1 and self._partly(slot))

    def _partly(self, slot: Slot) -> bool:
        hits = self.named(slot)
        return slot.name not in hits and any(piece.member.name not in hits for piece in slot.pieces)


def select(rule: Rule, field: Field) -> Selection:
    """Match one rule against every slot."""
    try:
        return Selection(rule, *field.fitting(rule.match))
    except PatternTimeout as timeout:
        return Selection(rule, (), frozenset(), timeout.name)
