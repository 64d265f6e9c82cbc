"""Which slots can be measured, by what trial, and why another cannot."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.utils import parametrize

from rnninit_hooks.recipes.base import Trial
from rnninit_hooks.slots import Slot
from rnninit_hooks.trials.given import Given
from rnninit_hooks.trials.plain import Hold, PlainTrial
from rnninit_hooks.trials.recurrent import CellTrial, LayerTrial
from rnninit_hooks.units import Unit

_PLAIN = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_DOORS = ("plain", "parametrized", "weight_norm")


def obstacle(unit: Unit) -> str | None:
    """Why what a unit's recipe asks for cannot be measured where its slot is, or None."""
    slot, asks = unit.slots[0], unit.recipe.asks
    door = slot.member.door.kind
    if door not in _DOORS:
        return f"the parameter is {door}, and what its module computes from it cannot be measured before it is written"
    if asks == "response":
        return _no_response(slot)
    if asks == "states":
        good = _layered(slot) and slot.kind == "recurrent" and getattr(slot.organ.module, "mode", None) == "RNN_TANH"
        return None if good else "only the recurrent matrix of a tanh nn.RNN has a critical gain that can be measured"
    return None if _layered(slot) and slot.kind == "bias" else "only nn.LSTM and nn.GRU see a whole sequence in one call"


def _no_response(slot: Slot) -> str | None:
    module = slot.organ.module
    if isinstance(module, NonDynamicallyQuantizableLinear):
        return "MultiheadAttention reads this layer's weight and never calls it"
    if isinstance(module, _PLAIN):
        return None if slot.member.local == "weight" else "only the weight of a layer can be scaled"
    if (_layered(slot) or _cell(slot)) and slot.kind == "input":
        return None
    return (
        "what a weight gives is measured in Linear and Conv layers, and in the input matrices of torch's LSTM, GRU, RNN and "
        f"their cells, and this is {slot.member.local} of {type(module).__name__}"
    )


def _layered(slot: Slot) -> bool:
    return _forward(slot) in (nn.LSTM.forward, nn.GRU.forward, nn.RNN.forward)


def _cell(slot: Slot) -> bool:
    return _forward(slot) in (nn.LSTMCell.forward, nn.GRUCell.forward, nn.RNNCell.forward)


def _forward(slot: Slot) -> object:
    """A subclass may compute something else in a forward of its own."""
    cls: Any = parametrize.type_before_parametrizations(slot.organ.module)
    return cls.forward


def trial_of(slot: Slot, hold: Hold, given: Given) -> Trial:
    """The trial of a slot to which there is no obstacle."""
    module: Any = slot.organ.module
    if isinstance(module, _PLAIN):
        return PlainTrial(module, hold, given)
    return LayerTrial(module, slot, hold, given) if _layered(slot) else CellTrial(module, slot, hold, given)
