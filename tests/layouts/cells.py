"""Small cells that keep their gates where torch does not, each with its layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import rnninit_hooks as ri
from rnninit_hooks.layouts import registry

I, H, GROUPS = 3, 4, 2  # noqa: E741
LSTM = ("input", "forget", "cell", "output")
Pair = tuple[Tensor, Tensor]


def weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape) / 2)


def remember(gates: dict[str, Tensor], c: Tensor) -> Pair:
    """An LSTM's new state from what its gates feel."""
    c = torch.sigmoid(gates["forget"]) * c + torch.sigmoid(gates["input"]) * torch.tanh(gates["cell"])
    return torch.sigmoid(gates["output"]) * torch.tanh(c), c


def named(order: tuple[str, ...], parts: Any) -> dict[str, Tensor]:
    return dict(zip(order, parts, strict=True))


class TwoLinears(nn.Module):
    """Gates g, i, f, o in two children; `forward` adds 1 to the forget gate."""

    ORDER = ("cell", "input", "forget", "output")

    def __init__(self) -> None:
        super().__init__()
        self.hidden_size, self.input_map, self.recurrent_map = H, nn.Linear(I, 4 * H), nn.Linear(H, 4 * H, bias=False)

    def forward(self, x: Tensor, state: Pair) -> Pair:
        gates = named(self.ORDER, (self.input_map(x) + self.recurrent_map(state[0])).chunk(4, -1))
        return remember({**gates, "forget": gates["forget"] + 1}, state[1])


class Concat(nn.Module):
    """One child for input and state together, input first."""

    ORDER = ("input", "forget", "output", "cell")

    def __init__(self) -> None:
        super().__init__()
        self.hidden_size, self.gates = H, nn.Linear(I + H, 4 * H)

    def forward(self, x: Tensor, state: Pair) -> Pair:
        return remember(named(self.ORDER, self.gates(torch.cat([x, state[0]], -1)).chunk(4, -1)), state[1])


class Interleaved(nn.Module):
    """x @ W, and the gate index runs fastest."""

    ORDER = ("forget", "input", "cell", "output")

    def __init__(self) -> None:
        super().__init__()
        self.hidden_size, self.kernel, self.recurrent_kernel = H, weight(I, 4 * H), weight(H, 4 * H)
        self.bias = weight(4 * H)

    def forward(self, x: Tensor, state: Pair) -> Pair:
        felt = x @ self.kernel + state[0] @ self.recurrent_kernel + self.bias
        return remember(named(self.ORDER, felt.unflatten(-1, (H, 4)).unbind(-1)), state[1])


class LinearPerGate(nn.Module):
    """Eight children, one for each gate and source; both biases add up."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden_size = H
        for gate in LSTM:
            setattr(self, f"x_{gate}", nn.Linear(I, H))
            setattr(self, f"h_{gate}", nn.Linear(H, H))

    def forward(self, x: Tensor, state: Pair) -> Pair:
        felt = {gate: getattr(self, f"x_{gate}")(x) + getattr(self, f"h_{gate}")(state[0]) for gate in LSTM}
        return remember(felt, state[1])


class Subtracted(nn.Module):
    """The second bias is subtracted, and `forward` takes half off the forget gate."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden_size, self.wx, self.wh, self.bx, self.bh = H, weight(4 * H, I), weight(4 * H, H), weight(4 * H), weight(4 * H)

    def forward(self, x: Tensor, state: Pair) -> Pair:
        gates = named(LSTM, (x @ self.wx.T + self.bx + state[0] @ self.wh.T - self.bh).chunk(4, -1))
        return remember({**gates, "forget": gates["forget"] - 0.5}, state[1])


class ResetAfter(nn.Module):
    """Keras' GRU: x @ W, gates z, r, n, both biases as rows of one tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.units, self.kernel, self.recurrent_kernel, self.bias = H, weight(I, 3 * H), weight(H, 3 * H), weight(2, 3 * H)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        zx, rx, nx = (x @ self.kernel + self.bias[0]).chunk(3, -1)
        zh, rh, nh = (h @ self.recurrent_kernel + self.bias[1]).chunk(3, -1)
        kept, reset = torch.sigmoid(zx + zh), torch.sigmoid(rx + rh)
        return kept * h + (1 - kept) * torch.tanh(nx + reset * nh)


class Convolved(nn.Module):
    """A convolution over input and state; gates and sources are channels."""

    ORDER = ("input", "forget", "output", "cell")

    def __init__(self) -> None:
        super().__init__()
        self.hidden_dim, self.conv = H, nn.Conv2d(I + H, 4 * H, 3, padding=1)

    def forward(self, x: Tensor, state: Pair) -> Pair:
        return remember(named(self.ORDER, self.conv(torch.cat([x, state[0]], 1)).chunk(4, 1)), state[1])


class Unequal(nn.Module):
    """One forget unit serves several cells, so that its block is smaller than the others."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden_size, self.groups, rows = H, GROUPS, 3 * H + GROUPS
        self.wx, self.wh, self.bias = weight(rows, I), weight(rows, H), weight(rows)

    def forward(self, x: Tensor, state: Pair) -> Pair:
        i, f, g, o = (x @ self.wx.T + state[0] @ self.wh.T + self.bias).split([H, GROUPS, H, H], -1)
        return remember(named(LSTM, (i, f.repeat_interleave(H // GROUPS, -1), g, o)), state[1])


class WriteGated(nn.Module):
    """An open update gate overwrites; children stand in a container."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden_size, self.maps = H, nn.ModuleDict({"x": nn.Linear(I, 2 * H), "h": nn.Linear(H, 2 * H)})

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        z, n = (self.maps["x"](x) + self.maps["h"](h)).chunk(2, -1)
        return h + torch.sigmoid(z) * (torch.tanh(n) - h)


def _named(cls: type[nn.Module], parts: tuple[ri.Part, ...], **facts: Any) -> ri.Layout:
    name = f"{cls.__module__}.{cls.__qualname__}"
    return ri.Layout(name, (name,), parts, **{"size": "hidden_size", "polarity": {"forget": 1}, **facts})


def _both(x: str, h: str, order: tuple[str, ...], **facts: Any) -> tuple[ri.Part, ...]:
    """The two weights; a name is also its pattern."""
    names: tuple[tuple[str, Any], ...] = ((x, "input"), (h, "recurrent"))
    return tuple(ri.Part(name, name.replace(".", r"\."), kind=kind, order=order, **facts) for name, kind in names)


def _bias(name: str, order: tuple[str, ...], partner: str | None = None, **facts: Any) -> ri.Part:
    effective = "bias" if partner else None
    return ri.Part(f"{name} {partner}", name.replace(".", r"\."), kind="bias", order=order, partner=partner, effective=effective, **facts)


_SOURCES: Any = {"hidden_size": (("input", None), ("recurrent", "hidden_size")), "hidden_dim": (("input", None), ("recurrent", "hidden_dim"))}
_FAST: Any = {"axis": 1, "transposed": True, "interleaved": True}
_TURNED: Any = {"axis": 1, "transposed": True}
_ZRN, _ZN = ("update", "reset", "new"), ("update", "new")
_SIZES: Any = {"sizes": ("hidden_size", "groups", "hidden_size", "hidden_size")}
LAYOUTS = {
    TwoLinears: _named(
        TwoLinears, (*_both("input_map.weight", "recurrent_map.weight", TwoLinears.ORDER), _bias("input_map.bias", TwoLinears.ORDER)),
        constant={"forget": 1.0},
    ),
    Concat: _named(
        Concat,
        (ri.Part("weight", r"gates\.weight", order=Concat.ORDER, columns=_SOURCES["hidden_size"]), _bias("gates.bias", Concat.ORDER)),
    ),
    Interleaved: _named(
        Interleaved,
        (*_both("kernel", "recurrent_kernel", Interleaved.ORDER, **_FAST), _bias("bias", Interleaved.ORDER, interleaved=True)),
    ),
    LinearPerGate: _named(
        LinearPerGate,
        tuple(
            part
            for gate in LSTM
            for part in (
                *_both(f"x_{gate}.weight", f"h_{gate}.weight", (gate,)), _bias(f"x_{gate}.bias", (gate,), "ih"),
                _bias(f"h_{gate}.bias", (gate,), "hh"),
            )
        ),
    ),
    Subtracted: _named(
        Subtracted, (*_both("wx", "wh", LSTM), _bias("bx", LSTM, "ih"), _bias("bh", LSTM, "hh", sign=-1)), constant={"forget": -0.5}
    ),
    ResetAfter: _named(
        ResetAfter,
        (
            *_both("kernel", "recurrent_kernel", _ZRN, **_TURNED), _bias("bias", _ZRN, "ih", axis=1, fixed=((0, 0),)),
            _bias("bias", _ZRN, "hh", axis=1, fixed=((0, 1),)),
        ),
        size="units", polarity={"update": 1}, separate=("new",),
    ),
    Convolved: _named(
        Convolved,
        (ri.Part("weight", r"conv\.weight", order=Convolved.ORDER, columns=_SOURCES["hidden_dim"]), _bias("conv.bias", Convolved.ORDER)),
        size="hidden_dim",
    ),
    Unequal: _named(Unequal, (*_both("wx", "wh", LSTM, **_SIZES), _bias("bias", LSTM, **_SIZES))),
    WriteGated: _named(
        WriteGated,
        (*_both("maps.x.weight", "maps.h.weight", _ZN), _bias("maps.x.bias", _ZN, "ih"), _bias("maps.h.bias", _ZN, "hh")),
        polarity={"update": -1},
    ),
}  # fmt: skip
CELLS = tuple(LAYOUTS)
PAIRED = tuple(cls for cls in CELLS if cls not in (ResetAfter, WriteGated))
NESTED = (TwoLinears, Concat, LinearPerGate, Convolved, WriteGated)


@contextmanager
def known(*layouts: ri.Layout) -> Iterator[None]:
    """Register layouts, and forget them again."""
    for layout in layouts or LAYOUTS.values():
        ri.register_layout(layout)
    yield
    for layout in layouts or LAYOUTS.values():
        registry.unregister_layout(layout.name)


def build(cls: type[nn.Module], seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return cls()


def inputs(cell: nn.Module) -> Tensor:
    """Nothing to hear."""
    shape = (1, I, 3, 3) if isinstance(cell, Convolved) else (1, I)
    return torch.zeros(shape)


def step(cell: nn.Module, memory: Tensor) -> Tensor:
    """The memory after one step at zero input; an LSTM's `h` is zero."""
    if isinstance(cell, PAIRED):
        return cell(inputs(cell), (torch.zeros_like(memory), memory))[1]
    return cell(inputs(cell), memory)


def memory(cell: nn.Module) -> Tensor:
    return torch.rand((1, H, 3, 3) if isinstance(cell, Convolved) else (1, H)) + 0.5


def kept(advance: Callable[[Tensor], Tensor], start: Tensor) -> Tensor:
    """d s'/d s, element by element; raises when elements hear each other."""
    jacobian = torch.autograd.functional.jacobian(advance, start).reshape(start.numel(), start.numel())
    assert torch.equal(jacobian, torch.diag(jacobian.diagonal())), "the memory is not kept element by element"
    return jacobian.diagonal()


def retention(cell: nn.Module) -> Tensor:
    """The share of the memory that a cell keeps, measured by running it."""
    return kept(partial(step, cell), memory(cell))


@dataclass(frozen=True)
class Model:
    """Makes a net around a cell."""

    cls: type[nn.Module]

    def __call__(self) -> nn.Module:
        torch.manual_seed(0)
        return Net(self.cls())


class Net(nn.Module):
    """A cell and a head."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell, self.head = cell, nn.Linear(H, 2)

    def forward(self, x: Tensor) -> Tensor:
        start = torch.ones((len(x), H, *x.shape[2:]), dtype=x.dtype)
        out = self.cell(x, (start, start))[0] if isinstance(self.cell, PAIRED) else self.cell(x, start)
        return self.head(out.flatten(2).mean(-1) if out.dim() > 2 else out)
