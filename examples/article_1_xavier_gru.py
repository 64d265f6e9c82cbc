"""Xavier on a GRU, done right: the fans of each gate, not of the stack of three."""

from __future__ import annotations

import torch
from torch import nn

import rnninit_hooks as ri

RULES = """
version: 1
seed: 1
rules:
  - id: weights-xavier
    match: {module: GRU, kind: [input, recurrent]}
    init: {kind: xavier_uniform}
    why: 'Glorot and Bengio 2010, with the fans of one gate'
  - id: biases-zero
    match: {module: GRU, kind: bias}
    init: {kind: zeros}
"""


def main() -> None:
    policy = ri.loads(RULES, name="article_1.yaml")

    usual = nn.GRU(64, 128)
    for name, parameter in usual.named_parameters():  # the loop of the article
        if "weight" in name:
            nn.init.xavier_uniform_(parameter)
        else:
            nn.init.zeros_(parameter)
    verdict = ri.check(usual, policy)
    print("The loop over parameter names:")
    print(verdict)
    assert {finding.code for finding in verdict.findings} == {"RNN203"}, "each gate is drawn with the fans of the stack"

    model = nn.GRU(64, 128)
    print(ri.plan(model, policy))
    ri.apply(model, policy)
    verdict = ri.check(model, policy)
    print(verdict)
    assert verdict.ok
    bound = model.weight_hh_l0.abs().max().item()
    print(f"largest weight {bound:.4f}; per gate sqrt(6/256) = {(6 / 256) ** 0.5:.4f}, stacked {(6 / 512) ** 0.5:.4f}")
    assert torch.isfinite(model(torch.randn(20, 3, 64))[0]).all()


if __name__ == "__main__":
    main()
