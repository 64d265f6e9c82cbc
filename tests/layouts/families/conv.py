"""Cells on images: one convolution of everything, two, or one for each gate; peepholes over the whole image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.layouts.families import lstm


def same(into: int, out: int, *, bias: bool = True) -> nn.Conv2d:
    """A convolution that keeps the size of the image."""
    return nn.Conv2d(into, out, 3, padding=1, bias=bias)


class GatesConvLSTM(nn.Module):
    """One convolution called `Gates`: in, remember, out, cell; the state comes last and may be absent."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.Gates = same(input_size + hidden_size, 4 * hidden_size)

    def forward(self, input_: Tensor, prev_state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        if prev_state is None:
            empty = input_.new_zeros(len(input_), self.hidden_size, *input_.shape[2:])
            prev_state = (empty, empty)
        hidden, cell = prev_state
        inner, remember, out, new = self.Gates(torch.cat((input_, hidden), 1)).chunk(4, 1)
        return lstm(inner, remember, new, out, cell)


class TwoConvLSTM(nn.Module):
    """`W_is` reads the input, `W_ss` the state: i f o g, biases on both."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.W_is, self.W_ss = same(input_size, 4 * hidden_size), same(hidden_size, 4 * hidden_size)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        h, c = state
        i, f, o, g = (self.W_is(x) + self.W_ss(h)).chunk(4, 1)
        return lstm(i, f, g, o, c)


class PeepholeConvLSTM(nn.Module):
    """A convolution for each gate and source, biases on those of the input, and a peephole for every pixel."""

    def __init__(self, input_size: int, hidden_size: int, height: int = 3, width: int = 3) -> None:
        super().__init__()
        for gate in "ifco":
            setattr(self, f"Wx{gate}", same(input_size, hidden_size))
            setattr(self, f"Wh{gate}", same(hidden_size, hidden_size, bias=False))
        for gate in "ifo":
            setattr(self, f"Wc{gate}", nn.Parameter(torch.zeros(1, hidden_size, height, width)))

    def _read(self, gate: str, x: Tensor, h: Tensor) -> Tensor:
        read: Tensor = getattr(self, f"Wx{gate}")(x) + getattr(self, f"Wh{gate}")(h)
        return read

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        i = torch.sigmoid(self._read("i", x, h) + c * self.Wci)
        f = torch.sigmoid(self._read("f", x, h) + c * self.Wcf)
        kept = f * c + i * torch.tanh(self._read("c", x, h))
        return torch.sigmoid(self._read("o", x, h) + kept * self.Wco) * torch.tanh(kept), kept


class ConvGRUCell(nn.Module):
    """`conv_gates` holds reset and update of [x, h], `conv_can` the candidate of [x, reset * h]; update writes."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.conv_gates = same(input_size + hidden_size, 2 * hidden_size)
        self.conv_can = same(input_size + hidden_size, hidden_size)

    def forward(self, input_tensor: Tensor, h_cur: Tensor) -> Tensor:
        both = self.conv_gates(torch.cat([input_tensor, h_cur], 1))
        reset, update = torch.sigmoid(both).split(self.hidden_size, 1)
        new = torch.tanh(self.conv_can(torch.cat([input_tensor, reset * h_cur], 1)))
        return (1 - update) * h_cur + update * new
