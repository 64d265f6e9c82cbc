"""Other code's starts, rebuilt on torch modules from its own matrices in its own order: what the presets are held against.

Each is written from the source that the preset's file names. The seed is the argument of `start`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

I, H = 48, 64  # noqa: E741
Start = Callable[[], nn.Module]


def filled(module: nn.Module, w_x: Tensor, w_h: Tensor, felt: Tensor) -> nn.Module:
    """Matrices (rows, columns) in torch's order of gates, and what the gates feel in one of the two bias vectors."""
    with torch.no_grad():
        for (name, parameter), value in zip(module.named_parameters(), (w_x, w_h, felt, torch.zeros_like(felt)), strict=True):
            assert parameter.shape == value.shape, name
            parameter.copy_(value)
    return module


def glorot(columns: int, rows: int) -> Tensor:
    bound = math.sqrt(6.0 / (columns + rows))
    return torch.empty(columns, rows).uniform_(-bound, bound)


def cut(std: float, *shape: int) -> Tensor:
    """A normal cut at two of its own standard deviations."""
    return nn.init.trunc_normal_(torch.empty(*shape), std=std, a=-2.0 * std, b=2.0 * std)


def reordered(matrix: Tensor, found: str, wanted: str) -> Tensor:
    """Blocks of columns, from one order of gates to another, turned into rows."""
    blocks = dict(zip(found, matrix.chunk(len(found), dim=-1), strict=True))
    return torch.cat([blocks[gate].mT if matrix.dim() == 2 else blocks[gate] for gate in wanted])


def keras_lstm() -> nn.Module:
    w_x, w_h, bias = glorot(I, 4 * H), nn.init.orthogonal_(torch.empty(H, 4 * H)), torch.zeros(4 * H)
    bias[H : 2 * H] = 1.0
    return filled(nn.LSTM(I, H), w_x.mT, w_h.mT, bias)


def keras_gru() -> nn.Module:
    w_x, w_h = glorot(I, 3 * H), nn.init.orthogonal_(torch.empty(H, 3 * H))
    return filled(nn.GRU(I, H), reordered(w_x, "zrn", "rzn"), reordered(w_h, "zrn", "rzn"), torch.zeros(3 * H))


def flax(module: nn.Module, gates: int) -> nn.Module:
    std = 1.0 / math.sqrt(I) / 0.87962566103423978
    w_h = torch.cat([nn.init.orthogonal_(torch.empty(H, H)) for _ in range(gates)])
    return filled(module, cut(std, gates * H, I), w_h, torch.zeros(gates * H))


def haiku_lstm() -> nn.Module:
    joint, bias = cut(1.0 / math.sqrt(I + H), I + H, 4 * H), torch.zeros(4 * H)
    bias[2 * H : 3 * H] += 1.0  # added in forward: i g f o
    turned = [reordered(part, "igfo", "ifgo") for part in joint.split([I, H])]
    return filled(nn.LSTM(I, H), *turned, reordered(bias, "igfo", "ifgo"))


def haiku_gru() -> nn.Module:
    correction = 0.87962566103423978
    w_x, w_h = cut(1 / math.sqrt(I) / correction, I, 3 * H), cut(1 / math.sqrt(H) / correction, H, 3 * H)
    return filled(nn.GRU(I, H), reordered(w_x, "zrn", "rzn"), reordered(w_h, "zrn", "rzn"), torch.zeros(3 * H))


def tf1_lstm() -> nn.Module:
    joint, bias = glorot(I + H, 4 * H), torch.zeros(4 * H)
    bias[2 * H : 3 * H] += 1.0  # forget_bias, added in call: i j f o
    turned = [reordered(part, "ijfo", "ifjo") for part in joint.split([I, H])]
    return filled(nn.LSTM(I, H), *turned, reordered(bias, "ijfo", "ifjo"))


def tf1_gru() -> nn.Module:
    gates, candidate = glorot(I + H, 2 * H), glorot(I + H, H)
    joint = torch.cat([gates, candidate], dim=1)
    w_x, w_h = (part.mT for part in joint.split([I, H]))
    return filled(nn.GRU(I, H), w_x, w_h, torch.cat([torch.ones(2 * H), torch.zeros(H)]))


def tf1_rnn() -> nn.Module:
    w_x, w_h = (part.mT for part in glorot(I + H, H).split([I, H]))
    return filled(nn.RNN(I, H), w_x, w_h, torch.zeros(H))


def mxnet(module: nn.Module) -> nn.Module:
    for name, parameter in module.named_parameters():
        nn.init.zeros_(parameter) if "bias" in name else nn.init.uniform_(parameter, -0.07, 0.07)
    return module


def haste(module: nn.Module, found: str, wanted: str) -> nn.Module:
    w_x, w_h, bias = torch.empty(I, len(found) * H), torch.empty(H, len(found) * H), torch.zeros(len(found) * H)
    for gate, (x, h, b) in zip(found, zip(*(t.split(H, dim=-1) for t in (w_x, w_h, bias)), strict=True), strict=True):
        nn.init.xavier_uniform_(x)
        nn.init.orthogonal_(h)
        nn.init.constant_(b, float(gate == "f"))
    return filled(module, *(reordered(part, found, wanted) for part in (w_x, w_h, bias)))


def cleanrl(module: nn.Module) -> nn.Module:
    for name, parameter in module.named_parameters():
        nn.init.constant_(parameter, 0) if "bias" in name else nn.init.orthogonal_(parameter, 1.0)
    return module


def irnn() -> nn.Module:
    return filled(nn.RNN(I, H, nonlinearity="relu"), 0.001 * torch.randn(H, I), torch.eye(H), torch.zeros(H))


def forgetting(value: float, vectors: int) -> nn.Module:
    """torch's own start with the forget slice of one or of both bias vectors overwritten."""
    lstm = nn.LSTM(I, H)
    with torch.no_grad():
        for bias in (lstm.bias_ih_l0, lstm.bias_hh_l0)[:vectors]:
            bias[H : 2 * H] = value
    return lstm


STARTS: dict[str, Start] = {
    "keras lstm": keras_lstm,
    "keras gru": keras_gru,
    "flax lstm": lambda: flax(nn.LSTM(I, H), 4),
    "flax gru": lambda: flax(nn.GRU(I, H), 3),
    "flax rnn": lambda: flax(nn.RNN(I, H), 1),
    "haiku lstm": haiku_lstm,
    "haiku gru": haiku_gru,
    "tf1 lstm": tf1_lstm,
    "tf1 gru": tf1_gru,
    "tf1 rnn": tf1_rnn,
    "mxnet lstm": lambda: mxnet(nn.LSTM(I, H)),
    "mxnet gru": lambda: mxnet(nn.GRU(I, H)),
    "haste lstm": lambda: haste(nn.LSTM(I, H), "igfo", "ifgo"),
    "haste gru": lambda: haste(nn.GRU(I, H), "zrn", "rzn"),
    "torch lstm": partial(nn.LSTM, I, H),
    "torch gru": partial(nn.GRU, I, H),
    "torch rnn": partial(nn.RNN, I, H),
    "cleanrl lstm": lambda: cleanrl(nn.LSTM(I, H)),
    "cleanrl gru": lambda: cleanrl(nn.GRU(I, H)),
    "joeynmt lstm": lambda: forgetting(1.0, 2),
    "one vector lstm": lambda: forgetting(1.0, 1),
    "irnn": irnn,
}


def start(name: str, seed: int = 0) -> nn.Module:
    """A module as that code starts it; the global stream is put back."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return STARTS[name]()
