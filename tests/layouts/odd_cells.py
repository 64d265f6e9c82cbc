"""Random cells that leave the known family: other gate functions, other candidates, and things that stand in the way."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import nn

from tests.layouts.random_cells import RandomCell, Spec, specs

GATES = {
    "sigmoid": torch.sigmoid, "hard": nn.functional.hardsigmoid, "steep": lambda v: torch.sigmoid(2 * v),
    "half": lambda v: 0.5 * torch.sigmoid(v) + 0.25, "softsign": lambda v: 0.5 + 0.5 * nn.functional.softsign(v),
    "exp": lambda v: torch.exp(v.clamp(max=3)),
}  # fmt: skip
CANDIDATES = {
    "tanh": torch.tanh, "relu": torch.relu, "id": lambda v: v, "sin": torch.sin, "softplus": nn.functional.softplus,
    "sigmoid": torch.sigmoid, "leaky": nn.functional.leaky_relu,
}  # fmt: skip
TWISTS = ("none", "none", "scaled", "second input", "zoneout", "residual")


class OddCell(RandomCell):
    """A random cell with one thing or another changed."""

    def __init__(self, spec: Spec, gate: str, candidate: str, twist: str) -> None:
        super().__init__(spec)
        self.gate, self.candidate, self.twist = GATES[gate], CANDIDATES[candidate], twist
        if twist == "scaled":
            self.scale = nn.Parameter(torch.randn(spec.hidden))
        if twist == "second input":
            self.again = nn.Linear(spec.input, spec.hidden)

    def _gate(self, gate, x, h):
        return self.gate(sum(self._parts(gate, x, h)))

    def forward(self, x, state):
        h, c = state if isinstance(state, tuple | list) else (state, state)
        kept = self._kept(x, h)
        if self.spec.style not in ("lstm", "cifg"):
            return self._twisted(x, h, kept * h + (1 - kept) * self._new(x, h))
        written = self._gate("input", x, h) if self.spec.style == "lstm" else 1 - kept
        new = self._twisted(x, c, kept * c + written * self.candidate(sum(self._parts("cell", x, h))))
        return self._gate("output", x, h) * torch.tanh(new), new

    def _twisted(self, x, old, new):
        if self.twist == "scaled":
            return new * self.scale
        if self.twist == "second input":
            return new + self.again(x)
        return {"zoneout": 0.1 * old + 0.9 * new, "residual": new + 0.1 * torch.tanh(old)}.get(self.twist, new)

    def _new(self, x, h):
        if self.spec.style == "gru_before":
            return self.candidate(sum(self._parts("new", x, self._gate("reset", x, h) * h)))
        side_x, side_h = self._parts("new", x, h)
        reset = self._gate("reset", x, h) if self.spec.style == "gru_after" else 1.0
        return self.candidate(side_x + reset * side_h)


odd_cells = st.builds(OddCell, specs(), st.sampled_from(sorted(GATES)), st.sampled_from(sorted(CANDIDATES)), st.sampled_from(TWISTS))
