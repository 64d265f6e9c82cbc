"""What each gate of a layer does: found by closing and opening one gate at a time. Names of gates play no part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rnninit_hooks.probing.bench import FAR, Bench, Reading
from rnninit_hooks.slots import Slot

Part = Literal["retain", "input", "candidate", "output", "reset", "hidden", "recurrent part"]
SEEN, NOTHING = 1e-6, 1e-9
_SCAN = (-1.7, -0.4, 0.0, 0.8, 2.1)


@dataclass(frozen=True)
class Role:
    """What a gate was seen to do. `constant` is what `forward` adds to it, None where that could not be told."""

    part: Part
    polarity: int = 0
    constant: float | None = None
    evidence: str = ""


@dataclass(frozen=True)
class Roles:
    """The role of every gate that has one, and in words what could not be told."""

    found: dict[str, Role]
    coupled: bool = False
    trouble: str | None = None


class Undecided(Exception):
    """The gates do not behave like any cell that is known."""


def find_roles(bench: Bench) -> Roles:
    """Push every gate of a layer and tell what it is; `trouble` says why when it cannot be told."""
    detective = _Detective(bench)
    try:
        return Roles(detective.solve(), detective.coupled)
    except Undecided as why:
        return Roles(dict(detective.found), detective.coupled, str(why))


class _Detective:
    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.gates = bench.controllable
        self.base = {gate: 0.55 - 0.37 * n for n, gate in enumerate(self.gates)}
        self.found: dict[str, Role] = {}
        self.coupled = False

    def solve(self) -> dict[str, Role]:
        """Retain first, then what writes, then what is only seen outside, then what gates the reading of the state."""
        retain = self._retain()
        if retain is None:
            return self._plain()
        rest = [gate for gate in self.gates if gate != retain]
        writing = [gate for gate in rest if self._moves_memory(gate)]
        self._writers(writing)
        for gate in (gate for gate in rest if gate not in writing and self._is_seen(gate)):
            self.found[gate] = Role("output", 0, self._constant_seen(gate), "moves what comes out and not the memory")
        silent = [gate for gate in self.bench.group.gates if gate not in self.found]
        for gate in (gate for gate in silent if gate not in self.gates):
            self._uncontrolled(gate)
        self._readers([gate for gate in silent if gate in self.gates])
        self._coupling(retain)
        return self.found

    def at(self, pushes: dict[str, float], **how: object) -> Reading:
        """A reading with some gates pushed and the others at their base values."""
        return self.bench.read({**self.base, **pushes}, **how)  # type: ignore[arg-type]

    def _retain(self) -> str | None:
        ends = {gate: (self.at({gate: FAR}).slope, self.at({gate: -FAR}).slope) for gate in self.gates}
        keeps = [gate for gate, (high, low) in ends.items() if _zero(low) and _large(high)]
        writes = [gate for gate, (high, low) in ends.items() if _zero(high) and _large(low)]
        if len(keeps) + len(writes) > 1:
            raise Undecided(f"{', '.join(keeps + writes)} each decide alone what stays of the old state")
        if not keeps and not writes:
            return None
        gate, polarity = (keeps or writes)[0], 1 if keeps else -1
        self.found[gate] = self._retaining(gate, polarity)
        return gate

    def _retaining(self, gate: str, polarity: int) -> Role:
        shift = self._kept_shift(gate, polarity, 0.0)
        if shift is not None and self._kept_shift(gate, polarity, 0.8) != shift:
            shift = None  # the share depends on other gates too
        word = "keeps the old state when open" if polarity > 0 else "overwrites the old state when open"
        if shift is None:
            return Role("retain", polarity, None, f"{word}; the share kept is no plain sigmoid of it")
        return Role("retain", polarity, shift * 1.0, f"{word}; share kept σ({'+' if polarity > 0 else '-'}(b {shift:+.3g}))")

    def _kept_shift(self, gate: str, polarity: int, others: float) -> float | None:
        """The constant in the share that a state at rest keeps, relative to the gate wide open, others at some value."""
        calm = dict.fromkeys(self.gates, others)
        slopes = [self.bench.read({**calm, gate: push}, rest=True).slope for push in (polarity * FAR, *_SCAN)]
        return _shift(torch.logit(torch.stack(slopes[1:]) / slopes[0]) * polarity)

    def _plain(self) -> dict[str, Role]:
        still = _zero(self.at({}).slope)
        if not still or len(self.bench.group.gates) != 1:
            raise Undecided("no gate decides alone what stays of the old state")
        gate = self.bench.group.gates[0]
        return {gate: Role("hidden", 0, None, "the only block, and nothing of the old state stays by itself")}

    def _effect(self, gate: str, pushes: dict[str, float] | None = None) -> Tensor:
        fixed = pushes or {}
        return self.at({**fixed, gate: FAR}).memory - self.at({**fixed, gate: -FAR}).memory

    def _moves_memory(self, gate: str) -> bool:
        return _everywhere(self._effect(gate))

    def _is_seen(self, gate: str) -> bool:
        high, low = self.at({gate: FAR}).visible, self.at({gate: -FAR}).visible
        return any(bool(((a - b).abs() > SEEN).any()) for a, b in zip(high, low, strict=True))

    def _closes(self, gate: str, other: str) -> bool:
        """Closing `gate` takes away what `other` does to the memory; opening it does not."""
        return _zero(self._effect(other, {gate: -FAR})) and _everywhere(self._effect(other, {gate: FAR}))

    def _writers(self, writing: list[str]) -> None:
        closing = [(a, b) for a in writing for b in writing if a != b and self._closes(a, b)]
        if len(writing) == 2 and len(closing) == 2:
            closing = [pair for pair in closing if self._unbounded(pair[1]) and not self._unbounded(pair[0])]
        if len(writing) == 1:
            self._candidate(writing[0])
        elif len(writing) == 2 and len(closing) == 1:
            gate, other = closing[0]
            self._candidate(other)
            shift = self._constant_scaling(gate)
            self.found[gate] = Role("input", 0, shift, f"scales what {other} writes; closing it, nothing is written")
        elif len(writing) == 3 and len(closing) == 1:
            self._torch_gru(writing, *closing[0])
        else:
            raise Undecided(f"{', '.join(writing) or 'no gate'} write to the memory in a way that is not known")

    def _torch_gru(self, writing: list[str], reset: str, part: str) -> None:
        """One gate scales the recurrent part of the candidate, which has a bias of its own."""
        candidate = next(gate for gate in writing if gate not in (reset, part))
        group = self.bench.group
        if group.of(part, "input") or group.of(candidate, "recurrent"):
            raise Undecided(f"{part} is closed by {reset}, but reads the input too")
        self.base[part] = 0.0
        self._candidate(candidate)
        self.found[part] = Role("recurrent part", 0, None, f"is added to {candidate} after {reset} has scaled it")

    def _unbounded(self, gate: str) -> bool:
        near, far = (self.at({gate: push}).memory - self.at({gate: 0.0}).memory for push in (FAR, 2 * FAR))
        return bool((far.abs() > 1.5 * near.abs()).all())

    def _candidate(self, gate: str) -> None:
        high, low = self.at({gate: FAR}).memory, self.at({gate: -FAR}).memory
        middle, half = (high + low) / 2, (high - low) / 2
        values = torch.stack([(self.at({gate: push}).memory - middle) / half for push in _SCAN])
        shift = _shift(torch.atanh(values.clamp(-1, 1)))
        words = f"is what is written, tanh(b {shift:+.3g})" if shift is not None else "is what is written; no plain tanh"
        self.found[gate] = Role("candidate", 0, shift, words)

    def _constant_scaling(self, gate: str) -> float | None:
        """The constant of a gate that scales what is written, where it is the same whatever the other gates do."""
        found = self._scaling(gate)
        other = {name: value - 0.6 for name, value in self.base.items() if name != gate}
        with_others = self._scaling(gate, other)
        return found if found is not None and with_others is not None and abs(found - with_others) < 1e-6 else None

    def _scaling(self, gate: str, others: dict[str, float] | None = None) -> float | None:
        fixed = others or {}
        closed, opened = self.at({**fixed, gate: -FAR}).memory, self.at({**fixed, gate: FAR}).memory
        values = torch.stack([(self.at({**fixed, gate: push}).memory - closed) / (opened - closed) for push in _SCAN])
        return _shift(torch.logit(values))

    def _constant_seen(self, gate: str) -> float | None:
        closed, opened = torch.cat(self.at({gate: -FAR}).visible), torch.cat(self.at({gate: FAR}).visible)
        moved = (opened - closed).abs() > SEEN
        values = torch.stack([((torch.cat(self.at({gate: p}).visible) - closed) / (opened - closed))[moved] for p in _SCAN])
        return _shift(torch.logit(values))

    def _readers(self, silent: Iterable[str]) -> None:
        """Gates that matter only where the candidate reads the old state."""
        echo = [slot for gate, role in self.found.items() if role.part in ("candidate", "recurrent part")
                for slot in self.bench.group.of(gate, "recurrent")]  # fmt: skip
        for gate in silent:
            self._reader(gate, echo)

    def _uncontrolled(self, gate: str) -> None:
        group = self.bench.group
        if group.of(gate, "recurrent") and not group.of(gate, "input"):
            self.found[gate] = Role("recurrent part", 0, None, "reads the state alone and has no bias")
            return
        raise Undecided(f"{gate} cannot be pushed: it has neither a bias nor weights on the input")

    def _reader(self, gate: str, echo: Sequence[Slot]) -> None:
        closed, opened = (self.at({gate: push}, echo=echo) for push in (-FAR, FAR))
        deaf = self.at({})
        if not _everywhere(opened.memory - closed.memory):
            raise Undecided(f"{gate} changes nothing that could be seen")
        if not _zero(closed.memory - deaf.memory):
            raise Undecided(f"closing {gate} does not keep the candidate from reading the state")
        slopes = [self.at({gate: push}, echo=echo, rest=True).slope for push in (-FAR, FAR, *_SCAN)]
        values = torch.stack([(slope - slopes[0]) / (slopes[1] - slopes[0]) for slope in slopes[2:]])
        self.found[gate] = Role("reset", 0, _shift(torch.logit(values)), "closing it, the candidate reads no old state")

    def _coupling(self, retain: str) -> None:
        """True when what is written is scaled by what is not kept."""
        candidates = [gate for gate, role in self.found.items() if role.part == "candidate"]
        kept = FAR * self.found[retain].polarity
        self.coupled = bool(candidates) and _zero(self._effect(candidates[0], {retain: kept}))


def _zero(values: Tensor) -> bool:
    return bool((values.abs() < NOTHING).all())


def _large(values: Tensor) -> bool:
    return bool((values > 0.05).all())


def _everywhere(values: Tensor) -> bool:
    return bool((values.abs() > SEEN).all())


def _shift(straight: Tensor) -> float | None:
    """The constant c where the numbers are b + c for every unit and every push b, else None."""
    found = straight - torch.tensor(_SCAN, dtype=torch.float64)[:, None]
    if not bool(found.isfinite().all()) or bool((found - found.mean()).abs().max() > 1e-6):
        return None
    return round(found.mean().item(), 6) + 0.0
