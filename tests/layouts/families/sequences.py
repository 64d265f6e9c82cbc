"""Whole sequences: loops of their own, batch first, states that are learned, cells nested in layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.layouts.families import lstm, weight

State = tuple[Tensor, Tensor]


class BatchFirstLSTM(nn.Module):
    """(batch, time, in) -> (batch, time, H); i f g o under names of its own, zeros where no state is given."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.W, self.U, self.bias = weight(4 * hidden_size, input_size), weight(4 * hidden_size, hidden_size), weight(4 * hidden_size)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        h, c = state or (x.new_zeros(len(x), self.hidden_size), x.new_zeros(len(x), self.hidden_size))
        seen = []
        for now in x.unbind(1):
            i, f, g, o = (now @ self.W.mT + h @ self.U.mT + self.bias).chunk(4, 1)
            h, c = lstm(i, f, g, o, c)
            seen.append(h)
        return torch.stack(seen, 1), (h, c)


class BatchFirstGRU(nn.Module):
    """(batch, time, in) -> (batch, time, H); z r n, reset after the product, update keeps."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.read, self.say = nn.Linear(input_size, 3 * hidden_size), nn.Linear(hidden_size, 3 * hidden_size)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        h = x.new_zeros(len(x), self.hidden_size) if state is None else state
        seen = []
        for now in x.unbind(1):
            (z, r, n), (z_h, r_h, n_h) = self.read(now).chunk(3, 1), self.say(h).chunk(3, 1)
            z = torch.sigmoid(z + z_h)
            h = z * h + (1 - z) * torch.tanh(n + torch.sigmoid(r + r_h) * n_h)
            seen.append(h)
        return torch.stack(seen, 1), h


class LearnedStart(nn.Module):
    """An LSTM over (time, batch, in) that learns where it starts: h0 and c0 are parameters without gates."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.inp, self.rec = nn.Linear(input_size, 4 * hidden_size), nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        self.h0, self.c0 = nn.Parameter(torch.zeros(1, hidden_size)), nn.Parameter(torch.zeros(1, hidden_size))

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        h, c = state or (self.h0.expand(x.shape[1], -1), self.c0.expand(x.shape[1], -1))
        seen = []
        for now in x:
            i, f, g, o = (self.inp(now) + self.rec(h)).chunk(4, 1)
            h, c = lstm(i, f, g, o, c)
            seen.append(h)
        return torch.stack(seen), (h, c)


class _Gates(nn.Module):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.igates, self.hgates = nn.Linear(input_size, 4 * hidden_size), nn.Linear(hidden_size, 4 * hidden_size)

    def forward(self, x: Tensor, state: State) -> State:
        h, c = state
        i, f, g, o = (self.igates(x) + self.hgates(h)).chunk(4, 1)
        return lstm(i, f, g, o, c)


class _Direction(nn.Module):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.cell = _Gates(input_size, hidden_size)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        seen = []
        for now in x:
            state = self.cell(now, state)
            seen.append(state[0])
        return torch.stack(seen), state


class _Layer(nn.Module):
    def __init__(self, input_size: int, hidden_size: int, *, both: bool) -> None:
        super().__init__()
        self.layer_fw = _Direction(input_size, hidden_size)
        if both:
            self.layer_bw = _Direction(input_size, hidden_size)

    def forward(self, x: Tensor, states: list[State]) -> tuple[Tensor, list[State]]:
        out, state = self.layer_fw(x, states[0])
        if len(states) == 1:
            return out, [state]
        back, last = self.layer_bw(x.flip(0), states[1])
        return torch.cat([out, back.flip(0)], 2), [state, last]


class NestedLSTM(nn.Module):
    """`layers.N.layer_fw.cell.igates.weight`: (time, batch, in), states (layers * directions, batch, H) as torch's."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bidirectional: bool = False) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.num_layers, self.bidirectional, ways = num_layers, bidirectional, 1 + bidirectional
        widths = [input_size] + [ways * hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(_Layer(width, hidden_size, both=bidirectional) for width in widths)

    def forward(self, x: Tensor, hidden: State | None = None) -> tuple[Tensor, State]:
        ways = 1 + self.bidirectional
        empty = x.new_zeros(ways * self.num_layers, x.shape[1], self.hidden_size)
        states = list(zip(*(hidden or (empty, empty)), strict=True))
        for k, layer in enumerate(self.layers):
            x, states[ways * k : ways * k + ways] = layer(x, states[ways * k : ways * k + ways])
        h, c = (torch.stack(one) for one in zip(*states, strict=True))
        return x, (h, c)
