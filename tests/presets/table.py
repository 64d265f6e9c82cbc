"""Every packaged preset: the cells that it speaks of and the slots of them that it decides."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from torch import nn

OF_LSTM, OF_GRU, OF_RNN = (nn.LSTM, nn.LSTMCell), (nn.GRU, nn.GRUCell), (nn.RNN, nn.RNNCell)
ALL = (*OF_LSTM, *OF_GRU, *OF_RNN)
CELLS: dict[str, tuple[type[nn.Module], ...]] = {
    "lstm-classic": OF_LSTM,
    "gru-classic": OF_GRU,
    "rnn-orthogonal": OF_RNN,
    "torch-default": ALL,
    "keras": ALL,
    "flax": ALL,
    "haiku": ALL,
    "tf1": ALL,
    "mxnet": ALL,
    "paddle": ALL,
    "haste": (*OF_LSTM, *OF_GRU),
    "jozefowicz": OF_LSTM,
    "irnn": OF_RNN,
    "chrono": (*OF_LSTM, *OF_GRU),
    "np-rnn": OF_RNN,
    "recurrent-bn": OF_LSTM,
    "as-found-stacked-orthogonal": (*OF_LSTM, *OF_GRU),
    "as-found-doubled-forget": OF_LSTM,
    "cleanrl": ALL,
    "cleanrl-fixed": ALL,
}
PARTS: dict[str, tuple[tuple[str, ...], str | None]] = {
    "jozefowicz": (("bias",), None),
    "chrono": (("bias",), None),
    "np-rnn": (("recurrent", "bias"), None),
    "recurrent-bn": (("recurrent", "bias"), None),
    "as-found-stacked-orthogonal": (("recurrent",), None),
    "as-found-doubled-forget": (("bias",), "forget"),
}
"""Presets that decide a part of their cells: the kinds of slot, and the gate where one alone is meant."""

FILES = sorted(
    path.name.removesuffix(".yaml") for path in files("rnninit_hooks.presets").iterdir() if path.name.endswith(".yaml")
)
CASES = [(name, cell) for name, cells in CELLS.items() for cell in cells]


def text_of(name: str) -> str:
    """The packaged file."""
    return files("rnninit_hooks.presets").joinpath(f"{name}.yaml").read_text(encoding="utf-8")


SQUARE = {"recurrent-bn"}
"""Presets that say something of square recurrent blocks, which a module with proj_size has not."""


def variants(cell: type[nn.Module], name: str = "") -> Iterator[nn.Module]:
    """Modules of one class with every option that a preset takes, in sizes where fans differ."""
    if cell.__name__.endswith("Cell"):
        yield from (cell(12, 20, bias=bias) for bias in (True, False))
        return
    projections = (0, 8) if cell is nn.LSTM and name not in SQUARE else (0,)
    for (layers, both), bias, size in itertools.product(((1, False), (1, True), (2, True)), (True, False), projections):
        yield cell(12, 20, num_layers=layers, bidirectional=both, bias=bias, **({"proj_size": size} if size else {}))


def decides(name: str, row: Any) -> bool:
    """Whether a preset speaks of this row of its cells."""
    kinds, gate = PARTS.get(name, ((), None))
    return (not kinds or row.kind in kinds) and gate in (None, row.gate)
