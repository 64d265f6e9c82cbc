"""From a batch to numbers: the parameters of one module whose rules wait for it, drawn, measured, nothing written yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rnninit_hooks.anatomy import Member
from rnninit_hooks.composition import Born, Composed, cast, compose, draw, lay
from rnninit_hooks.recipes.draws import Keyed
from rnninit_hooks.trials import Given, trial_of
from rnninit_hooks.trials.given import wide
from rnninit_hooks.units import Unit

_TURN = {"input": 0, "recurrent": 1, "projection": 1, "bias": 2}
Drawn = dict[tuple[int, ...], Composed]


@dataclass(frozen=True, eq=False)
class Settlement:
    """Whole parameters to be written, and by slot address what was measured."""

    composed: tuple[Composed, ...]
    figures: Mapping[str, Mapping[str, float]]


def settle(
    units: Iterable[Unit],
    given: Given,
    seed: int,
    *,
    open_to: Callable[[Member], bool],
    born: Born,
) -> Settlement:
    """Settle the units of one module on the arguments of its first call; raises `PendingInit` when they cannot tell.

    Slots are settled in the order in which a signal meets them: layer by layer, input before recurrent before bias, each
    with all before it as it will be stored.
    """
    units = tuple(units)
    drawn = {one.member.key: one for one in compose(units, seed, open_to=open_to, born=born)}
    figures: dict[str, Mapping[str, float]] = {}
    with torch.autocast(given.device.type, enabled=False):
        for unit in sorted((unit for unit in units if unit.recipe.asks), key=_turn):
            bench = _Bench(unit, drawn, given, born)
            facts = bench.settle(seed)
            figures |= {slot.address: facts for slot in unit.slots}
    return Settlement(tuple(drawn.values()), figures)


def _turn(unit: Unit) -> tuple[int, int]:
    return unit.block.layer or 0, _TURN.get(unit.block.kind or "", 0)


@dataclass(frozen=True, eq=False)
class _Bench:
    """One unit, and the values that stand around it."""

    unit: Unit
    drawn: Drawn
    given: Given
    born: Born

    def settle(self, seed: int) -> Mapping[str, float]:
        """Measure, and leave the value with what was drawn."""
        unit, keyed = self.unit, Keyed(seed, self.unit.block.address)
        start = draw(unit, seed, born=self.born)
        trial = trial_of(unit.slots[0], self.held, self.given)
        done = unit.recipe.settle(unit.block, start.double(), trial, keyed)
        for key, value in self._laid(done.value).items():
            self.drawn[key] = replace(self.drawn[key], value=value)
        return done.figures

    def held(self, candidate: Tensor | None) -> dict[str, Tensor]:
        """Every parameter of the module as it would be stored with a candidate in place, by local name, widened."""
        laid = {} if candidate is None else self._laid(candidate)
        return {m.local: self._held(m, laid) for m in self.unit.slots[0].organ.members}

    def _held(self, member: Member, laid: Mapping[tuple[int, ...], Tensor]) -> Tensor:
        if member.key in laid:
            value = laid[member.key]
        else:
            value = self.drawn[member.key].value if member.key in self.drawn else member.read()
        return wide(value.to(self.given.device))

    def _laid(self, candidate: Tensor) -> dict[tuple[int, ...], Tensor]:
        """The drawn parameters that a candidate changes, copied, with it in place."""
        laid: dict[tuple[int, ...], Tensor] = {}
        for piece, part in self.unit.contributions(candidate):
            key = piece.member.key
            if key in self.drawn:
                laid.setdefault(key, self.drawn[key].value.clone())
                lay(laid[key], piece, self.unit.slots[0], cast(part, self.born(piece.member)))
        return laid
