"""One gate, one parameter: Linears on the concat or in pairs, Parameters in either orientation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.layouts.families import lstm, weight

State = tuple[Tensor, Tensor]
GATES = "ifgo"


class SequentialGates(nn.Module):
    """Each gate is a Sequential whose first layer is the Linear: `forget_gate.0.weight`; the state comes first."""

    names = ("input_gate", "forget_gate", "cell_gate", "output_gate")

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        for name in self.names:
            after = nn.Tanh() if name == "cell_gate" else nn.Sigmoid()
            setattr(self, name, nn.Sequential(nn.Linear(input_size + hidden_size, hidden_size), after))

    def forward(self, x: Tensor, state: State) -> State:
        h, c = state
        both = torch.cat([h, x], -1)
        c = self.forget_gate(both) * c + self.input_gate(both) * self.cell_gate(both)
        return self.output_gate(both) * torch.tanh(c), c


class PairedLinears(nn.Module):
    """Two Linears for each gate, `linear_forget_w1` of the input with a bias, `linear_forget_r1` of the state without."""

    names = ("gate", "forget", "cell", "output")

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        for name in self.names:
            setattr(self, f"linear_{name}_w1", nn.Linear(input_size, hidden_size))
            setattr(self, f"linear_{name}_r1", nn.Linear(hidden_size, hidden_size, bias=False))

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> State:
        read = (getattr(self, f"linear_{name}_w1")(x) + getattr(self, f"linear_{name}_r1")(h) for name in self.names)
        return lstm(*read, c)


class RowParameters(nn.Module):
    """W_f, U_f, b_f as plain Parameters of shape (out, in): the same names as the x @ W kind, the other orientation."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        for gate in GATES:
            setattr(self, f"W_{gate}", weight(hidden_size, input_size))
            setattr(self, f"U_{gate}", weight(hidden_size, hidden_size))
            setattr(self, f"b_{gate}", weight(hidden_size))

    def forward(self, x: Tensor, state: State) -> State:
        h, c = state
        named = dict(self.named_parameters())
        return lstm(*(x @ named[f"W_{k}"].mT + h @ named[f"U_{k}"].mT + named[f"b_{k}"] for k in GATES), c)


class ColumnParameters(nn.Module):
    """w_x and w_h of a gate are (in, H), used as x @ W; the bias is (1, H)."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        for gate in GATES:
            setattr(self, f"w_x{gate}", weight(input_size, hidden_size))
            setattr(self, f"w_h{gate}", weight(hidden_size, hidden_size))
            setattr(self, f"b_{gate}", weight(1, hidden_size))

    def forward(self, x: Tensor, state: State) -> State:
        h, c = state
        named = dict(self.named_parameters())
        return lstm(*(x @ named[f"w_x{k}"] + h @ named[f"w_h{k}"] + named[f"b_{k}"] for k in GATES), c)


class ConcatParameters(nn.Module):
    """Wf (H, in + H) reads [x, h], bf is a bias: W @ [x, h]."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        for gate in GATES:
            setattr(self, f"W{gate}", weight(hidden_size, input_size + hidden_size))
            setattr(self, f"b{gate}", weight(hidden_size))

    def forward(self, x: Tensor, state: State) -> State:
        h, c = state
        both, named = torch.cat([x, h], 1), dict(self.named_parameters())
        return lstm(*(both @ named[f"W{k}"].mT + named[f"b{k}"] for k in GATES), c)
