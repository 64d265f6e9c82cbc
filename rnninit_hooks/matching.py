"""Which slots a rule's `match` speaks of."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from rnninit_hooks.rules.patterns import PatternTimeout
from rnninit_hooks.slots import Slot

if TYPE_CHECKING:
    from rnninit_hooks.rules.models import Match, Rule

Names = tuple[str, ...]


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


def _fits(match: Match, slot: Slot) -> bool:
    classes = {type(slot.organ.module), type(slot.member.owner)}  # a gate may live in a Linear of the cell
    return (
        (not match.kind or slot.kind in match.kind)
        and (not match.layer or slot.layer in match.layer)
        and (match.direction is None or slot.direction == match.direction)
        and (not match.module or any(is_called(cls, name) for cls in classes for name in match.module))
    )


class Selection:
    """One rule against all slots: `candidates` fit every key but `gate`, `fitting` fit that too, `chosen` are claimed.

    `overrun` is the parameter name on which the rule's regex took too long, if it did; then nothing is chosen.
    """

    def __init__(self, rule: Rule, candidates: Iterable[Slot], hits: Mapping[Names, Names], overrun: str | None = None) -> None:
        self.rule = rule
        self.overrun = overrun
        self._hits = hits
        self.candidates = tuple(candidates)
        gates = rule.match.gate
        self.fitting = tuple(s for s in self.candidates if not gates or any(gate_named(s, gate) for gate in gates))
        self.chosen = tuple(slot for slot in self.fitting if not rule.init.joint or rule.init.claims(slot.block))
        self._ids = frozenset(map(id, self.chosen))

    def has(self, slot: Slot) -> bool:
        """True when the rule matches this slot."""
        return id(slot) in self._ids

    def named(self, slot: Slot) -> Names:
        """The names of a slot in which the rule's regex is found."""
        return self._hits[slot.names]

    def partly_named(self) -> tuple[Slot, ...]:
        """Chosen slots of which the regex names some, but not all, of the parameters whose sum the gate feels."""
        return tuple(slot for slot in self.chosen if len(slot.pieces) > 1 and self._partly(slot))

    def _partly(self, slot: Slot) -> bool:
        hits = self.named(slot)
        return slot.name not in hits and any(piece.member.name not in hits for piece in slot.pieces)


def select(rule: Rule, slots: Iterable[Slot]) -> Selection:
    """Match one rule against every slot; each list of names is searched once."""
    hits: dict[Names, Names] = {}
    fitting = [slot for slot in slots if _fits(rule.match, slot)]
    try:
        for slot in fitting:
            if slot.names not in hits:
                hits[slot.names] = rule.match.matches_name(slot.names)
    except PatternTimeout as timeout:
        return Selection(rule, (), {}, timeout.name)
    return Selection(rule, (slot for slot in fitting if hits[slot.names]), hits)
