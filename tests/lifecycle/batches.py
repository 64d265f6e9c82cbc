"""Models, batches and policies for what the first batch decides."""

from __future__ import annotations

import torch
from torch import nn

import rnninit_hooks as ri

LSUV = ri.loads(
    "version: 1\nseed: 5\nuntouched: allow\nrules:\n"
    "  - {id: unit, match: {module: Linear, parameter: 'weight$'}, init: {kind: lsuv}}\n"
    "  - {id: zero, match: {parameter: 'bias$'}, init: {kind: zeros}, idle: allow}\n"
)


def policy(match: str, init: str) -> ri.Policy:
    return ri.loads(
        "version: 1\nseed: 2\nuntouched: allow\nrules:\n"
        f"  - {{id: one, match: {match}, init: {init}}}\n"
    )  # fmt: skip


def relus(depth=3, width=16):
    return nn.Sequential(*(part for _ in range(depth) for part in (nn.Linear(width, width), nn.ReLU())))


def wild(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 7 + 3


def deviation(found):
    return found.detach().double().std().item()


def fresh(build=relus, *args):
    torch.manual_seed(0)
    return build(*args)


def outputs(model, *args):
    """What every leaf gives in one forward of the model."""
    found, handles = [], []
    for leaf in (module for module in model.modules() if not list(module.children())):
        handles.append(leaf.register_forward_hook(lambda _, __, out: found.append(out.detach())))
    with torch.no_grad():
        model(*args)
    for handle in handles:
        handle.remove()
    return found


class Stormy(nn.Module):
    """Everything that a second run of a leaf could disturb."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6), nn.Dropout(0.5)
        self.rnn, self.head = nn.LSTM(6, 5, 2, dropout=0.5, bidirectional=True, batch_first=True), nn.Linear(10, 3)

    def forward(self, x):
        x = self.drop(self.norm(self.conv(x))).transpose(1, 2)
        return self.head(self.rnn(x)[0])


STORMY = ri.loads(
    "version: 1\nuntouched: allow\nextends: builtin:lstm-classic\nrules:\n"
    "  - {id: unit, match: {parameter: '(conv|head).weight$'}, init: {kind: lsuv}}\n"
    "  - {id: gates, match: {kind: input}, init: {kind: lsuv}}\n"
    "  - {id: reach, match: {kind: bias, gate: retain}, init: {kind: lag_gradient, steps: 4, gain: 0.3}}\n"
)
STORM = wild(8, 4, 9)


class Breaks(nn.Module):
    """Fails the first time."""

    def __init__(self):
        super().__init__()
        self.times = 0

    def forward(self, x):
        self.times += 1
        if self.times == 1:
            raise RuntimeError("not yet")
        return x


def refuse(module, args):
    raise RuntimeError("no")


def wilder(module, args):
    return (args[0] * 10 - 4,)
