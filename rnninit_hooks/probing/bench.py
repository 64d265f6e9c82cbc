"""One recurrent layer on the bench: every gate can be pushed on its own, and what the memory does is read off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rnninit_hooks.probing.laboratory import Noise, free, gains
from rnninit_hooks.probing.stepping import Step
from rnninit_hooks.slots import Piece, Slot

FAR = 40.0
Pushes = Mapping[str, float | Tensor]
Handle = tuple[Slot, Piece]


@dataclass(frozen=True)
class Group:
    """One layer and direction of a module: its slots, and its index among the states."""

    layer: int | None
    direction: str | None
    index: int
    slots: tuple[Slot, ...]

    @property
    def gates(self) -> tuple[str, ...]:
        """Its gates, in the order of the slots."""
        return tuple(dict.fromkeys(slot.gate for slot in self.slots if slot.gate))

    def of(self, gate: str, kind: str) -> list[Slot]:
        """The slots of one gate of one kind."""
        return [slot for slot in self.slots if slot.gate == gate and slot.kind == kind]


@dataclass(frozen=True, eq=False)
class Reading:
    """What one step gave: the memory after it, d memory / d memory unit by unit, and everything else that came out."""

    memory: Tensor
    slope: Tensor
    visible: tuple[Tensor, ...]


@dataclass(frozen=True)
class Wiring:
    """Which state is the memory, and which output is that memory after the step."""

    state: int
    output: int


class Bench:
    """A copy of a module under control: all parameters 0 but those that push gates."""

    def __init__(self, module: nn.Module, step: Step, wiring: Wiring, group: Group, groups: int, layers: int = 1) -> None:
        self.module, self.step, self.wiring, self.group = module, step, wiring, group
        self._groups, self._layers = groups, layers
        noise = Noise(11)
        self.x = torch.zeros(step.input, dtype=torch.float64)
        self.x.view(-1)[0] = 1.0
        self.states = [noise.of(*shape, scale=0.7) for shape in step.states]
        self._gains = set(map(id, gains(module)))
        self._noise = {id(p): noise.like(p, 0.5) for p in free(module)}
        self.units = int(self._unit(self.states[wiring.state]).numel())
        self._inlet = self._first_input()

    def _unit(self, tensor: Tensor) -> Tensor:
        """The units of this group's layer, out of a state or an output."""
        if self._groups > 1 and tensor.shape[0] == self._groups:
            return tensor[self.group.index].reshape(-1)
        return tensor.reshape(-1)

    @property
    def controllable(self) -> tuple[str, ...]:
        """Gates that can be pushed without touching the state."""
        return tuple(gate for gate in self.group.gates if self._calm_handles(gate))

    def read(
        self, pushes: Pushes, *, echo: Sequence[Slot] = (), rest: bool = False, via: Mapping[str, Handle] | None = None
    ) -> Reading:
        """One step with the given gates pushed.

        `echo` makes recurrent blocks the identity, `rest` sets the states to 0, `via` says by what to push a gate.
        """
        with torch.no_grad():
            self._clear()
            for gate, value in pushes.items():
                handle = (via or {}).get(gate) or next(iter(self._calm_handles(gate)), None)
                if handle:
                    self._push(handle, torch.as_tensor(value, dtype=torch.float64).expand(self.units))
            for slot in echo:
                _identity(slot)
        states = [(torch.zeros_like(s) if rest else s).clone().requires_grad_() for s in self.states]
        outputs = self.step(self.module, self.x, states)
        memory = self._unit(outputs[self.wiring.output])
        slope = self._slope(memory, states[self.wiring.state])
        visible = tuple(out.detach().reshape(-1) for k, out in enumerate(outputs) if k != self.wiring.output)
        return Reading(memory.detach(), slope, visible)

    def _slope(self, memory: Tensor, state: Tensor) -> Tensor:
        """d memory / d state, unit by unit; 0 where nothing of the state is in it."""
        pull = torch.autograd.grad(memory.sum(), state, allow_unused=True)[0] if memory.requires_grad else None
        return torch.zeros_like(memory.detach()) if pull is None else self._unit(pull)

    def _first_input(self) -> float:
        """The first number that the layer reads as its input: of x, or of what the layer below gives out at rest."""
        if not self.group.layer:
            return 1.0
        with torch.no_grad():
            self._clear()
            outputs = self.step(self.module, self.x, self.states)
        others = [out for k, out in enumerate(outputs) if k != self.wiring.output and out.shape[0] == self._groups]
        below = others[0] if len(self.states) > 1 and others else outputs[self.wiring.output]
        directions = self._groups // self._layers
        return float(below[(self.group.layer - 1) * directions].reshape(-1)[0])

    def _clear(self) -> None:
        fused = {id(stored) for slot in self.group.slots if slot.gate for piece in slot.pieces for stored in _stored(piece)}
        for parameter in free(self.module):
            loose = parameter.dim() > 1 and id(parameter) not in fused and self._is_bystander(parameter)
            parameter.copy_(self._noise[id(parameter)] if loose else torch.zeros_like(parameter))
            if id(parameter) in self._gains and id(parameter) not in fused:
                parameter.fill_(1.0)

    def _is_bystander(self, parameter: Tensor) -> bool:
        """A projection or another matrix without gates, which must let the signal through."""
        return any(
            slot.gate is None and id(parameter) in {id(t) for t in _stored(slot.pieces[0])} for slot in self.group.slots
        )

    def handles(self, gate: str) -> list[Handle]:
        """Every way to push a gate: its biases, its weights on the input, its weights on the state."""
        kinds = ("bias", "input", "recurrent") if abs(self._inlet) > 1e-6 else ("bias", "recurrent")
        return [(slot, piece) for kind in kinds for slot in self.group.of(gate, kind) for piece in slot.pieces]

    def _calm_handles(self, gate: str) -> list[Handle]:
        """Those that leave the memory out of it."""
        return [handle for handle in self.handles(gate) if handle[0].kind != "recurrent" or len(self.states) > 1]

    def _push(self, handle: Handle, value: Tensor) -> None:
        slot, piece = handle
        view = piece.view(_stored(piece)[0].data)
        if slot.kind == "bias":
            view.copy_((piece.sign * value).reshape(view.shape))
        elif slot.kind == "input":
            _column(slot, view).copy_(value / self._inlet)
        elif view.dim() == 1:
            view.copy_(value / self._unit(self.states[self.wiring.state]))
        else:
            hidden = self._unit(self.states[1 - self.wiring.state] if len(self.states) > 1 else self.states[0])
            _column(slot, view).copy_(value / hidden[0])


def _stored(piece: Piece) -> list[Tensor]:
    return piece.member.door.stored(piece.member.owner, piece.member.leaf)


def _column(slot: Slot, view: Tensor) -> Tensor:
    """The first column of a block in `W @ x` orientation; of a convolution its centre tap."""
    block = view.mT if slot.transposed else view
    column = block[:, 0]
    while column.dim() > 1:
        column = column[:, column.shape[1] // 2]
    return column


def _identity(slot: Slot) -> None:
    view = slot.pieces[0].view(_stored(slot.pieces[0])[0].data)
    while view.dim() > 2:
        view = view[..., view.shape[-1] // 2]
    if view.dim() == 2:
        view.copy_(torch.eye(*view.shape, dtype=view.dtype))
    else:
        view.fill_(1.0)
