"""What a pending initialisation costs: `python -m tests.benchmarks.pending`, under a minute.

The forward of a model that was settled is compared with one that never met this package; attaching and settling are
compared with a hand-written per-gate loop of `torch.nn.init` over the same parameters.
"""

from __future__ import annotations

import platform
from collections.abc import Callable

import torch
from torch import nn

import rnninit_hooks as ri
from tests.benchmarks.pairs import compare


def tiny() -> nn.Module:
    return nn.Sequential(*(nn.Linear(4, 4) for _ in range(20)))


def recurrent() -> nn.Module:
    return nn.LSTM(64, 64, num_layers=2)


def loop(model: nn.Module) -> None:
    """lstm-classic by hand, every gate on its own."""
    for name, parameter in model.named_parameters():
        for block in parameter.data.chunk(4):
            if "weight_hh" in name:
                nn.init.orthogonal_(block)
            elif "weight" in name:
                nn.init.xavier_uniform_(block)
            else:
                nn.init.zeros_(block)
        if "bias_ih" in name:
            parameter.data.chunk(4)[1].fill_(1.0)


def settled(build: Callable[[], nn.Module], policy: ri.Policy | str, x: torch.Tensor) -> nn.Module:
    model = build().eval()
    ri.attach(model, policy)
    with torch.no_grad():
        model(x)
    return model


def row(name: str, ours: Callable[[], object], theirs: Callable[[], object], *, repeat: int = 1) -> None:
    print(f"{name:<44}{compare(ours, theirs, repeat=repeat)}")


def forwards() -> None:
    anything = ri.loads("version: 1\nrules:\n  - {id: all, match: {parameter: '.*'}, init: {kind: zeros}}\n")
    x, sequence = torch.ones(1, 4), torch.ones(10, 1, 64)
    with torch.no_grad():
        for name, build, policy, data in (
            ("forward, 20 tiny Linears", tiny, anything, x),
            ("forward, LSTM 64 x 2 layers, 10 steps", recurrent, "lstm-classic", sequence),
        ):
            ours, plain = settled(build, policy, data), build().eval()
            row(name, lambda m=ours, d=data: m(d), lambda m=plain, d=data: m(d), repeat=200)


def initialisations() -> None:
    for width in (64, 512):
        model = nn.LSTM(width, width, num_layers=2)
        x = torch.ones(1, 1, width)
        row(f"apply, LSTM {width} x 2", lambda m=model: ri.apply(m, "lstm-classic"), lambda m=model: loop(m))
        row(f"attach + settle, LSTM {width} x 2", lambda m=model: (ri.attach(m, "lstm-classic"), ri.materialize(m)), lambda m=model: loop(m))
        row(f"attach alone, LSTM {width} x 2", lambda m=model: ri.attach(m, "lstm-classic").remove(), lambda m=model, d=x: m(d))


def main() -> None:
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, Python {platform.python_version()}, {platform.machine()}, one thread, medians of 15 pairs\n")
    print(f"{'':<44}{'ours':>10}    {'without':>10}      ratio  (least to greatest)")
    forwards()
    initialisations()


if __name__ == "__main__":
    main()
