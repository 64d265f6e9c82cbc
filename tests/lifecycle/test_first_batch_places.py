"""What the first batch decides, in shared, lazy, compiled, traced and other places; and the naive hook."""

from __future__ import annotations

import copy
import pickle
import threading

import pytest
import torch
from torch import nn

import rnninit_hooks as ri
from tests.lifecycle import nets, test_rows, ways
from tests.lifecycle.batches import (
    LSUV,
    deviation,
    fresh,
    outputs,
    policy,
    wild,
    wilder,
)
from tests.lifecycle.judge import judge
from tests.lifecycle.table import ROWS, bits, same, traces


class TestStructure:
    def test_a_shared_module_is_settled_by_its_first_call(self):
        leaf = fresh(lambda: nn.Linear(16, 16))
        model = nn.Sequential(leaf, nn.ReLU(), leaf)
        handle = ri.attach(model, LSUV)
        first, _, second = outputs(model, wild(64, 16))
        assert float(first.std()) == pytest.approx(1.0, abs=0.02) and abs(float(second.std()) - 1.0) > 0.1
        assert dict(handle.status) == {"0.weight": "written", "0.bias": "written"} and traces(model) == []

    def test_a_module_that_calls_itself_is_settled_by_its_outer_call(self):
        class Twice(nn.Linear):
            def forward(self, x, deeper=True):
                found = super().forward(x)
                return self(found.relu(), deeper=False) + found if deeper else found

        model = fresh(lambda: nn.Sequential(Twice(16, 16)))
        ri.attach(model, LSUV)
        found = model(wild(64, 16))
        assert deviation(found) == pytest.approx(1.0, abs=0.1) and traces(model) == []

    @pytest.mark.parametrize("carry", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["copy", "pickle"])
    def test_copies_of_a_pending_model_settle_alike(self, carry):
        model = fresh()
        ri.attach(model, LSUV)
        other = carry(model)
        model(wild(32, 16)), other(wild(32, 16))
        assert same(bits(model), bits(other)) and traces(model) == traces(other) == []

    def test_racing_threads_all_see_final_weights(self):
        for _ in range(5):
            model, wanted, found, errors, barrier = fresh(), fresh(), [], [], threading.Barrier(6)
            ri.attach(model, LSUV)
            ri.calibrate(wanted, LSUV, wild(32, 16))
            expected = wanted(wild(32, 16))

            def work(model=model, found=found, errors=errors, barrier=barrier):
                barrier.wait()
                try:
                    found.append(model(wild(32, 16)))
                except Exception as error:  # a thread that dies says nothing by itself
                    errors.append(error)

            threads = [threading.Thread(target=work) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert not errors and all(torch.equal(out, expected) for out in found) and len(found) == 6

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_hooks_that_change_the_input_are_heard(self, when):
        model = fresh()
        if when == "before":
            model[2].register_forward_pre_hook(wilder)
        ri.attach(model, LSUV)
        if when == "after":
            model[2].register_forward_pre_hook(wilder)
        assert [round(float(out.std()), 2) for out in outputs(model, wild(64, 16))[::2]] == [1.0] * 3

    def test_a_later_hook_on_the_very_module_that_is_called_is_heard_at_the_second_try(self):
        model = fresh(lambda: nn.Linear(16, 16))
        ri.attach(model, LSUV)
        later = model.register_forward_pre_hook(wilder)
        with pytest.raises(ri.PendingInit, match="run the forward again"):
            model(wild(64, 16))
        assert deviation(model(wild(64, 16))) == pytest.approx(1.0, abs=0.02)
        later.remove()
        assert traces(model) == []

    def test_a_lazy_layer_learns_its_shape_and_its_scale_in_one_forward(self):
        model = fresh(lambda: nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.LazyLinear(8)))
        handle = ri.attach(model, LSUV)
        found = model(wild(64, 16))
        assert deviation(found) == pytest.approx(1.0, abs=0.02) and traces(model) == []
        assert handle.status["2.weight"] == handle.status["2.bias"] == "written"

    def test_gates_of_one_matrix_may_follow_other_rules(self):
        rules = ri.loads(
            "version: 1\nuntouched: allow\nrules:\n"
            "  - {id: all, match: {kind: input}, init: {kind: constant, value: 0.5}}\n"
            "  - {id: unit, match: {kind: input, gate: [forget, cell]}, init: {kind: lsuv}}\n"
        )  # fmt: skip
        model, batch = fresh(lambda: nn.LSTM(4, 6)), wild(5, 9, 4)
        handle = ri.attach(model, rules)
        with pytest.raises(ri.PendingInit):
            model.state_dict()
        model(batch)
        i, f, g, o = ((batch @ block.T).detach() for block in model.weight_ih_l0.chunk(4))
        assert f.std(correction=0).item() == pytest.approx(1.0, rel=1e-4) == g.std(correction=0).item()
        assert (model.weight_ih_l0[:6] == 0.5).all() and (model.weight_ih_l0[18:] == 0.5).all() and torch.equal(i, o)
        assert {row.status for row in handle.report.rows if row.kind == "input"} == {"written"}

    def test_a_cell_is_settled_by_its_first_step(self):
        model, batch = fresh(lambda: nn.GRUCell(4, 6)), wild(32, 4)
        ri.attach(model, policy("{kind: input}", "{kind: lsuv}"))
        model(batch)
        for block in model.weight_ih.chunk(3):
            assert (batch @ block.T).detach().std(correction=0).item() == pytest.approx(1.0, rel=1e-4)

    @pytest.mark.parametrize(("build", "rule", "words"), [
        (lambda: nn.Embedding(4, 4), policy("{parameter: weight}", "{kind: lsuv}"), "Linear and Conv layers"),
        (lambda: nn.MultiheadAttention(4, 2), policy("{parameter: out_proj.weight}", "{kind: lsuv}"), "never calls it"),
        (lambda: nn.RNN(4, 4, nonlinearity="relu"), policy("{kind: recurrent}", "{kind: critical_gain}"), "tanh nn.RNN"),
        (lambda: nn.LSTM(4, 4), policy("{kind: recurrent}", "{kind: critical_gain}"), "tanh nn.RNN"),
        (lambda: nn.LSTMCell(4, 4), policy("{kind: bias, gate: forget}", "{kind: lag_gradient, steps: 3}"), "one call"),
        (lambda: nn.LSTM(4, 4), policy("{kind: recurrent}", "{kind: lsuv}"), "input matrices"),
        (lambda: nn.Linear(4, 4), policy("{parameter: bias}", "{kind: lsuv}"), "starts orthogonal"),
        (lambda: nn.utils.prune.l1_unstructured(nn.Linear(4, 4), "weight", amount=0.5), LSUV, "is pruned"),
    ])  # fmt: skip
    def test_where_nothing_can_be_measured_the_plan_says_so(self, build, rule, words):
        model = build()
        finding = next(finding for finding in ri.plan(model, rule).errors if finding.code == "RNN105")
        assert words in finding.message
        with pytest.raises(ri.PolicyError, match="RNN105"):
            ri.attach(model, rule)

    def test_a_weight_that_another_module_holds_too_is_refused(self):
        model = nn.ModuleDict({"out": nn.Linear(4, 5, bias=False), "words": nn.Embedding(5, 4)})
        model["out"].weight = model["words"].weight
        with pytest.raises(ri.PolicyError, match="also words.weight"):
            ri.attach(model, policy("{module: Linear}", "{kind: lsuv}"))


class TestTools:
    def test_compiled_in_place_it_settles_in_the_first_call(self):
        model, wanted = fresh(), fresh()
        ri.attach(model, LSUV)
        model.compile(backend="eager")
        found = model(wild(32, 16))
        ri.calibrate(wanted, LSUV, wild(32, 16))
        assert same(bits(model), bits(wanted)) and torch.allclose(found, wanted(wild(32, 16))) and traces(model) == []
        torch._dynamo.reset()

    def test_activation_checkpointing_settles_once(self):
        model, wanted = fresh(), fresh()
        ri.attach(model, LSUV)
        batch = wild(32, 16).requires_grad_()
        torch.utils.checkpoint.checkpoint(model, batch, use_reentrant=False).sum().backward()
        ri.calibrate(wanted, LSUV, wild(32, 16))
        assert same(bits(model), bits(wanted)) and batch.grad is not None

    def test_symbolic_tracing_leaves_the_leaves_to_settle_themselves(self):
        model, wanted = fresh(), fresh()
        ri.attach(model, LSUV)
        graph = torch.fx.symbolic_trace(model)
        graph(wild(32, 16))
        ri.calibrate(wanted, LSUV, wild(32, 16))
        assert same(bits(model), bits(wanted))

    def test_fake_tensors_use_nothing_up(self):
        from torch._subclasses.fake_tensor import FakeTensorMode

        model = fresh()
        handle = ri.attach(model, LSUV)
        mode = FakeTensorMode(allow_non_fake_inputs=True)
        with mode:
            model(mode.from_tensor(wild(32, 16)))
        assert set(handle.status.values()) == {"pending"}
        model(wild(32, 16))
        assert not handle.pending


MEASURED = ri.loads(
    "version: 1\nrules:\n  - {id: measured, match: {kind: input, layer: 0}, init: {kind: lsuv, std: 0.6}, idle: allow}\n"
    "  - {id: measured-cell, match: {module: LSTMCell, kind: input}, init: {kind: lsuv}, idle: allow}\n"
)
OTHERWISE = {
    "spawned": "starts processes that would import this test",
    "built_under_inference_mode": "torch runs no such model outside of inference mode, whoever initialises it",
    "built_under_inference_mode_and_run_outside": "the same",
    "warnings_are_errors": "a warning that is raised in the first forward ends it before the batch is seen; the next one settles",
    "load_into_meta_is_no_load": "materialize gives memory, and a forward would have to follow",
    "meta_and_materialize": "the same",
    "half": "measured after the cast, as it is stored then",
    "bfloat16": "the same",
}


EVERYDAY = {
    "autocast", "compile_outer", "deepcopied_and_both_run", "error_half_way", "global_random_stream", "inside_a_compiled_function",
    "orthogonal_that_fits_before", "racing_threads", "shared_module", "state_dict_first", "to_cpu", "weight_norm_before",
}  # fmt: skip


class Ours(ways.Ours):
    """Every policy of the hazard table with a first layer that waits for its batch."""

    def now(self, model, policy):
        ri.calibrate(model, self._measuring(policy), nets.X.to(next(iter(model.parameters())).dtype))

    def later(self, model, policy):
        return ri.attach(model, self._measuring(policy))

    def _measuring(self, policy):
        return policy.model_copy(update={"rules": (*policy.rules, *MEASURED.rules)})


class TestHazards:
    @pytest.mark.parametrize("name", [
        pytest.param(name, marks=() if name in EVERYDAY else pytest.mark.slow) for name in sorted(set(ROWS) - set(OTHERWISE))
    ])  # fmt: skip
    @pytest.mark.filterwarnings("ignore")  # of torch, about its older tools
    def test_every_hazard_ends_as_an_immediate_initialisation_or_says_that_it_waits(self, name):
        verdict = judge(ROWS[name], Ours())
        assert verdict is None or (verdict.startswith("PendingInit: ") and "waits for its first batch" in verdict)

    def test_the_table_was_read(self):
        assert len(ROWS) > 100 and len(test_rows.FAMILIES) == 6 and {*OTHERWISE, *EVERYDAY} < set(ROWS)


class Naive:
    """The hook that comes to everybody's mind: per leaf, at its first call, over the whole stack."""

    def __init__(self, model):
        for leaf in (module for module in model.modules() if hasattr(module, "weight")):
            self._install(leaf)

    def _install(self, leaf):
        def hook(module, args):
            handle.remove()
            with torch.no_grad():
                nn.init.orthogonal_(module.weight)
                nn.init.zeros_(module.bias)
                for _ in range(10):
                    spread = module.forward(*args).std()
                    if (spread - 1).abs() < 0.1:
                        break
                    module.weight.mul_(1 / spread)

        handle = leaf.register_forward_pre_hook(hook)


class TestNaive:
    """It scales well, and it fails what stands above."""

    def test_it_does_scale(self):
        model = fresh()
        Naive(model)
        assert [round(float(out.std()), 2) for out in outputs(model, wild(64, 16))[::2]] == [1.0] * 3

    def test_it_destroys_a_checkpoint(self):
        model = fresh()
        Naive(model)
        model.load_state_dict({"2.weight": torch.full((16, 16), 0.25)}, strict=False)
        model(wild(32, 16))
        assert not (model[2].weight == 0.25).all()

    def test_it_moves_the_random_stream(self):
        model = fresh()
        Naive(model)
        torch.manual_seed(3)
        stream = torch.get_rng_state()
        model(wild(32, 16))
        assert not torch.equal(torch.get_rng_state(), stream)

    def test_it_lets_nobody_know_that_a_state_dict_is_not_initialised(self):
        model = fresh()
        Naive(model)
        copied = copy.deepcopy(model.state_dict())
        model(wild(32, 16))
        assert not torch.equal(copied["0.weight"], model[0].weight)
