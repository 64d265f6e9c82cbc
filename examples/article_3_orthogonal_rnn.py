"""Orthogonal recurrence: exact on a plain RNN, and what the same line does to the four gates of an LSTM."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import rnninit_hooks as ri

HIDDEN, STEPS = 64, 50


def gradient_over_time(model: nn.LSTM, seed: int) -> float:
    """|d h_50 / d c_0| of an LSTM with forget bias 1, the quantity that memory depends on."""
    generator = torch.Generator().manual_seed(seed)
    state = torch.zeros(1, 1, HIDDEN, requires_grad=True)
    inputs = torch.randn(STEPS, 1, 16, generator=generator)
    _, (last, _) = model(inputs, (torch.zeros(1, 1, HIDDEN), state))
    (gradient,) = torch.autograd.grad(last.norm(), state)
    return gradient.norm().item()


def geometric_mean(values: list[float]) -> float:
    return Tensor(values).log().mean().exp().item()


def main() -> None:
    rnn = nn.RNN(16, HIDDEN)
    ri.apply(rnn, "rnn-orthogonal")
    print(ri.check(rnn, "rnn-orthogonal"))
    weight = rnn.weight_hh_l0.detach()
    print(f"RNN: max|W W' - I| = {(weight @ weight.mT - torch.eye(HIDDEN)).abs().max():.1e}")

    stacked, per_gate = [], []
    for seed in range(5):
        lstm = nn.LSTM(16, HIDDEN)
        ri.apply(lstm, ri.preset("lstm-classic").model_copy(update={"seed": seed}))
        per_gate.append(gradient_over_time(lstm, seed))
        nn.init.orthogonal_(lstm.weight_hh_l0, generator=torch.Generator().manual_seed(seed))
        stacked.append(gradient_over_time(lstm, seed))
    verdict = ri.check(lstm, "lstm-classic")
    print(verdict)
    assert {finding.code for finding in verdict.findings} == {"RNN203"}
    print("gradient over 50 steps, 5 seeds, per gate:", " ".join(f"{value:.1e}" for value in per_gate))
    print("gradient over 50 steps, 5 seeds, stacked: ", " ".join(f"{value:.1e}" for value in stacked))
    print(f"the stacked line carries {geometric_mean(per_gate) / geometric_mean(stacked):.0f} times less")


if __name__ == "__main__":
    main()
