"""Gates fused on axis 0, under other names and in other orders than torch's."""

from __future__ import annotations

import torch
from torch import nn

from tests.layouts.families import bias, family, lstm, part, weight

XH = (("input", None), ("recurrent", "hidden_size"))
HX = (("recurrent", "hidden_size"), ("input", None))


@family(part("weight_ih", "input", "figo"), part("weight_hh", "recurrent", "figo"), bias("bias_ih", "figo", "ih"), bias("bias_hh", "figo", "hh"), keep="f")
class TorchNamesOtherOrder(nn.Module):
    def __init__(self, size, hidden):
        super().__init__()
        self.weight_ih, self.weight_hh = weight(4 * hidden, size), weight(4 * hidden, hidden)
        self.bias_ih, self.bias_hh = weight(4 * hidden), weight(4 * hidden)

    def forward(self, x, state):
        h, c = state
        f, i, g, o = (x @ self.weight_ih.mT + self.bias_ih + h @ self.weight_hh.mT + self.bias_hh).chunk(4, -1)
        return lstm(i, f, g, o, c)


class X2H(nn.Module):
    blocks = 4

    def __init__(self, size, hidden):
        super().__init__()
        self.x2h, self.h2h = nn.Linear(size, self.blocks * hidden), nn.Linear(hidden, self.blocks * hidden)

    def split(self, x, h):
        return (self.x2h(x) + self.h2h(h)).chunk(self.blocks, -1)


def x2h(letters):
    return part("x2h.weight", "input", letters), bias("x2h.bias", letters, "x"), part("h2h.weight", "recurrent", letters), bias("h2h.bias", letters, "h")


@family(*x2h("ifog"), keep="f")
class X2HLSTM(X2H):
    def forward(self, x, hidden):
        h, c = hidden
        i, f, o, g = self.split(x, h)
        return lstm(i, f, g, o, c)


@family(*x2h("ifgo"), keep="f", adds={"f": -1.0})
class ForgetBiasMinusOne(X2H):
    def __init__(self, size, hidden, forget_gate_bias=-1):
        super().__init__(size, hidden)
        self.forget_gate_bias = forget_gate_bias

    def forward(self, x, hidden):
        h, c = hidden
        i, f, g, o = self.split(x, h)
        return lstm(i, f + self.forget_gate_bias, g, o, c)


@family(*x2h("rzn"), keep="z", separate=("new",))
class X2HGRU(X2H):
    blocks = 3

    def forward(self, x, hidden):
        (r, z, n), (u, v, w) = self.x2h(x).chunk(3, -1), self.h2h(hidden).chunk(3, -1)
        z = torch.sigmoid(z + v)
        return z * hidden + (1 - z) * torch.tanh(n + torch.sigmoid(r + u) * w)


@family(*x2h("ifog"), keep="f", found=False, why="the input is gated by the state before it is read")
class Mogrifier(X2H):
    def __init__(self, size, hidden):
        super().__init__(size, hidden)
        self.mogrifier_list = nn.ModuleList([nn.Linear(hidden, size), nn.Linear(size, hidden)])

    def forward(self, x, hidden):
        h, c = hidden
        x = 2 * torch.sigmoid(self.mogrifier_list[0](h)) * x
        h = 2 * torch.sigmoid(self.mogrifier_list[1](x)) * h
        i, f, o, g = self.split(x, h)
        return lstm(i, f, g, o, c)


class Concat(nn.Module):
    def __init__(self, size, hidden):
        super().__init__()
        self.hidden_size, self.gates = hidden, nn.Linear(size + hidden, 4 * hidden)


@family(part("gates.weight", None, "ifgo", columns=XH), bias("gates.bias", "ifgo"), keep="f", size="hidden_size")
class ConcatInputFirst(Concat):
    def forward(self, x, state):
        h, c = state
        i, f, g, o = self.gates(torch.cat([x, h], -1)).chunk(4, -1)
        return lstm(i, f, g, o, c)


@family(part("gates.weight", None, "ifgo", columns=HX), bias("gates.bias", "ifgo"), keep="f", size="hidden_size")
class ConcatStateFirst(Concat):
    def forward(self, x, state):
        h, c = state
        i, f, g, o = self.gates(torch.cat([h, x], -1)).chunk(4, -1)
        return lstm(i, f, g, o, c)


@family(
    part("input_linearity.weight", "input", "ifgo"), part("state_linearity.weight", "recurrent", "ifgo"), bias("state_linearity.bias", "ifgo"),
    part("state_projection.weight", "projection", ""), keep="f", size="cell_size",
)  # fmt: skip
class ProjectedCell(nn.Module):
    """The cell is larger than what it gives out."""

    def __init__(self, size, hidden):
        super().__init__()
        self.cell_size = hidden + 3
        self.input_linearity = nn.Linear(size, 4 * self.cell_size, bias=False)
        self.state_linearity = nn.Linear(hidden, 4 * self.cell_size)
        self.state_projection = nn.Linear(self.cell_size, hidden, bias=False)

    def forward(self, x, state):
        h, c = state
        i, f, g, o = (self.input_linearity(x) + self.state_linearity(h)).chunk(4, -1)
        h, c = lstm(i, f, g, o, c)
        return self.state_projection(h), (self.state_projection(h), c)


@family(part("w.weight", "input", "nz"), part("u.weight", "recurrent", "nz"), bias("norm.bias", "nz"), keep="z")
class LiGRU(nn.Module):
    def __init__(self, size, hidden):
        super().__init__()
        self.w, self.u = nn.Linear(size, 2 * hidden, bias=False), nn.Linear(hidden, 2 * hidden, bias=False)
        self.norm = nn.BatchNorm1d(2 * hidden)

    def forward(self, x, h):
        n, z = (self.norm(self.w(x)) + self.u(h)).chunk(2, -1)
        z = torch.sigmoid(z)
        return z * h + (1 - z) * torch.relu(n)


@family(part("to_hidden_and_gate.weight", "input", "nz"), write="z")
class MinGRU(nn.Module):
    """No bias, no recurrent weight; an open gate overwrites."""

    def __init__(self, size, hidden):
        super().__init__()
        self.to_hidden_and_gate = nn.Linear(size, 2 * hidden, bias=False)

    def forward(self, x, prev_hidden):
        n, z = self.to_hidden_and_gate(x).chunk(2, -1)
        return torch.lerp(prev_hidden, torch.where(n >= 0, n + 0.5, n.sigmoid()), z.sigmoid())


@family(part("conv.weight", None, "ifog", columns=XH), bias("conv.bias", "ifog"), keep="f", size="hidden_size")
class ConvLSTMCell(nn.Module):
    """The commonest: one convolution of [x, h], and `self.bias` is a bool."""

    def __init__(self, size, hidden):
        super().__init__()
        self.bias, self.hidden_size = True, hidden
        self.conv = nn.Conv2d(size + hidden, 4 * hidden, 3, padding=1, bias=self.bias)

    def forward(self, input_tensor, cur_state):
        h, c = cur_state
        i, f, o, g = torch.split(self.conv(torch.cat([input_tensor, h], 1)), c.shape[1], 1)
        return lstm(i, f, g, o, c)


@family(*(part(f"W{s}{k}.weight", kind, k if k != "c" else "g") for s, kind in (("x", "input"), ("h", "recurrent")) for k in "ifco"),
        *(bias(f"Wx{k}.bias", k if k != "c" else "g") for k in "ifco"), keep="f")  # fmt: skip
class SeparateConvs(nn.Module):
    """One convolution for each gate and source, biases on those of the input."""

    def __init__(self, size, hidden):
        super().__init__()
        for k in "ifco":
            setattr(self, f"Wx{k}", nn.Conv2d(size, hidden, 3, padding=1))
            setattr(self, f"Wh{k}", nn.Conv2d(hidden, hidden, 3, padding=1, bias=False))

    def forward(self, x, h, c):
        i, f, g, o = (getattr(self, f"Wx{k}")(x) + getattr(self, f"Wh{k}")(h) for k in "ifco")
        return lstm(i, f, g, o, c)
