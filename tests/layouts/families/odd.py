"""Cells with more or fewer blocks on one side, blocks of unequal size, norms in between, and other packages' names."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.layouts.families import lstm, weight

State = tuple[Tensor, Tensor]


class I2HLayerNorm(nn.Module):
    """i2h and h2h without biases, each followed by a norm whose beta is the bias; -1 is added to f in forward."""

    def __init__(self, input_size: int, hidden_size: int, forget_gate_bias: float = -1.0) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.forget_gate_bias = input_size, hidden_size, forget_gate_bias
        self.i2h = nn.Linear(input_size, 4 * hidden_size, bias=False)
        self.h2h = nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        self.ln_i2h, self.ln_h2h = nn.LayerNorm(4 * hidden_size), nn.LayerNorm(4 * hidden_size)
        self.ln_c = nn.LayerNorm(hidden_size)

    def forward(self, x: Tensor, state: State) -> State:
        h, c = state
        i, f, o, g = (self.ln_i2h(self.i2h(x)) + self.ln_h2h(self.h2h(h))).chunk(4, -1)
        c = torch.sigmoid(f + self.forget_gate_bias) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(self.ln_c(c)), c


class I2HPlain(nn.Module):
    """i2h and h2h with biases, f i o g, and -1 added to f in forward."""

    def __init__(self, input_size: int, hidden_size: int, forget_gate_bias: float = -1.0) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.forget_gate_bias = input_size, hidden_size, forget_gate_bias
        self.i2h, self.h2h = nn.Linear(input_size, 4 * hidden_size), nn.Linear(hidden_size, 4 * hidden_size)

    def forward(self, x: Tensor, state: State) -> State:
        h, c = state
        f, i, o, g = (self.i2h(x) + self.h2h(h)).chunk(4, -1)
        return lstm(i, f + self.forget_gate_bias, g, o, c)


class AugmentedLSTMCell(nn.Module):
    """Six blocks of the input, five of the state: the highway's value is read from the input alone."""

    def __init__(self, embed_dim: int, lstm_dim: int) -> None:
        super().__init__()
        self.embed_dim, self.lstm_dim = embed_dim, lstm_dim
        self.input_linearity = nn.Linear(embed_dim, 6 * lstm_dim, bias=False)
        self.state_linearity = nn.Linear(lstm_dim, 5 * lstm_dim)

    def forward(self, x: Tensor, states: State) -> State:
        h, c = states
        read, said = self.input_linearity(x).chunk(6, -1), self.state_linearity(h).chunk(5, -1)
        i, f, g, o, highway = (a + b for a, b in zip(read[:5], said, strict=True))
        out, c = lstm(i, f, g, o, c)
        highway = torch.sigmoid(highway)
        return highway * out + (1 - highway) * read[5], c


class PrefixedLSTM(nn.Module):
    """i2h_weight, h2h_weight and two biases as Parameters: i f c o."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self._input_size, self._hidden_size = input_size, hidden_size
        self.i2h_weight, self.h2h_weight = weight(4 * hidden_size, input_size), weight(4 * hidden_size, hidden_size)
        self.i2h_bias, self.h2h_bias = weight(4 * hidden_size), weight(4 * hidden_size)

    def forward(self, inputs: Tensor, states: State) -> tuple[Tensor, list[Tensor]]:
        h, c = states
        i, f, g, o = (F.linear(inputs, self.i2h_weight, self.i2h_bias) + F.linear(h, self.h2h_weight, self.h2h_bias)).chunk(4, 1)
        h, c = lstm(i, f, g, o, c)
        return h, [h, c]


def mounting(logits: Tensor) -> Tensor:
    """From near 0 to 1 along the last axis, in order."""
    return torch.cumsum(torch.softmax(logits, -1), -1)


class OrderedNeurons(nn.Module):
    """Two master gates of n levels in front, then o g i f; what is kept depends on the masters and on f."""

    def __init__(self, input_size: int, hidden_size: int, chunk_size: int = 2) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.chunk_size = input_size, hidden_size, chunk_size
        self.n_chunk = hidden_size // chunk_size
        rows = 4 * hidden_size + 2 * self.n_chunk
        self.ih, self.hh = nn.Linear(input_size, rows), nn.Linear(hidden_size, rows)

    def forward(self, x: Tensor, hidden: State) -> State:
        h, c = hidden
        read = self.ih(x) + self.hh(h)
        into, keep = (mounting(one) for one in read[:, : 2 * self.n_chunk].chunk(2, 1))
        into, keep = (1 - into).repeat_interleave(self.chunk_size, 1), keep.repeat_interleave(self.chunk_size, 1)
        o, g, i, f = read[:, 2 * self.n_chunk :].chunk(4, 1)
        both = into * keep
        f, i = torch.sigmoid(f) * both + (keep - both), torch.sigmoid(i) * both + (into - both)
        c = f * c + i * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class SharedForget(nn.Module):
    """f is as wide as there are groups: every group of units forgets together; blocks [H, groups, H, H]."""

    def __init__(self, input_size: int, hidden_size: int, groups: int = 2) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.groups = input_size, hidden_size, groups
        self.cuts = (hidden_size, groups, hidden_size, hidden_size)
        self.read_x, self.read_h = nn.Linear(input_size, sum(self.cuts)), nn.Linear(hidden_size, sum(self.cuts), bias=False)

    def forward(self, x: Tensor, state: State) -> State:
        h, c = state
        i, f, g, o = (self.read_x(x) + self.read_h(h)).split(self.cuts, 1)
        return lstm(i, f.repeat_interleave(c.shape[1] // self.groups, 1), g, o, c)
