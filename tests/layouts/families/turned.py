"""x @ W, interleaved gates, rows of 2-D biases, and what other frameworks keep."""

from __future__ import annotations

import torch
from torch import nn

from tests.layouts.families import bias, family, lstm, part, weight

XH = (("input", None), ("recurrent", "hidden_size"))
TURNED = {"axis": 1, "transposed": True}


class Kernel(nn.Module):
    blocks, biases = 4, ("bias",)

    def __init__(self, size, hidden):
        super().__init__()
        self.hidden_size = hidden
        self.kernel, self.recurrent_kernel = weight(size, self.blocks * hidden), weight(hidden, self.blocks * hidden)
        for name in self.biases:
            setattr(self, name, weight(self.blocks * hidden))


def kernels(letters):
    return part("kernel", "input", letters, **TURNED), part("recurrent_kernel", "recurrent", letters, **TURNED)


@family(*kernels("igfo"), bias("bias", "igfo"), keep="f")
class HasteLSTM(Kernel):
    def forward(self, x, state):
        h, c = state
        i, g, f, o = (x @ self.kernel + h @ self.recurrent_kernel + self.bias).chunk(4, -1)
        return lstm(i, f, g, o, c)


@family(*kernels("zrn"), bias("bias", "zrn", "x"), bias("recurrent_bias", "zrn", "h"), keep="z", separate=("new",))
class HasteGRU(Kernel):
    blocks, biases = 3, ("bias", "recurrent_bias")

    def forward(self, x, h):
        z, r, n = (x @ self.kernel + self.bias).chunk(3, -1)
        v, u, w = (h @ self.recurrent_kernel + self.recurrent_bias).chunk(3, -1)
        z = torch.sigmoid(z + v)
        return z * h + (1 - z) * torch.tanh(n + torch.sigmoid(r + u) * w)


@family(*kernels("zrn"), bias("bias:in", "zrn", "x").__class__("bias_in", "bias", kind="bias", order=("update", "reset", "new"), axis=1,
        partner="x", effective="bias", fixed=((0, 0),)),
        bias("bias:rec", "zrn", "h").__class__("bias_rec", "bias", kind="bias", order=("update", "reset", "new"), axis=1,
        partner="h", effective="bias", fixed=((0, 1),)), keep="z", separate=("new",))  # fmt: skip
class KerasGRU(Kernel):
    """Two biases in the rows of one tensor."""

    blocks, biases = 3, ()

    def __init__(self, size, hidden):
        super().__init__(size, hidden)
        self.bias = weight(2, 3 * hidden)

    def forward(self, x, h):
        z, r, n = (x @ self.kernel + self.bias[0]).chunk(3, -1)
        v, u, w = (h @ self.recurrent_kernel + self.bias[1]).chunk(3, -1)
        z = torch.sigmoid(z + v)
        return z * h + (1 - z) * torch.tanh(n + torch.sigmoid(r + u) * w)


@family(part("weight_ih", "input", "fiog", **TURNED), part("weight_hh", "recurrent", "fiog", **TURNED), bias("bias", "fiog"), keep="f")
class BatchNormLSTM(nn.Module):
    """Torch's names, the other axis, another order."""

    def __init__(self, size, hidden):
        super().__init__()
        self.weight_ih, self.weight_hh, self.bias = weight(size, 4 * hidden), weight(hidden, 4 * hidden), weight(4 * hidden)

    def forward(self, x, hx):
        h, c = hx
        f, i, o, g = torch.split(torch.addmm(self.bias, h, self.weight_hh) + x @ self.weight_ih, h.shape[1], 1)
        return lstm(i, f, g, o, c)


@family(part("kernel", None, "igfo", columns=XH, **TURNED), bias("bias", "igfo"), keep="f", adds={"f": 1.0}, size="hidden_size")
class BasicLSTM(nn.Module):
    """i j f o on one kernel of [x, h], and forward adds 1."""

    def __init__(self, size, hidden):
        super().__init__()
        self.hidden_size, self.kernel, self.bias = hidden, weight(size + hidden, 4 * hidden), weight(4 * hidden)

    def forward(self, x, state):
        c, h = state[1], state[0]
        i, j, f, o = (torch.cat([x, h], 1) @ self.kernel + self.bias).chunk(4, 1)
        return lstm(i, f + 1.0, j, o, c)


@family(part("upward.weight", "input", "gifo", interleaved=True), bias("upward.bias", "gifo", interleaved=True), part("lateral.weight", "recurrent", "gifo", interleaved=True), keep="f")
class Interleaved(nn.Module):
    """The gate index runs fastest."""

    def __init__(self, size, hidden):
        super().__init__()
        self.upward, self.lateral = nn.Linear(size, 4 * hidden), nn.Linear(hidden, 4 * hidden, bias=False)

    def forward(self, x, state):
        h, c = state
        a, i, f, o = (self.upward(x) + self.lateral(h)).reshape(len(x), -1, 4).unbind(2)
        return lstm(i, f, a, o, c)


@family(part("weight", "input", "nfr".replace("f", "z").replace("r", "o"), axis=1, transposed=True, interleaved=True),
        bias("bias", "zo"), part("skip.weight", None, ""), keep="z", found=False, why="what comes out is mixed with the input")  # fmt: skip
class SRU(nn.Module):
    """One weight, gate index fastest; f and r have contiguous biases."""

    def __init__(self, size, hidden):
        super().__init__()
        self.weight, self.bias = weight(size, 3 * hidden), weight(2 * hidden)
        self.skip = nn.Linear(size, hidden, bias=False)

    def forward(self, x, c):
        u, f, r = (x @ self.weight).reshape(len(x), -1, 3).unbind(2)
        bf, br = self.bias.chunk(2)
        f, r = torch.sigmoid(f + bf), torch.sigmoid(r + br)
        c = f * c + (1 - f) * u
        return r * torch.tanh(c) + (1 - r) * self.skip(x), c


@family(part("w", "input", "zrn", **TURNED), part("u", "recurrent", "zrn", **TURNED), bias("b", "zrn"), write="z")
class WritingGRU(nn.Module):
    """Haiku's: an open update gate takes the new value, and reset comes before the product."""

    def __init__(self, size, hidden):
        super().__init__()
        self.w, self.u, self.b = weight(size, 3 * hidden), weight(hidden, 3 * hidden), weight(3 * hidden)

    def forward(self, x, state):
        xz, xr, xn = (x @ self.w + self.b).chunk(3, -1)
        wz, wr, wn = self.u.chunk(3, -1)
        z, r = torch.sigmoid(xz + state @ wz), torch.sigmoid(xr + state @ wr)
        return (1 - z) * state + z * torch.tanh(xn + (r * state) @ wn)


@family(part("weight_ih", "input", "h"), part("weight_hh", "recurrent", "h"), bias("bias", "h"))
class IndRNN(nn.Module):
    """Every unit sees its own state alone: a vector under the name of a matrix."""

    def __init__(self, size, hidden):
        super().__init__()
        self.weight_ih, self.weight_hh, self.bias = weight(hidden, size), weight(hidden), weight(hidden)

    def forward(self, x, h):
        return torch.relu(x @ self.weight_ih.mT + self.weight_hh * h + self.bias)
