"""GRUs and smaller cells: who keeps, who writes, where reset stands, and what forward adds."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.layouts.families import weight


class MGU(nn.Module):
    """One gate for reset and update: f h under torch's names; f keeps."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.weight_ih, self.weight_hh = weight(2 * hidden_size, input_size), weight(2 * hidden_size, hidden_size)
        self.bias_ih, self.bias_hh = weight(2 * hidden_size), weight(2 * hidden_size)

    def forward(self, inp: Tensor, state: Tensor) -> Tensor:
        f, n = F.linear(inp, self.weight_ih, self.bias_ih).chunk(2, 1)
        f_h, _ = F.linear(state, self.weight_hh, self.bias_hh).chunk(2, 1)
        f = torch.sigmoid(f + f_h)
        _, w_n = self.weight_hh.chunk(2, 0)
        _, b_n = self.bias_hh.chunk(2, 0)
        return f * state + (1 - f) * torch.tanh(n + F.linear(f * state, w_n, b_n))


class WritePlusOne(nn.Module):
    """r z n on two Linears; an open update gate takes the new value, and forward adds 1 to it."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.fc_x, self.fc_h = nn.Linear(input_size, 3 * hidden_size), nn.Linear(hidden_size, 3 * hidden_size, bias=False)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        (r, z, n), (r_h, z_h, n_h) = self.fc_x(x).chunk(3, 1), self.fc_h(h).chunk(3, 1)
        z = torch.sigmoid(z + z_h + 1.0)
        return h + z * (torch.tanh(n + torch.sigmoid(r + r_h) * n_h) - h)


class _SixLinears(nn.Module):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        for gate in ("reset", "update", "new"):
            setattr(self, f"x_{gate}", nn.Linear(input_size, hidden_size))
            setattr(self, f"h_{gate}", nn.Linear(hidden_size, hidden_size))


class ResetBefore(_SixLinears):
    """Reset meets the state before the product, so the two biases of `new` simply add."""

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        r = torch.sigmoid(self.x_reset(x) + self.h_reset(h))
        z = torch.sigmoid(self.x_update(x) + self.h_update(h))
        return z * h + (1 - z) * torch.tanh(self.x_new(x) + self.h_new(r * h))


class ResetAfter(_SixLinears):
    """Reset meets the product, bias and all, so the two biases of `new` are two things."""

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        r = torch.sigmoid(self.x_reset(x) + self.h_reset(h))
        z = torch.sigmoid(self.x_update(x) + self.h_update(h))
        return z * h + (1 - z) * torch.tanh(self.x_new(x) + r * self.h_new(h))


class MinLSTM(nn.Module):
    """h f i of the input alone, without a bias; f keeps, i writes, independently."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.to_hidden_and_f_i_gate = nn.Linear(input_size, 3 * hidden_size, bias=False)

    def forward(self, x: Tensor, prev_hidden: Tensor) -> Tensor:
        new, f, i = self.to_hidden_and_f_i_gate(x).chunk(3, -1)
        return f.sigmoid() * prev_hidden + i.sigmoid() * torch.where(new >= 0, new + 0.5, new.sigmoid())


class NormalisedMinLSTM(MinLSTM):
    """f and i are divided by their sum: what is kept depends on both."""

    def forward(self, x: Tensor, prev_hidden: Tensor) -> Tensor:
        new, f, i = self.to_hidden_and_f_i_gate(x).chunk(3, -1)
        f, i = f.sigmoid(), i.sigmoid()
        return (f * prev_hidden + i * torch.where(new >= 0, new + 0.5, new.sigmoid())) / (f + i)


class LayerNormLiGRU(nn.Module):
    """a z on `w` and `u` without biases; what `w` gives is layer-normalised, and its beta is the bias."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.w = nn.Linear(input_size, 2 * hidden_size, bias=False)
        self.u = nn.Linear(hidden_size, 2 * hidden_size, bias=False)
        self.norm = nn.LayerNorm(2 * hidden_size)

    def forward(self, x: Tensor, ht: Tensor) -> Tensor:
        at, zt = (self.norm(self.w(x)) + self.u(ht)).chunk(2, 1)
        zt = torch.sigmoid(zt)
        return zt * ht + (1 - zt) * torch.relu(at)
