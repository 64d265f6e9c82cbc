"""Four cells, four conventions, one rule: keep 0.9 of the state. The fourth cell is described by nobody but the probe.

    python examples/unknown_cell.py
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

import rnninit_hooks as ri


class WritingCell(nn.Module):
    """A GRU without reset whose open gate overwrites, on x @ W, candidate first, with 1 added in forward."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(size + hidden, 2 * hidden) * 0.1)
        self.shift = nn.Parameter(torch.zeros(2 * hidden))

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        new, write = (torch.cat([x, state], -1) @ self.kernel + self.shift).chunk(2, -1)
        share = torch.sigmoid(write + 1)
        return (1 - share) * state + share * torch.tanh(new)


def main() -> None:
    torch.manual_seed(0)
    model = nn.ModuleDict(
        {"lstm": nn.LSTM(8, 16, num_layers=2), "gru": nn.GRUCell(8, 16), "odd": WritingCell(8, 16), "rnn": nn.RNNCell(8, 16)}
    )
    found = ri.infer_layout(model["odd"])
    assert found is not None
    print("what probing found of WritingCell:")
    for line in found.evidence:
        print(f"  {line}")
    ri.register_layout(found)
    assert ri.verify_layout(model["odd"]) == ()
    rule = ri.Rule(id="remember", match=ri.Match(kind="bias", gate="retain"), init=ri.Timescale(steps=10))
    policy = ri.Policy(rules=[rule], untouched="allow")
    before = ri.inspect(model, probe=True).memory
    ri.apply(model, policy)
    assert ri.check(model, policy).ok
    print("share of the state that is kept in a step, before and after the rule `timescale: 10 steps`:")
    for old, new in zip(before, ri.inspect(model, probe=True).memory, strict=True):
        print(f"  {old.name:24} {old.retention:.3f} -> {new.retention:.3f}")


if __name__ == "__main__":
    main()
