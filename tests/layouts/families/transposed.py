"""Cells that compute x @ W, where the gates stand side by side in columns."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.layouts.families import lstm, weight

State = tuple[Tensor, Tensor]


class KerasLSTM(nn.Module):
    """kernel, recurrent_kernel and one bias: i f c o; `unit_forget_bias` writes 1 and adds nothing in forward."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.units = hidden_size
        self.kernel, self.recurrent_kernel = weight(input_size, 4 * hidden_size), weight(hidden_size, 4 * hidden_size)
        self.bias = nn.Parameter(torch.zeros(4 * hidden_size))
        self.bias.data[hidden_size : 2 * hidden_size] = 1.0

    def forward(self, inputs: Tensor, states: State) -> tuple[Tensor, list[Tensor]]:
        h, c = states
        i, f, g, o = torch.tensor_split(inputs @ self.kernel + h @ self.recurrent_kernel + self.bias, 4, dim=1)
        h, c = lstm(i, f, g, o, c)
        return h, [h, c]


class LayerNormKernelLSTM(nn.Module):
    """i g f o; each product is normalised and scaled by one row of gamma (2, 4H), the cell by gamma_h and beta_h."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.kernel, self.recurrent_kernel = weight(input_size, 4 * hidden_size), weight(hidden_size, 4 * hidden_size)
        self.bias, self.gamma = nn.Parameter(torch.zeros(4 * hidden_size)), nn.Parameter(torch.ones(2, 4 * hidden_size))
        self.gamma_h, self.beta_h = nn.Parameter(torch.ones(hidden_size)), nn.Parameter(torch.zeros(hidden_size))

    def forward(self, x: Tensor, state: State) -> State:
        h, c = state
        read = F.layer_norm(x @ self.kernel, self.bias.shape, self.gamma[0])
        read = read + F.layer_norm(h @ self.recurrent_kernel, self.bias.shape, self.gamma[1]) + self.bias
        i, g, f, o = read.chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(F.layer_norm(c, c.shape[1:], self.gamma_h, self.beta_h)), c


class EntityAwareLSTM(nn.Module):
    """Torch's names with f o g in columns; the input gate is made of static features alone, once for all steps."""

    def __init__(self, input_size: int, hidden_size: int, static_size: int = 3) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.static_size = input_size, hidden_size, static_size
        self.weight_ih, self.weight_hh = weight(input_size, 3 * hidden_size), weight(hidden_size, 3 * hidden_size)
        self.bias = nn.Parameter(torch.zeros(3 * hidden_size))
        self.input_net = nn.Linear(static_size, hidden_size)

    def forward(self, x_d: Tensor, x_s: Tensor, h_0: Tensor, c_0: Tensor) -> State:
        f, o, g = (torch.addmm(self.bias, h_0, self.weight_hh) + x_d @ self.weight_ih).chunk(3, 1)
        return lstm(self.input_net(x_s), f, g, o, c_0)


class ZippedGRU(nn.Module):
    """Columns z0 r0 n0 z1 r1 n1 and so on: the gate index runs fastest, in weights and in the bias; update keeps."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.w, self.u, self.b = weight(input_size, 3 * hidden_size), weight(hidden_size, 3 * hidden_size), weight(3 * hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        z, r, n = (x @ self.w + self.b).unflatten(1, (-1, 3)).unbind(2)
        v, u, m = (h @ self.u).unflatten(1, (-1, 3)).unbind(2)
        z = torch.sigmoid(z + v)
        return z * h + (1 - z) * torch.tanh(n + torch.sigmoid(r + u) * m)
