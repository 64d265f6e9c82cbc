"""Inference finds random cells or declines; it never guesses. And it leaves no trace on what it probes."""

from __future__ import annotations

import collections
import copy
import random

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.layouts import registry
from rnninit_hooks.probing.inferring import infer
from tests.layouts.odd_cells import OddCell, odd_cells
from tests.layouts.random_cells import RandomCell, Spec, build, specs

QUIET = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck), "phases": [Phase.generate]}


def wrong(spec: Spec, layout: ri.Layout) -> list[str]:
    """What a layout says that the spec does not."""
    faults = []
    for part in layout.parts:
        weight = not part.name.startswith("b")
        facts = (part.order, part.interleaved, part.transposed if weight else spec.transposed)
        if facts != (spec.order, spec.interleaved, spec.transposed):
            faults.append(f"{part.name}: {facts}")
        if not weight and part.sign != spec.signs[int(part.name[1:])]:
            faults.append(f"{part.name}: sign {part.sign}")
        if part.columns and [kind for kind, _ in part.columns] != (["recurrent", "input"] if spec.h_first else ["input", "recurrent"]):
            faults.append(f"{part.name}: columns {part.columns}")
    if dict(layout.polarity) != {spec.retain: spec.polarity}:
        faults.append(f"polarity {dict(layout.polarity)}")
    if {gate: round(value, 5) for gate, value in layout.constant.items()} != {gate: value for gate, value in spec.constant if value}:
        faults.append(f"constant {dict(layout.constant)}")
    return faults


def tally(examples: int, seed: int) -> collections.Counter[str]:
    """How many random cells are found, declined and wrong."""
    counts: collections.Counter[str] = collections.Counter()

    @hypothesis.seed(seed)
    @settings(max_examples=examples, **QUIET)
    @given(specs())
    def judge(spec: Spec) -> None:
        layout = infer(build(spec)).layout
        faults = [] if layout is None else wrong(spec, layout)
        counts["declined" if layout is None else "wrong" if faults else "found"] += 1
        assert not faults, (spec, faults)

    judge()
    return counts


def test_random_cells_are_found_or_declined_and_never_wrong():
    counts = tally(120, 0)
    assert counts["wrong"] == 0 and counts["found"] >= 0.95 * counts.total(), counts


@pytest.mark.slow
def test_two_thousand_random_cells():
    counts = tally(2000, 7)
    print(f"\ninference over {counts.total()} random cells: {dict(counts)}")
    assert counts["wrong"] == 0 and counts["found"] >= 0.95 * counts.total(), counts


TORCH = [
    (lambda: nn.LSTMCell(5, 7), ("input", "forget", "cell", "output"), {"forget": 1}),
    (lambda: nn.LSTMCell(5, 7, bias=False), ("input", "forget", "cell", "output"), {"forget": 1}),
    (lambda: nn.LSTM(6, 6, batch_first=True), ("input", "forget", "cell", "output"), {"forget": 1}),
    (lambda: nn.LSTM(5, 7, proj_size=3), ("input", "forget", "cell", "output"), {"forget": 1}),
    (lambda: nn.GRUCell(5, 7), ("reset", "update", "new"), {"update": 1}),
    (lambda: nn.GRU(5, 7, bias=False), ("reset", "update", "new"), {"update": 1}),
    (lambda: nn.RNNCell(5, 7), ("hidden",), {}),
]


@pytest.mark.parametrize("case", range(len(TORCH)))
def test_torch_s_own_cells_are_found_without_their_layouts(case, monkeypatch):
    build_module, order, polarity = TORCH[case]
    ri.Layout  # noqa: B018  # the registry is filled before it is emptied
    registry.layouts()
    monkeypatch.setattr(registry, "_BY_CLASS", {})
    monkeypatch.setattr(registry, "_BY_NAME", {})
    found = ri.infer_layout(build_module())
    assert found is not None
    assert {part.order for part in found.parts if part.order} == {order} and dict(found.polarity) == polarity and not found.constant
    assert found.separate == (("new",) if order[0] == "reset" and len(found.parts) > 2 else ())


class NormedCell(nn.Module):
    """Layer norm over all gates, +1 in forward, and one more norm on the way out."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.x, self.h = nn.Linear(size, 4 * hidden, bias=False), nn.Linear(hidden, 4 * hidden)
        self.gates, self.out = nn.LayerNorm(4 * hidden), nn.LayerNorm(hidden)

    def forward(self, x, state):
        h, c = state
        f, i, g, o = self.gates(self.x(x) + self.h(h)).chunk(4, -1)
        c = torch.sigmoid(f + 1) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(self.out(c)), c


class NormPerGate(nn.Module):
    """One norm for each gate, behind one weight on [x, h]."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.xh, self.norms = nn.Linear(size + hidden, 4 * hidden), nn.ModuleList(nn.LayerNorm(hidden) for _ in range(4))

    def forward(self, x, state):
        h, c = state
        blocks = self.xh(torch.cat([x, h], -1)).chunk(4, -1)
        i, f, g, o = (norm(block) for norm, block in zip(self.norms, blocks, strict=True))
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)


class Convolved(nn.Module):
    """A convolutional LSTM: gates over channels of one convolution of [x, h], i f o g."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(size + hidden, 4 * hidden, 3, padding=1)

    def forward(self, x, cur_state):
        h, c = cur_state
        i, f, o, g = self.conv(torch.cat([x, h], 1)).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class Batched(nn.Module):
    """A sequence of a layer of its own, batch first, with an optional state."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.hidden_size, self.cell = hidden, nn.GRUCell(size, hidden)

    def forward(self, inputs, state=None):
        h = inputs.new_zeros(inputs.shape[0], self.hidden_size) if state is None else state
        steps = []
        for x in inputs.unbind(1):
            h = self.cell(x, h)
            steps.append(h)
        return torch.stack(steps, 1), h


@pytest.mark.parametrize(
    ("cell", "orders", "constant"),
    [
        (NormedCell, {"x.weight": "fico", "h.weight": "fico", "gates.bias": "fico"}, {"forget": 1.0}),
        (NormPerGate, {"xh.weight": "ifco", "norms.0.bias": "i", "norms.1.bias": "f", "norms.2.bias": "c", "norms.3.bias": "o"}, {}),
        (Convolved, {"conv.weight": "ifoc", "conv.bias": "ifoc"}, {}),
    ],
)
def test_norms_and_convolutions_are_seen_through(cell, orders, constant):
    found = infer(cell(5, 7))
    assert found.layout is not None, found.reason
    assert {name: "".join(gate[0] for gate in order) for name, order in found.layout.order.items() if order} == orders
    assert dict(found.layout.constant) == constant and dict(found.layout.polarity) == {"forget": 1}


def test_a_batch_first_sequence_module_is_found():
    found = ri.infer_layout(Batched(5, 7))
    assert found is not None and found.order["cell.weight_hh"] == ("reset", "update", "new")


class Raising(nn.Module):
    """Draws numbers, counts its calls, and fails the third time."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(4, 4)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x, state):
        self.calls += 1
        torch.rand(3)
        if self.calls > 2:
            raise RuntimeError("no more")
        return self.cell(x, state)


class Keeping(nn.Module):
    """Keeps its state, with its graph, between calls: deepcopy alone would refuse it."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.last = nn.LSTMCell(4, 6), None

    def forward(self, x, state):
        self.last = self.cell(x, state)
        return self.last


@pytest.mark.parametrize("build_module", [Raising, Keeping, lambda: nn.LSTM(4, 4, 2, bidirectional=True, dropout=0.5)])
@pytest.mark.parametrize("verb", [ri.infer_layout, ri.verify_layout, lambda module: ri.inspect(module, probe=True)])
def test_the_module_its_buffers_and_the_random_stream_stay_as_they_are(build_module, verb):
    module = build_module()
    if isinstance(module, Keeping):
        module(torch.ones(1, 4), (torch.ones(1, 6), torch.ones(1, 6)))
    before, kept = copy.deepcopy(module.state_dict()), getattr(module, "last", None)
    identities = [id(p) for p in module.parameters()]
    torch.manual_seed(3)
    stream = torch.get_rng_state()
    verb(module)
    assert torch.equal(torch.get_rng_state(), stream)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert [id(p) for p in module.parameters()] == identities and module.training and getattr(module, "last", None) is kept
    assert all(p.grad is None for p in module.parameters())


def test_a_pending_model_stays_pending_when_it_is_probed():
    module = nn.LSTM(4, 4)
    handle = ri.attach(module, "lstm-classic")
    assert ri.verify_layout(module) == () and ri.infer_layout(module) is not None
    assert handle.pending and set(handle.status.values()) == {"pending"}


class TwoMemories(nn.Module):
    """Nobody's cell: what is kept depends on the product of two gates."""

    def __init__(self) -> None:
        super().__init__()
        self.x, self.h = nn.Linear(4, 12), nn.Linear(4, 12)

    def forward(self, x, h):
        a, b, n = (self.x(x) + self.h(h)).chunk(3, -1)
        return torch.sigmoid(a) * torch.sigmoid(b) * h + torch.tanh(n)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.Linear(3, 4), "no way was found to call it"),
        (TwoMemories(), "each decide alone"),
        (nn.ReLU(), "no parameters"),
        (nn.LSTMCell(3, 4, device="meta"), "meta device"),
        (nn.LSTM(3, 4, num_layers=2), "no way was found to call it"),
    ],
)
def test_not_found_comes_with_the_reason(module, words):
    found = infer(module)
    assert found.layout is None and words in str(found.reason)
    assert ri.infer_layout(module) is None


def test_a_class_is_refused():
    with pytest.raises(TypeError, match="call the class first"):
        ri.infer_layout(nn.LSTMCell)


def test_wrong_has_teeth():
    spec = Spec("lstm", 3, 4, ("input", "forget", "cell", "output"), False, False, 1, (), (1,), False, False, True)
    layout = infer(RandomCell(spec)).layout
    assert layout is not None and wrong(spec, layout) == []
    other = Spec("lstm", 3, 4, ("forget", "input", "cell", "output"), False, False, 1, (), (1,), False, False, True)
    assert wrong(other, layout)


class Nameless(nn.RNNCell):
    """A plain cell whose state comes first, under names that say nothing; sizes do not tell either."""

    def forward(self, a, b):
        return super().forward(b, a)


class NamelessGRU(nn.GRUCell):
    def forward(self, a, b):
        return super().forward(b, a)


@pytest.mark.parametrize("cell", [Nameless, NamelessGRU])
def test_arguments_that_nothing_tells_apart_are_not_guessed(cell):
    assert infer(cell(5, 5)).layout is None


class Dicey(nn.Module):
    """Draws from every stream there is."""

    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(3, 4)

    def forward(self, x, state):
        random.random(), np.random.rand(), torch.rand(1)
        return self.cell(x, state)


def test_other_random_streams_stay_too():
    random.seed(1), np.random.seed(1)
    states = random.getstate(), np.random.get_state()[1].tolist()
    assert ri.infer_layout(Dicey()) is not None
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states


class Moody(nn.Module):
    """Runs until a gate is pushed far, then raises what nobody expects."""

    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(3, 4)

    def forward(self, x, state):
        if self.cell.bias_ih.abs().max() > 30:
            raise KeyError("enough")
        return self.cell(x, state)


def test_whatever_a_foreign_module_raises_is_told():
    assert "enough" in str(infer(Moody()).reason)
    assert {finding.code for finding in ri.verify_layout(Moody())} <= {"RNN116"}


def tally_odd(examples: int, seed: int) -> collections.Counter[str]:
    """The same of cells that leave the known family: a constant may stay unsaid there, but not be wrong."""
    counts: collections.Counter[str] = collections.Counter()

    @hypothesis.seed(seed)
    @settings(max_examples=examples, **QUIET)
    @given(odd_cells)
    def judge(cell: OddCell) -> None:
        layout = infer(cell).layout
        counts["declined" if layout is None else "found"] += 1
        if layout is not None:
            added = {gate: value for gate, value in cell.spec.constant if value}
            claimed = {gate: round(value, 5) for gate, value in layout.constant.items()}
            assert claimed.items() <= added.items() and (claimed == added or layout.confidence < 1), (claimed, added)
            assert not [fault for fault in wrong(cell.spec, layout) if not fault.startswith("constant")]

    judge()
    return counts


def test_odd_cells_are_declined_or_right():
    counts = tally_odd(40, 0)
    assert counts["declined"] > 5 and counts["found"] > 5, counts


@pytest.mark.slow
def test_a_thousand_odd_cells():
    counts = tally_odd(1000, 3)
    print(f"\ninference over {counts.total()} odd cells: {dict(counts)}")
    assert counts["declined"] > 100 and counts["found"] > 100, counts
