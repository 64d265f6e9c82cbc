"""Random recurrent modules of every shape that torch offers, and random policies for them."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from torch import Tensor, nn

from rnninit_hooks.rules.models import Match, Policy, Rule

LAYERED: tuple[Any, ...] = (nn.LSTM, nn.GRU, nn.RNN)
CELLS: tuple[Any, ...] = (nn.LSTMCell, nn.GRUCell, nn.RNNCell)
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
_GATES = {"LSTM": ("input", "forget", "cell", "output"), "GRU": ("reset", "update", "new"), "RNN": ("hidden",)}


@st.composite
def _layered(draw: DrawFn, sizes: SearchStrategy[int], dtypes: SearchStrategy[torch.dtype]) -> nn.Module:
    cls, hidden = draw(st.sampled_from(LAYERED)), draw(sizes)
    extra: dict[str, Any] = {}
    if cls is nn.LSTM and hidden > 1 and draw(st.booleans()):
        extra["proj_size"] = draw(st.integers(1, hidden - 1))
    layered: nn.Module = cls(
        draw(sizes), hidden, num_layers=draw(st.integers(1, 3)), bias=draw(st.booleans()),
        batch_first=draw(st.booleans()), bidirectional=draw(st.booleans()), dtype=draw(dtypes), **extra,
    )  # fmt: skip
    return layered


@st.composite
def _cells(draw: DrawFn, sizes: SearchStrategy[int], dtypes: SearchStrategy[torch.dtype]) -> nn.Module:
    cls: Any = draw(st.sampled_from(CELLS))
    cell: nn.Module = cls(draw(sizes), draw(sizes), bias=draw(st.booleans()), dtype=draw(dtypes))
    return cell


def gated_modules(
    *, max_size: int = 24, dtypes: SearchStrategy[torch.dtype] | None = None, cells: bool = True
) -> SearchStrategy[nn.Module]:
    """LSTM, GRU and RNN (1..3 layers, both directions, projections, with and without bias), and their cells.

    Sizes run from 1 to `max_size`; `dtypes` defaults to float32, float64, bfloat16 and float16.
    """
    sizes, kinds = st.integers(1, max_size), st.sampled_from(DTYPES) if dtypes is None else dtypes
    layered = _layered(sizes, kinds)
    return layered | _cells(sizes, kinds) if cells else layered


def models(*, max_size: int = 12) -> SearchStrategy[nn.Module]:
    """Gated modules at the root, nested, beside plain layers, and shared under two names."""
    gated = gated_modules(max_size=max_size, dtypes=st.just(torch.float32))
    nested = st.builds(lambda a, b: nn.ModuleDict({"a": a, "b": nn.Sequential(b, nn.Linear(3, 2))}), gated, gated)
    shared = st.builds(lambda one: nn.ModuleDict({"first": one, "again": one}), gated)
    return gated | nested | shared


_VECTORS = st.sampled_from(
    [{"kind": "zeros"}, {"kind": "constant", "value": 1.0}, {"kind": "uniform", "low": -0.5, "high": 0.5}]
)
_MATRICES = _VECTORS | st.sampled_from([{"kind": "orthogonal"}, {"kind": "xavier_uniform"}, {"kind": "normal", "std": 0.1}])


@st.composite
def policies(draw: DrawFn) -> Policy:
    """Policies of one to five rules that fit any gated module without an error; some rules may match nothing."""
    rules = [_rule(draw, index) for index in range(draw(st.integers(1, 5)))]
    return Policy(rules=tuple(rules), seed=draw(st.integers(0, 2**63 - 1)), idle="allow", untouched="allow")


def _rule(draw: DrawFn, index: int) -> Rule:
    kind = draw(st.sampled_from(["input", "recurrent", "projection", "bias"]))
    match: dict[str, Any] = {"kind": kind}
    if kind != "projection" and draw(st.booleans()):
        match["gate"] = draw(st.sampled_from([gate for gates in _GATES.values() for gate in gates] + ["retain"]))
    if draw(st.booleans()):
        match["layer"] = draw(st.integers(0, 2))
    if draw(st.booleans()):
        match["direction"] = draw(st.sampled_from(["forward", "reverse"]))
    init: Any = draw(_VECTORS if kind == "bias" else _MATRICES)
    place: Any = draw(st.sampled_from(["ih", "hh", "split"])) if kind == "bias" else "ih"
    return Rule(id=f"rule-{index}", match=Match(**match), init=init, place=place)


def sample_input(module: nn.Module, *, steps: int = 3, batch: int = 2) -> Tensor:
    """An input that a gated module accepts: (steps, batch, input), or (batch, input) for a cell."""
    width: int = module.input_size  # type: ignore[assignment]
    shape = (batch, width) if isinstance(module, nn.RNNCellBase) else (steps, batch, width)
    return torch.ones(shape, dtype=next(module.parameters()).dtype)
