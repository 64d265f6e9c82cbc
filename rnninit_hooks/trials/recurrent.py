"""Trials of torch's recurrent modules: one layer and direction at a time, without dropout, padding left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from rnninit_hooks.errors import PendingInit
from rnninit_hooks.recipes.base import Draw
from rnninit_hooks.slots import Slot
from rnninit_hooks.trials.given import Given, Sequences
from rnninit_hooks.trials.plain import Hold

States = tuple[Tensor, ...]
_RUN: dict[str, Callable[..., Any]] = {
    "LSTM": torch.lstm, "GRU": torch.gru, "RNN_TANH": torch.rnn_tanh, "RNN_RELU": torch.rnn_relu,
}  # fmt: skip


class CellTrial:
    """A cell, which sees one step at a time: only what its input matrix gives can be asked for."""

    def __init__(self, module: nn.RNNCellBase, slot: Slot, hold: Hold, given: Given) -> None:
        self._slot, self._hold = slot, hold
        self._inputs: Tensor = given.argument(0, "input")

    def response(self, value: Tensor) -> Tensor:
        """W x."""
        return self._inputs @ _block(self._slot, value, self._hold).mT

    def states(self, value: Tensor) -> Tensor:
        """One step tells nothing of them; a plan refuses such a rule."""
        raise NotImplementedError

    def echo(self, value: Tensor, steps: int, draw: Draw) -> float:
        """One step has no lag; a plan refuses such a rule."""
        raise NotImplementedError


class LayerTrial:
    """One layer and direction of an LSTM, GRU or RNN, fed with what the layers below make of the batch."""

    def __init__(self, module: nn.RNNBase, slot: Slot, hold: Hold, given: Given) -> None:
        assert slot.layer is not None  # the layouts of layered modules name one
        self._module, self._slot, self._hold = module, slot, hold
        self._back, self._depth = slot.direction == "reverse", slot.layer
        batch = Sequences.of(given.argument(0, "input"), batch_first=module.batch_first)
        self._states = _initial(module, given.argument(1, "hx"), batch.steps)
        self._batch = self._below(batch)

    def _below(self, batch: Sequences) -> Sequences:
        held = self._hold(None)
        for depth in range(self._depth):
            ways = (False, True) if self._module.bidirectional else (False,)
            given = torch.cat([self._lane(batch, held, depth, back=back) for back in ways], dim=-1)
            batch = Sequences(given, batch.lengths)
        return batch

    def _lane(self, batch: Sequences, held: dict[str, Tensor], depth: int, *, back: bool) -> Tensor:
        """What one layer and direction gives at every step."""
        steps = batch.turned(batch.steps) if back else batch.steps
        found = self._run(steps, held, self._of_lane(depth, back), depth, back=back)
        return batch.turned(found) if back else found

    def _of_lane(self, depth: int, back: bool) -> States:
        return tuple(state[depth * (1 + self._module.bidirectional) + back] for state in self._states)

    def _run(self, steps: Tensor, held: dict[str, Tensor], start: States, depth: int, *, back: bool) -> Tensor:
        weights = [held[name] for name in _names(self._module, depth, back)]
        states = [state.unsqueeze(0) for state in start]
        flags = (self._module.bias, 1, 0.0, False, False, False)
        run = _RUN[self._module.mode]
        given: Tensor = run(steps, states if len(states) > 1 else states[0], weights, *flags)[0]
        return given

    def response(self, value: Tensor) -> Tensor:
        """W x of the slot at every step of every sequence."""
        return self._batch.valid(self._batch.steps) @ _block(self._slot, value, self._hold).mT

    def states(self, value: Tensor) -> Tensor:
        """The hidden states of this layer and direction."""
        return self._batch.valid(self._lane(self._batch, self._hold(value), self._depth, back=self._back))

    def echo(self, value: Tensor, steps: int, draw: Draw) -> float:
        """Root mean square, over sequences, of |d(v.h)/d(state)| over so many steps."""
        batch, long = self._batch, self._batch.lengths >= steps
        if not bool(long.any()):
            raise PendingInit(
                f"{self._slot.address}: the longest sequence of this batch has {int(batch.lengths.max())} steps and the rule "
                f"asks for {steps}; run the model on longer sequences, or ask for fewer `steps`"
            )
        given = (batch.turned(batch.steps) if self._back else batch.steps)[:steps, long]
        start = tuple(state[long].clone().requires_grad_() for state in self._of_lane(self._depth, self._back))
        with torch.enable_grad():
            last = self._run(given, self._hold(value), start, self._depth, back=self._back)[-1]
            aim = draw.normal(*last.shape).to(last)
            slopes = torch.autograd.grad((last * aim / aim.norm(dim=1, keepdim=True)).sum(), start)
        return math.sqrt(sum(float(slope.square().sum()) for slope in slopes) / len(last))


def _block(slot: Slot, value: Tensor, hold: Hold) -> Tensor:
    """The candidate as it would be stored; of a whole matrix the part that all gates share."""
    stored = hold(value)[slot.member.local]
    piece = slot.pieces[0] if tuple(value.shape) == slot.shape else slot.stack or slot.pieces[0]
    return piece.view(stored)


def _names(module: nn.RNNBase, depth: int, back: bool) -> Iterable[str]:
    """The parameters of one layer and direction, in the order in which torch takes them."""
    kinds = ["weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if module.bias else ())]
    kinds += ["weight_hr"] if module.proj_size else []
    return [f"{kind}_l{depth}{'_reverse' if back else ''}" for kind in kinds]


def _initial(module: nn.RNNBase, given: Tensor | States | None, steps: Tensor) -> States:
    """h_0, and c_0 of an LSTM, each (layers x directions, batch, size): what was passed, or zeros."""
    if given is not None:
        states = given if isinstance(given, tuple) else (given,)
        return tuple(state.unsqueeze(1) if state.dim() == 2 else state for state in states)
    lanes = module.num_layers * (1 + module.bidirectional)
    sizes = [module.proj_size or module.hidden_size, *([module.hidden_size] if module.mode == "LSTM" else [])]
    return tuple(steps.new_zeros(lanes, steps.shape[1], size) for size in sizes)
