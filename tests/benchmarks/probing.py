"""What probing costs: `python -m tests.benchmarks.probing`, under two minutes.

One verification and one inference of a module, beside one forward of it on a batch of 32 sequences of 100 steps (cells:
100 calls). Verification of torch's own layers asks every layer and direction.
"""

from __future__ import annotations

import platform
from collections.abc import Callable

import torch
from torch import nn

import rnninit_hooks as ri
from tests.benchmarks.pairs import compare

SIZES = (32, 256, 1024)


def modules(size: int) -> dict[str, nn.Module]:
    return {
        "LSTMCell": nn.LSTMCell(size, size), "GRUCell": nn.GRUCell(size, size), "LSTM": nn.LSTM(size, size),
        "LSTM 2x2": nn.LSTM(size, size, num_layers=2, bidirectional=True),
    }  # fmt: skip


def forward(module: nn.Module, size: int) -> Callable[[], object]:
    x = torch.zeros(100, 32, size)

    @torch.no_grad()
    def cell() -> None:
        state = None
        for step in x:
            state = module(step, state)

    @torch.no_grad()
    def layer() -> None:
        module(x)

    return layer if isinstance(module, nn.RNNBase) else cell


def main() -> None:
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {platform.machine()}, one thread; medians of 5 pairs")
    print(f"{'':24}{'probing':>13} {'forward':>13}   {'ratio':>6}")
    for size in SIZES:
        for name, module in modules(size).items():
            run = forward(module, size)
            for word, verb in (("verify", ri.verify_layout), ("infer", ri.infer_layout)):
                if word == "verify" or name != "LSTM 2x2":
                    pair = compare(lambda: verb(module), run, rounds=5 if size < 1024 else 2)  # noqa: B023  # called at once
                    print(f"{word:7}{name:10}{size:6} {pair}")


if __name__ == "__main__":
    main()
