"""One parameter for each gate, coupled gates, signs, several partners, peepholes."""

from __future__ import annotations

import torch
from torch import nn

from tests.layouts.families import bias, family, lstm, part, weight

XH = (("input", None), ("recurrent", "hidden_size"))
NAMES = {"i": "input_gate", "f": "forget_gate", "g": "cell_gate", "o": "output_gate"}


@family(*(part(f"{NAMES[k]}.weight", None, k, columns=XH) for k in "ifgo"), *(bias(f"{NAMES[k]}.bias", k) for k in "ifgo"), keep="f", size="hidden_size")
class SeparateLinears(nn.Module):
    def __init__(self, size, hidden):
        super().__init__()
        self.hidden_size = hidden
        for name in NAMES.values():
            setattr(self, name, nn.Linear(size + hidden, hidden))

    def forward(self, x, state):
        h, c = state
        xh = torch.cat([x, h], -1)
        return lstm(*(getattr(self, name)(xh) for name in NAMES.values()), c)


@family(*(part(f"W_{k}", "input", k, axis=1, transposed=True) for k in "ifgo"), *(part(f"U_{k}", "recurrent", k, axis=1, transposed=True) for k in "ifgo"),
        *(bias(f"b_{k}", k) for k in "ifgo"), keep="f")  # fmt: skip
class SeparateParameters(nn.Module):
    def __init__(self, size, hidden):
        super().__init__()
        for k in "ifgo":
            setattr(self, f"W_{k}", weight(size, hidden))
            setattr(self, f"U_{k}", weight(hidden, hidden))
            setattr(self, f"b_{k}", weight(hidden))

    def forward(self, x, h_t, c_t):
        return lstm(*(x @ getattr(self, f"W_{k}") + h_t @ getattr(self, f"U_{k}") + getattr(self, f"b_{k}") for k in "ifgo"), c_t)


@family(*(part(f"conv_x_{k}.weight", "input", k) for k in "ifgo"), *(part(f"conv_h_{k}.weight", "recurrent", k) for k in "ifgo"),
        *(bias(f"conv_{s}_{k}.bias", k, s) for s in "xh" for k in "ifgo"), *(bias(f"b_{k}", k, "own", axis=1, fixed=((0, 0),)) for k in "ifgo"),
        *(part(f"w_c_{k}", "peephole", k, axis=1, fixed=((0, 0),)) for k in "ifo"), keep="f")  # fmt: skip
class ThreePartners(nn.Module):
    """Three biases for each gate, one of shape (1, H), and peepholes."""

    def __init__(self, size, hidden):
        super().__init__()
        for k in "ifgo":
            setattr(self, f"conv_x_{k}", nn.Linear(size, hidden))
            setattr(self, f"conv_h_{k}", nn.Linear(hidden, hidden))
            setattr(self, f"b_{k}", weight(1, hidden))
        for k in "ifo":
            setattr(self, f"w_c_{k}", weight(1, hidden))

    def _at(self, k, x, h):
        return getattr(self, f"conv_x_{k}")(x) + getattr(self, f"conv_h_{k}")(h) + getattr(self, f"b_{k}")

    def forward(self, x, h, c):
        i, f = (self._at(k, x, h) + getattr(self, f"w_c_{k}") * c for k in "if")
        new = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(self._at("g", x, h))
        return torch.sigmoid(self._at("o", x, h) + self.w_c_o * new) * torch.tanh(new), new


@family(*(part(f"{n}.weight", None, k, columns=XH) for k, n in (("r", "reset_gate"), ("z", "update_gate"), ("n", "out_gate"))),
        *(bias(f"{n}.bias", k) for k, n in (("r", "reset_gate"), ("z", "update_gate"), ("n", "out_gate"))), write="z", size="hidden_size")  # fmt: skip
class UpdateWrites(nn.Module):
    def __init__(self, size, hidden):
        super().__init__()
        self.hidden_size = hidden
        self.reset_gate, self.update_gate, self.out_gate = (nn.Linear(size + hidden, hidden) for _ in range(3))

    def forward(self, x, prev_state):
        stacked = torch.cat([x, prev_state], 1)
        update, reset = torch.sigmoid(self.update_gate(stacked)), torch.sigmoid(self.reset_gate(stacked))
        new = torch.tanh(self.out_gate(torch.cat([x, prev_state * reset], 1)))
        return prev_state * (1 - update) + new * update


@family(part("forget_gate.weight", None, "f", columns=XH), bias("forget_gate.bias", "f"), part("candidate.weight", None, "g", columns=XH), bias("candidate.bias", "g"), keep="f", size="hidden_size")
class Janet(nn.Module):
    """A forget gate alone: what is not kept is written."""

    def __init__(self, size, hidden):
        super().__init__()
        self.hidden_size, self.forget_gate, self.candidate = hidden, nn.Linear(size + hidden, hidden), nn.Linear(size + hidden, hidden)

    def forward(self, x, h):
        xh = torch.cat([x, h], -1)
        f = torch.sigmoid(self.forget_gate(xh))
        return f * h + (1 - f) * torch.tanh(self.candidate(xh))


@family(part("x.weight", "input", "ifgo"), part("h.weight", "recurrent", "ifgo"), bias("b", "ifgo", sign=-1), keep="f")
class Subtracted(nn.Module):
    def __init__(self, size, hidden):
        super().__init__()
        self.x, self.h = nn.Linear(size, 4 * hidden, bias=False), nn.Linear(hidden, 4 * hidden, bias=False)
        self.b = weight(4 * hidden)

    def forward(self, x, state):
        h, c = state
        return lstm(*(self.x(x) + self.h(h) - self.b).chunk(4, -1), c)


@family(part("x.weight", "input", "zn"), part("h.weight", "recurrent", "zn"), bias("x.bias", "zn"), write="z", adds={"z": -1.0})
class WriteGateMinusOne(nn.Module):
    def __init__(self, size, hidden):
        super().__init__()
        self.x, self.h = nn.Linear(size, 2 * hidden), nn.Linear(hidden, 2 * hidden, bias=False)

    def forward(self, x, state):
        z, n = (self.x(x) + self.h(state)).chunk(2, -1)
        z = torch.sigmoid(z - 1)
        return (1 - z) * state + z * torch.tanh(n)


@family(part("x.weight", "input", "fgo"), part("h.weight", "recurrent", "fgo"), bias("x.bias", "fgo"), keep="f")
class Coupled(nn.Module):
    """i = 1 - f, with an output gate."""

    def __init__(self, size, hidden):
        super().__init__()
        self.x, self.h = nn.Linear(size, 3 * hidden), nn.Linear(hidden, 3 * hidden, bias=False)

    def forward(self, x, state):
        h, c = state
        f, g, o = (self.x(x) + self.h(h)).chunk(3, -1)
        c = torch.sigmoid(f) * c + (1 - torch.sigmoid(f)) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


@family(part("x.weight", "input", "ifgo"), bias("x.bias", "ifgo"), keep="f", found=False, why="every head has a matrix of its own for the state")
class PerHead(nn.Module):
    """The state is read head by head: (gates, heads, size, size)."""

    def __init__(self, size, hidden, heads=2):
        super().__init__()
        self.heads, self.x = heads, nn.Linear(size, 4 * hidden)
        self.r = weight(4, heads, hidden // heads, hidden // heads)

    def forward(self, x, state):
        h, c = state
        heads = h.reshape(len(h), self.heads, -1)
        read = torch.einsum("bnd,gnde->gbne", heads, self.r).reshape(4, len(h), -1)
        return lstm(*(a + b for a, b in zip(self.x(x).chunk(4, -1), read, strict=True)), c)
