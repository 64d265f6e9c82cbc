"""What the first batch decides: right after one forward, once, and nothing else is disturbed."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_sequence

import rnninit_hooks as ri
from rnninit_hooks.dissection import dissect
from rnninit_hooks.recipes.draws import Keyed
from rnninit_hooks.trials import Given, plain, trial_of
from tests.lifecycle.batches import (
    LSUV,
    STORM,
    STORMY,
    Stormy,
    deviation,
    fresh,
    outputs,
    policy,
    relus,
    wild,
)
from tests.lifecycle.table import bits, differing, same, traces

GATES = ri.loads(
    "version: 1\nextends: builtin:lstm-classic\nuntouched: allow\nidle: allow\nrules:\n"
    "  - {id: unit, match: {kind: input}, init: {kind: lsuv, std: 0.7}}\n"
    "  - {id: head, match: {module: Linear, parameter: weight}, init: {kind: lsuv}}\n"
)


class TestOneForward:
    def test_twelve_layers_fed_with_a_wild_batch_have_unit_outputs_after_one_forward(self, monkeypatch):
        asked = []
        monkeypatch.setattr(plain, "twin", lambda module, held, real=plain.twin: asked.append(module) or real(module, held))
        model, runs = fresh(relus, 12, 64), []
        model.register_forward_hook(lambda *_: runs.append(1))
        handle = ri.attach(model, LSUV)
        given = outputs(model, wild(256, 64))
        assert len(runs) == 1 and len(given) == 24
        assert [round(float(out.std()), 2) for out in given[::2]] == [1.0] * 12
        assert [asked.count(leaf) for leaf in model[::2]] == [2] * 12
        assert set(handle.status.values()) == {"written"} and traces(model) == []
        assert not any(module._forward_pre_hooks_with_kwargs for module in model.modules())

    def test_a_second_batch_changes_nothing(self):
        model = fresh()
        ri.attach(model, LSUV)
        model(wild(32, 16))
        before = bits(model)
        model(wild(32, 16, seed=9) * 100)
        assert same(bits(model), before)

    @given(st.integers(1, 5), st.integers(2, 24), st.floats(0.05, 20.0), st.floats(-30.0, 30.0), st.integers(0, 99))
    @settings(max_examples=30)
    def test_any_depth_width_and_batch(self, depth, width, spread, mean, seed):
        model, batch = fresh(relus, depth, width), wild(64, width, seed=seed) / 7 * spread + mean
        ri.attach(model, policy("{parameter: weight}", "{kind: lsuv, tolerance: 0.01, tries: 300}"))
        for leaf in model[::2]:
            nn.init.zeros_(leaf.bias)
        assert all(abs(float(out.std(correction=0)) - 1.0) < 0.02 for out in outputs(model, batch)[::2])

    @pytest.mark.parametrize("form", ["batch_first", "steps_first", "packed", "alone"])
    @pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
    def test_every_gate_of_every_layer_and_direction_sees_the_same_deviation(self, kind, form):
        model = fresh(lambda: getattr(nn, kind)(4, 6, 2, bidirectional=True, batch_first=form == "batch_first", dropout=0.5))
        batch = wild(9, 4) if form == "alone" else wild(5, 9, 4)
        if form == "packed":
            batch = pack_sequence([wild(n, 4, seed=n) for n in (3, 9, 5)], enforce_sorted=False)
        handle = ri.attach(model, GATES)
        model(batch)
        model.eval()
        below = batch.data if form == "packed" else batch
        for layer in range(2):
            for end in ("", "_reverse"):
                for block in getattr(model, f"weight_ih_l{layer}{end}").chunk({"LSTM": 4, "GRU": 3, "RNN": 1}[kind]):
                    assert float((below @ block.T).detach().std(correction=0)) == pytest.approx(0.7, rel=1e-4)
            below = _first_layer(model, kind, form, batch)
        measured = [row.measured for row in handle.report.rows if row.measured]
        assert len(measured) == {"LSTM": 16, "GRU": 12, "RNN": 4}[kind] and {facts["forwards"] for facts in measured} == {2}

    @pytest.mark.parametrize("layers", [1, 2])
    def test_a_tanh_rnn_stands_at_the_edge(self, layers):
        model, batch = fresh(lambda: nn.RNN(8, 32, layers)), wild(50, 16, 8) / 10
        handle = ri.attach(model, policy("{kind: recurrent}", "{kind: critical_gain}"))
        found = model(batch)[0].detach()
        weight = getattr(model, f"weight_hh_l{layers - 1}").detach()
        gain = float(torch.linalg.matrix_norm(weight, 2))
        assert torch.allclose(weight @ weight.T, gain**2 * torch.eye(32), atol=1e-5)
        assert gain**2 * float((1 - found.square()).square().mean()) == pytest.approx(1.0, abs=0.0101)
        assert handle.report.rows and gain > 1.05

    @pytest.mark.parametrize(("kind", "gate"), [("LSTM", 1), ("GRU", 1)])
    @pytest.mark.parametrize("gain", [0.1, 0.4])
    def test_the_gradient_over_the_lag_has_the_size_that_was_asked_for(self, kind, gate, gain):
        model, batch = fresh(lambda: getattr(nn, kind)(4, 24)), wild(30, 64, 4) / 7
        rule = policy("{kind: bias, gate: retain}", f"{{kind: lag_gradient, steps: 30, gain: {gain}}}")
        handle = ri.attach(model, rule)
        model(batch)
        row = next(row for row in handle.report.rows if row.measured)
        assert row.measured["gradient"] == pytest.approx(gain, rel=0.05)
        felt = (model.bias_ih_l0 + model.bias_hh_l0)[24 * gate : 24 * (gate + 1)]
        assert torch.allclose(felt, torch.full((24,), row.measured["bias"]))
        states = [torch.zeros(1, 64, 24, requires_grad=True) for _ in range(2 if kind == "LSTM" else 1)]
        last = model(batch, tuple(states) if kind == "LSTM" else states[0])[0][-1]
        aims = torch.randn(24, 64, 24, generator=torch.Generator().manual_seed(1))
        sizes = []
        for aim in aims / aims.norm(dim=2, keepdim=True):
            slopes = torch.autograd.grad((last * aim).sum(), states, retain_graph=True)
            sizes.append(sum(slope.square().sum() for slope in slopes) / 64)
        assert float(torch.stack(sizes).mean().sqrt()) == pytest.approx(gain, rel=0.25)

    @pytest.mark.parametrize("training", [True, False])
    def test_what_the_report_says_was_measured_holds_in_the_finished_model(self, training):
        """In eval mode at least, where layers see what they were measured on: layer by layer, input before bias."""
        model = fresh(Stormy).train(training)
        model.rnn.dropout = 0.0
        seen = {}
        for name, leaf in model.named_children():
            leaf.register_forward_pre_hook(lambda _, args, name=name: seen.__setitem__(name, args))
        rows = ri.calibrate(model, STORMY, STORM).rows
        slots, figures = {slot.address: slot for slot in dissect(model).slots}, {}
        for row in (row for row in rows if row.measured):
            slot = slots[row.address]
            module, given = slot.organ.module, Given.of(seen[row.module], {})
            trial = trial_of(slot, lambda _, module=module: {n: p.detach().double() for n, p in module.named_parameters()}, given)
            draw = Keyed(0, f"{row.address} echo")
            bias = slot.kind == "bias"
            found = trial.echo(slot.value(), 4, draw) if bias else float(trial.response(slot.value()).std(correction=0))
            figures[row.address] = found
            assert found == pytest.approx(row.measured["gradient" if bias else "std"], rel=1e-5)
        assert len(figures) == 2 + 2 * 2 * 4 + 2 * 2

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
    def test_other_precisions_are_measured_as_they_are_stored(self, dtype):
        model, batch = fresh(lambda: nn.Linear(32, 32).to(dtype)), wild(64, 32).to(dtype)
        ri.attach(model, LSUV)
        assert deviation(model(batch)) == pytest.approx(1.0, abs=0.02)
        assert model.weight.dtype == dtype

    @pytest.mark.parametrize("norm", [nn.utils.parametrizations.weight_norm, nn.utils.weight_norm], ids=["new", "old"])
    @pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
    def test_a_normed_weight_counts_in_the_very_forward_that_decides_it(self, norm):
        model = fresh(lambda: norm(nn.Linear(16, 16)))
        ri.attach(model, LSUV)
        assert deviation(model(wild(64, 16))) == pytest.approx(1.0, abs=0.02)
        assert deviation(model(wild(64, 16))) == pytest.approx(1.0, abs=0.02)


def _first_layer(model, kind, form, batch):
    """What the first layer gives, by a module of one layer that torch builds."""
    one = getattr(nn, kind)(4, 6, bidirectional=True, batch_first=form == "batch_first")
    one.load_state_dict({name: value for name, value in model.state_dict().items() if "_l0" in name})
    found = one(batch)[0]
    return (found.data if form == "packed" else found).detach()


class TestNothingElse:
    @pytest.mark.parametrize("training", [True, False])
    def test_the_forward_that_decides_is_an_ordinary_forward(self, training):
        """The same model with the final weights, run from the same random state, gives the same and ends the same."""
        model = fresh(Stormy).train(training)
        ri.attach(model, STORMY)
        norm = copy.deepcopy(model.norm)
        torch.manual_seed(3)
        found, stream = model(STORM), torch.get_rng_state()
        again = copy.deepcopy(model)
        again.norm = norm
        torch.manual_seed(3)
        assert torch.equal(again(STORM), found) and torch.equal(torch.get_rng_state(), stream)
        assert differing(bits(again), bits(model)) == []
        assert all(module.training == training for module in model.modules()) and traces(model) == []

    def test_a_leaf_that_draws_is_measured_with_the_draws_of_its_forward(self):
        class Noisy(nn.Linear):
            def forward(self, x):
                return nn.functional.dropout(super().forward(x), 0.5)

        model = fresh(lambda: nn.Sequential(Noisy(16, 16)))
        ri.attach(model, LSUV)
        torch.manual_seed(3)
        found, stream = model(wild(64, 16)), torch.get_rng_state()
        assert deviation(found) == pytest.approx(1.0, abs=1e-3)
        torch.manual_seed(3)
        assert torch.equal(model(wild(64, 16)), found) and torch.equal(torch.get_rng_state(), stream)

    @pytest.mark.parametrize("training", [True, False])
    def test_calibrate_is_attach_and_a_forward_without_its_traces(self, training):
        lazy, eager = fresh(Stormy).train(training), fresh(Stormy).train(training)
        handle = ri.attach(lazy, STORMY)
        torch.manual_seed(3)
        lazy(STORM)
        torch.manual_seed(3)
        stream, buffers = torch.get_rng_state(), {name: value.clone() for name, value in eager.named_buffers()}
        report = ri.calibrate(eager, STORMY, STORM)
        assert torch.equal(torch.get_rng_state(), stream)
        assert all(torch.equal(value, buffers[name]) for name, value in eager.named_buffers())
        assert [name for name, value in lazy.named_parameters() if not torch.equal(value, eager.get_parameter(name))] == []
        assert report.rows == handle.report.rows and report.verb == "apply" and traces(eager) == []
        assert all(p.grad is None and p.requires_grad for p in eager.parameters())

    def test_batches_come_as_tensors_tuples_and_dicts(self):
        found = []
        for batch in (STORM, (STORM,), {"x": STORM}):
            model = fresh(Stormy).eval()
            ri.calibrate(model, STORMY, batch)
            found.append(bits(model))
        assert same(found[0], found[1]) and same(found[0], found[2])

    def test_the_caller_s_modes_do_not_reach_the_numbers(self):
        wanted = fresh(relus)
        ri.calibrate(wanted, LSUV, wild(32, 16))
        for mode in (torch.no_grad, torch.inference_mode, torch.enable_grad):
            model = fresh(relus)
            ri.attach(model, LSUV)
            with mode():
                model(wild(32, 16))
            assert same(bits(model), bits(wanted)) and not any(p.is_inference() for p in model.parameters())
            model(wild(32, 16)).sum().backward()

    def test_autocast_measures_in_full_width(self):
        model, batch = fresh(relus), wild(64, 16)
        ri.attach(model, LSUV)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            given = outputs(model, batch)
        assert [round(float(out.float().std()), 1) for out in given[::2]] == [1.0] * 3
        assert all(p.dtype == torch.float32 for p in model.parameters())

    def test_the_report_is_plain_data_with_the_figures(self):
        model = fresh()
        report = ri.calibrate(model, LSUV, wild(32, 16))
        row = json.loads(json.dumps(report.to_dict()))["rows"][0]
        assert row["status"] == "written" and set(row["measured"]) == {"std", "scale", "forwards"} and row["digest"]
        checked = ri.check(model, LSUV)
        assert checked.ok and {row.status for row in checked.rows} == {"obeys"}
        assert [finding.code for finding in checked.findings] == ["RNN220"]
        with torch.no_grad():
            model[0].weight[0] *= 3
        assert {finding.address for finding in ri.check(model, LSUV).errors} == {"0.weight"}
