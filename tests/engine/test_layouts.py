"""The registry: third-party layouts by call and by entry point, and what it refuses."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest
import torch
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.dissection import dissect
from rnninit_hooks.layouts import registry


class TransposedCell(nn.Module):
    """x @ W, order forget, input, output, cell on axis 1, one bias, +1 added to forget in `forward`."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden_size = hidden
        self.kernel = nn.Parameter(torch.zeros(inputs, 4 * hidden))
        self.recurrent_kernel = nn.Parameter(torch.zeros(hidden, 4 * hidden))
        self.bias = nn.Parameter(torch.zeros(4 * hidden))


ORDER = ("forget", "input", "output", "cell")
LAYOUT = ri.Layout(
    "tests.Transposed",
    (f"{TransposedCell.__module__}.{TransposedCell.__qualname__}",),
    (
        ri.Part("kernel", "kernel", kind="input", order=ORDER, axis=1, transposed=True),
        ri.Part("recurrent", "recurrent_kernel", kind="recurrent", order=ORDER, axis=1, transposed=True),
        ri.Part("bias", "bias", kind="bias", order=ORDER),
    ),
    short={"f": "forget", "i": "input", "o": "output", "g": "cell"},
    polarity={"forget": 1},
    constant={"forget": 1.0},
    size="hidden_size",
)


@pytest.fixture
def registered():
    yield ri.register_layout(LAYOUT)
    registry.unregister_layout(LAYOUT.name)


def test_a_registered_layout_is_planned_written_and_judged_like_torch_s(registered):
    cell = TransposedCell(5, 8)
    policy = ri.loads(
        "version: 1\nrules:\n"
        "  - {id: r, match: {kind: recurrent}, init: {kind: orthogonal, gain: 2.0}}\n"
        "  - {id: i, match: {kind: input}, init: {kind: xavier_uniform}}\n"
        "  - {id: b, match: {kind: bias}, init: {kind: zeros}}\n"
        "  - {id: f, match: {kind: bias, gate: retain}, init: {kind: constant, value: 2.0}}\n"
    )
    ri.apply(cell, policy)
    block = cell.recurrent_kernel.detach()[:, 8:16].double()
    assert torch.allclose(block.mT @ block, 4 * torch.eye(8, dtype=torch.float64), atol=1e-5)
    assert cell.bias.tolist() == [1.0] * 8 + [0.0] * 24, "the cell adds 1 itself, so 1 is what is missing to 2"
    assert ri.check(cell, policy).ok
    facts = ri.inspect(cell)["bias[forget]"]
    assert (facts.effective_bias, round(facts.retention, 4)) == (2.0, 0.8808)
    fans = {slot.gate: (slot.block.fan_in, slot.block.fan_out) for slot in dissect(cell).slots if slot.kind == "input"}
    assert fans == dict.fromkeys(ORDER, (5, 8))


def test_without_the_layout_the_same_cell_has_plain_slots():
    assert {slot.gate for slot in dissect(TransposedCell(5, 8)).slots} == {None}


def test_a_taken_class_is_refused_unless_replaced(registered):
    other = ri.Layout("tests.Other", LAYOUT.classes, LAYOUT.parts)
    with pytest.raises(ri.RegistrationError, match="replace=True"):
        ri.register_layout(other)
    ri.register_layout(other, replace=True)
    assert "tests.Transposed" not in registry.layouts()
    registry.unregister_layout("tests.Other")
    ri.register_layout(LAYOUT)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"order": ("forget", "forget")}, "twice"),
        ({"order": ("Forget",)}, "lower-case"),
        ({"order": ("retain",)}, "role"),
        ({"kind": "weights"}, "kind"),
        ({"partner": "ih"}, "together"),
        ({"sign": 2}, "sign"),
        ({"kind": "input", "partner": "ih", "effective": "b"}, "only biases"),
    ],
)
def test_contradicting_parts_are_refused(facts, words):
    with pytest.raises(ri.RegistrationError, match=words):
        ri.Part("p", "p", **facts)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"classes": ()}, "no classes"),
        ({"parts": ()}, "no parts"),
        ({"polarity": {"reset": 1}}, "speaks of gates"),
        ({"polarity": {"forget": 2}}, "polarity"),
        ({"required": ("absent",)}, "requires"),
        ({"short": {"forget": "input"}}, "short name equals"),
        ({"parts": (LAYOUT.parts[0], LAYOUT.parts[0])}, "share a name"),
    ],
)
def test_contradicting_layouts_are_refused(facts, words):
    base = {"name": "x", "classes": ("a.B",), "parts": LAYOUT.parts}
    with pytest.raises(ri.RegistrationError, match=words):
        ri.Layout(**{**base, **facts})


def test_installed_packages_register_by_entry_point_and_a_broken_one_is_heard(monkeypatch):
    points = [
        EntryPoint("good", f"{__name__}:LAYOUT", registry.ENTRY_POINTS),
        EntryPoint("broken", "no_such_module:thing", registry.ENTRY_POINTS),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    monkeypatch.setattr(registry, "_loaded", [])
    monkeypatch.setattr(registry, "_BY_NAME", {})
    monkeypatch.setattr(registry, "_BY_CLASS", {})
    with pytest.warns(ri.RnnInitWarning, match="broken"):
        found = registry.layouts_of(TransposedCell)[0]
    assert found is LAYOUT
    assert registry.layouts_of(nn.LSTM)[0].name == "torch.LSTM"


def test_something_else_than_a_layout_is_refused():
    with pytest.raises(ri.RegistrationError, match="takes a Layout"):
        ri.register_layout("torch.nn.LSTM")
