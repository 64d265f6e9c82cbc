"""The forget gate of an LSTM: the name test that matches nothing, the loop that doubles, and the rule that says it."""

from __future__ import annotations

import torch
from torch import nn

import rnninit_hooks as ri

BY_NAME = """
version: 1
rules:
  - id: forget-by-name
    match: {parameter: 'forget'}
    init: {kind: constant, value: 1.0}
untouched: allow
"""
BY_GATE = """
version: 1
rules:
  - id: biases-zero
    match: {kind: bias}
    init: {kind: zeros}
  - id: forget-open
    match: {kind: bias, gate: forget}
    init: {kind: constant, value: 1.0}
    why: 'Gers 2000, Jozefowicz 2015: effective, on every layer and direction'
untouched: allow
"""


def main() -> None:
    model = nn.LSTM(8, 16, num_layers=2, bidirectional=True)

    touched = [name for name, _ in model.named_parameters() if "forget" in name]
    print(f"'forget' in name holds for {len(touched)} of {len(list(model.parameters()))} parameters")
    dead = ri.plan(model, ri.loads(BY_NAME, name="by_name.yaml"))
    print(dead)
    assert [finding.code for finding in dead.findings] == ["RNN101"]

    policy = ri.loads(BY_GATE, name="by_gate.yaml")
    doubled = nn.LSTM(8, 16, num_layers=2, bidirectional=True)
    for name, parameter in doubled.named_parameters():  # the best-liked answer of the forum
        if "bias" in name:
            nn.init.zeros_(parameter)
            parameter.data[16:32].fill_(1.0)
    verdict = ri.check(doubled, policy)
    print(verdict)
    assert {finding.code for finding in verdict.findings} == {"RNN202"}, "b_ih and b_hh add up to 2"

    ri.apply(model, policy)
    verdict = ri.check(model, policy)
    print(verdict)
    assert verdict.ok
    for row in ri.inspect(model).rows:
        if row.retention is not None:
            print(f"{row.address}: bias {row.effective_bias:.2f}, keeps {row.retention:.3f} a step")
    assert torch.isfinite(model(torch.randn(5, 2, 8))[0]).all()


if __name__ == "__main__":
    main()
