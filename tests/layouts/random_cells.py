"""Fused cells made at random: any order, axis, interleaving, polarity, constants, bias partners and column order."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

STYLES = ("lstm", "cifg", "gru_before", "gru_after", "minimal")
GATES = {
    "lstm": ("input", "forget", "cell", "output"),
    "cifg": ("forget", "cell", "output"),
    "gru_before": ("reset", "update", "new"),
    "gru_after": ("reset", "update", "new"),
    "minimal": ("update", "new"),
}
RETAIN = {"lstm": "forget", "cifg": "forget"}


@dataclass(frozen=True)
class Spec:
    """What a random cell is made of. `signs` has one entry per bias; `h_first` and `concat` speak of the columns."""

    style: str
    input: int
    hidden: int
    order: tuple[str, ...]
    transposed: bool
    interleaved: bool
    polarity: int
    constant: tuple[tuple[str, float], ...]
    signs: tuple[int, ...]
    concat: bool
    h_first: bool
    packed: bool

    @property
    def retain(self) -> str:
        return RETAIN.get(self.style, "update")


class RandomCell(nn.Module):
    """A cell as a spec says."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec, rows = spec, spec.hidden * len(spec.order)
        if spec.concat:
            self.kernel = self._weight(rows, spec.input + spec.hidden)
        else:
            self.wx, self.wh = self._weight(rows, spec.input), self._weight(rows, spec.hidden)
        for k in range(len(spec.signs)):
            setattr(self, f"b{k}", nn.Parameter(torch.randn(rows)))

    def _weight(self, rows: int, columns: int) -> nn.Parameter:
        shape = (columns, rows) if self.spec.transposed else (rows, columns)
        return nn.Parameter(torch.randn(shape) / columns**0.5)

    def _halves(self) -> tuple[Tensor, Tensor]:
        spec = self.spec
        if not spec.concat:
            return (self.wx.mT, self.wh.mT) if spec.transposed else (self.wx, self.wh)
        kernel = self.kernel.mT if spec.transposed else self.kernel
        if spec.h_first:
            return kernel[:, spec.hidden :], kernel[:, : spec.hidden]
        return kernel[:, : spec.input], kernel[:, spec.input :]

    def _block(self, whole: Tensor, gate: str) -> Tensor:
        index, size, count = self.spec.order.index(gate), self.spec.hidden, len(self.spec.order)
        return whole[index::count] if self.spec.interleaved else whole[index * size : (index + 1) * size]

    def _parts(self, gate: str, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        from_x, from_h = (self._block(half, gate) for half in self._halves())
        biases = [sign * self._block(getattr(self, f"b{k}"), gate) for k, sign in enumerate(self.spec.signs)]
        side_x = x @ from_x.mT + sum(biases[:1], torch.zeros(self.spec.hidden, dtype=x.dtype)) + dict(self.spec.constant).get(gate, 0.0)
        return side_x, h @ from_h.mT + sum(biases[1:], torch.zeros(self.spec.hidden, dtype=x.dtype))

    def _gate(self, gate: str, x: Tensor, h: Tensor) -> Tensor:
        return torch.sigmoid(sum(self._parts(gate, x, h)))

    def _kept(self, x: Tensor, h: Tensor) -> Tensor:
        share = self._gate(self.spec.retain, x, h)
        return share if self.spec.polarity > 0 else 1 - share

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        h, c = state if isinstance(state, tuple | list) else (state, state)
        kept = self._kept(x, h)
        if self.spec.style in ("lstm", "cifg"):
            written = self._gate("input", x, h) if self.spec.style == "lstm" else 1 - kept
            c = kept * c + written * torch.tanh(sum(self._parts("cell", x, h)))
            h = self._gate("output", x, h) * torch.tanh(c)
            return h, c
        return kept * h + (1 - kept) * self._new(x, h)

    def _new(self, x: Tensor, h: Tensor) -> Tensor:
        if self.spec.style == "gru_before":
            return torch.tanh(sum(self._parts("new", x, self._gate("reset", x, h) * h)))
        side_x, side_h = self._parts("new", x, h)
        reset = self._gate("reset", x, h) if self.spec.style == "gru_after" else 1.0
        return torch.tanh(side_x + reset * side_h)


class PairCell(RandomCell):
    """The same, with the states as arguments of their own and the memory returned last."""

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        return super().forward(x, (h, c))


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """Any spec; a cell whose candidate is split by a gate keeps its columns apart, as it must."""
    style = draw(st.sampled_from(STYLES))
    gates = GATES[style]
    constants = st.sampled_from((0.0, 0.0, 1.0, -1.0, 0.5, 2.0))
    return Spec(
        style, draw(st.integers(1, 6)), draw(st.integers(2, 7)), tuple(draw(st.permutations(gates))),
        draw(st.booleans()), draw(st.booleans()), draw(st.sampled_from((1, -1))),
        tuple((gate, draw(constants)) for gate in gates), tuple(draw(st.lists(st.sampled_from((1, -1)), max_size=3))),
        style != "gru_after" and draw(st.booleans()), draw(st.booleans()), draw(st.booleans()),
    )  # fmt: skip


def build(spec: Spec) -> RandomCell:
    """The cell of a spec."""
    return (PairCell if not spec.packed and spec.style in ("lstm", "cifg") else RandomCell)(spec)
