"""A layout proves itself on the built module; a wrong one does not get through."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.layouts.registry import layout_of
from rnninit_hooks.probing.inferring import infer
from rnninit_hooks.testing.strategies import gated_modules
from tests.layouts.random_cells import build, specs


def codes(findings) -> set[str]:
    return {finding.code for finding in findings}


def swapped(layout: ri.Layout, name: str | None = None) -> ri.Layout:
    """The first two gates change places in every part, or in one."""
    parts = (
        replace(part, order=(part.order[1], part.order[0], *part.order[2:])) if len(part.order) > 1 and name in (None, part.name) else part
        for part in layout.parts
    )
    return replace(layout, parts=tuple(parts))


def turned(layout: ri.Layout) -> ri.Layout:
    return replace(layout, polarity={gate: -sign for gate, sign in layout.polarity.items()})


def shifted(layout: ri.Layout) -> ri.Layout:
    gate = next(iter(layout.polarity))
    return replace(layout, constant={**layout.constant, gate: layout.constant.get(gate, 0.0) + 1})


@settings(max_examples=25, deadline=None)
@given(gated_modules(max_size=5, dtypes=st.just(torch.float32)))
def test_every_module_of_torch_does_what_its_layout_says(module):
    assert not [finding for finding in ri.verify_layout(module) if finding.code == "RNN107"]


@settings(max_examples=25, deadline=None)
@given(specs())
def test_what_inference_finds_verifies_and_what_is_turned_around_does_not(spec):
    cell = build(spec)
    layout = infer(cell).layout
    if layout is not None:
        assert not ri.verify_layout(cell, layout)
        for wrong in (swapped(layout), turned(layout), shifted(layout)):
            assert "RNN107" in codes(ri.verify_layout(cell, wrong)), wrong


@pytest.mark.parametrize("module", [nn.LSTM(4, 5, 2, bidirectional=True), nn.GRUCell(4, 5), nn.LSTMCell(4, 4, bias=False)])
@pytest.mark.parametrize("part", ["weight_ih", "weight_hh", "bias_hh"])
def test_one_parameter_in_another_order_is_found(module, part):
    layout = layout_of(module)
    if any(name == part or name.startswith(f"{part}_") for name, _ in module.named_parameters()):
        found = ri.verify_layout(module, swapped(layout, part))
        assert codes(found) == {"RNN107"}


def test_a_bias_with_the_other_sign_is_found():
    layout = layout_of(nn.LSTMCell(3, 4))
    wrong = replace(layout, parts=tuple(replace(p, sign=-1) if p.name == "bias_hh" else p for p in layout.parts))
    assert "other sign" in str(ri.verify_layout(nn.LSTMCell(3, 4), wrong)[0])


class Reordered(nn.LSTMCell):
    """Found by the layout of its base, and does something else."""

    def forward(self, x, state):
        h, c = state
        i, g, o, f = (x @ self.weight_ih.mT + h @ self.weight_hh.mT + self.bias_ih + self.bias_hh).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


def test_check_and_plan_disprove_the_layout_of_a_subclass_that_reorders_its_gates():
    model = nn.ModuleDict({"cell": Reordered(4, 5), "rnn": nn.LSTM(3, 4)})
    assert ri.apply(model, "lstm-classic").ok
    for report in (ri.check(model, "lstm-classic"), ri.plan(model, "lstm-classic", probe=True)):
        disproved = [finding for finding in report.findings if finding.code == "RNN107"]
        assert not report.ok and disproved and all(str(finding.address).startswith("cell.") for finding in disproved)
    assert "RNN107" not in codes(ri.plan(model, "lstm-classic").findings)


def test_a_disproved_layout_can_be_allowed_and_the_entry_is_never_stale():
    text = "version: 1\nextends: builtin:lstm-classic\nallow:\n  - {code: RNN107, at: '*', reason: known}\n"
    policy, model = ri.loads(text), nn.ModuleDict({"cell": Reordered(4, 5)})
    ri.apply(model, policy)
    report = ri.check(model, policy)
    assert report.ok and any(finding.code == "RNN107" for finding, _ in report.allowed)
    assert "RNN110" not in codes(ri.plan(nn.LSTMCell(3, 4), policy).findings)


class Stubborn(nn.LSTM):
    """A forward that nobody can call for one step."""

    def forward(self, batch, lengths, mask):
        raise NotImplementedError


def test_what_cannot_be_probed_is_said_and_no_error():
    found = ri.verify_layout(Stubborn(3, 4))
    assert codes(found) == {"RNN116"} and found[0].level == "info"


def test_nothing_to_verify_is_said():
    assert codes(ri.verify_layout(nn.Linear(2, 2))) == {"RNN108"}
    with pytest.raises(TypeError, match="instance of torch"):
        ri.verify_layout(nn.LSTM)


def test_a_layout_that_does_not_fit_is_said():
    assert codes(ri.verify_layout(nn.GRUCell(3, 4), layout_of(nn.LSTMCell(3, 4)))) == {"RNN112"}


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.x, self.h = nn.Linear(4, 15), nn.Linear(5, 15)

    def forward(self, x, hidden):
        r, z, n = self.x(x).chunk(3, -1)
        u, v, w = self.h(hidden).chunk(3, -1)
        z = torch.sigmoid(z + v)
        return z * torch.tanh(n + torch.sigmoid(r + u) * w) + (1 - z) * hidden


class PlainGRUCell(Plain):
    """Recurrent by name and signature, known to nobody, and its update gate overwrites."""


def test_unknown_recurrent_modules_are_reported_with_a_proposal_on_request():
    model = nn.ModuleDict({"odd": PlainGRUCell(), "rnn": nn.LSTM(3, 4), "head": nn.Linear(3, 2)})
    plain = [finding for finding in ri.plan(model, "lstm-classic").findings if finding.code == "RNN108"]
    assert [finding.address for finding in plain] == ["odd"]
    assert "update overwrites the old state" in ri.plan(model, "lstm-classic", probe=True).findings[0].message
    allowed = ri.loads("version: 1\nextends: builtin:lstm-classic\nallow:\n  - {code: RNN108, at: odd, reason: not ours}\n")
    assert "RNN108" not in codes(ri.plan(model, allowed).findings)


def test_a_wrapper_of_known_modules_is_no_suspect():
    class WordLSTM(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.LSTM(3, 4)

        def forward(self, x, state=None):
            return self.rnn(x, state)

    assert "RNN108" not in codes(ri.plan(WordLSTM(), "lstm-classic").findings)
