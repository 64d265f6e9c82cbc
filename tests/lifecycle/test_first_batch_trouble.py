"""What the first batch decides, where there is none, where others wrote, and where something fails."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.doors import Door
from tests.lifecycle.batches import (
    LSUV,
    Breaks,
    deviation,
    fresh,
    refuse,
    relus,
    wild,
)
from tests.lifecycle.table import bits, same, traces


class TestWithoutABatch:
    def test_apply_refuses_before_it_writes_and_says_what_to_do(self):
        model = fresh()
        before = bits(model)
        with pytest.raises(ri.PolicyError, match=r"RNN120 0.weight.*ri.calibrate\(model, policy, batch\)"):
            ri.apply(model, LSUV)
        assert same(bits(model), before)

    @pytest.mark.parametrize("deed", [
        lambda model: model.state_dict(),
        lambda model: model[2].state_dict(),
        lambda model: ri.materialize(model),
        lambda model: torch.optim.swa_utils.AveragedModel(model),
        lambda model: torch.compile(model, backend="eager"),
        lambda model: nn.DataParallel(model),
        lambda model: torch.jit.script(model),
        lambda model: torch.jit.trace(model, wild(4, 16)),
        lambda model: torch.export.export(model, (wild(4, 16),)),
        lambda model: torch.func.functional_call(model, dict(model.named_parameters()) | {"0.weight": torch.ones(16, 16)}, wild(4, 16)),
    ])  # fmt: skip
    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_whatever_brings_none_is_refused_and_leaves_all_pending(self, deed):
        model, wanted = fresh(), fresh()
        handle = ri.attach(model, LSUV)
        before = bits(model)
        with pytest.raises(Exception, match="rnninit_hooks|its first batch") as caught:
            deed(model)
        assert "rnninit_hooks" in str(caught.value) or isinstance(caught.value, ri.PendingInit)
        assert same(bits(model), before) and set(handle.status.values()) == {"pending"}
        model(wild(32, 16))
        ri.calibrate(wanted, LSUV, wild(32, 16))
        assert same(bits(model), bits(wanted))

    def test_a_model_on_meta_gets_memory_and_stays_pending_with_a_warning(self):
        with torch.device("meta"):
            model = relus()
        handle = ri.attach(model, LSUV)
        with pytest.raises(ri.PendingInit, match=r"materialize\(model, device='cpu'\)"):
            model(wild(32, 16))
        with pytest.warns(ri.RnnInitWarning, match="RNN120 0.weight: stays pending"):
            ri.materialize(model, device="cpu")
        assert {row.status for row in handle.report.rows if "bias" in row.address} == {"written"}
        assert {row.status for row in handle.report.rows if "weight" in row.address} == {"pending"}
        model(wild(32, 16))
        wanted = fresh()
        ri.calibrate(wanted, LSUV, wild(32, 16))
        assert same(bits(model), bits(wanted)) and traces(model) == []

    def test_an_enforced_block_refuses_and_a_decorated_class_waits(self):
        with pytest.raises(ri.PolicyError, match="RNN120"), ri.enforced(LSUV):
            pass

        @ri.initialized(LSUV)
        class Net(nn.Sequential):
            def __init__(self):
                super().__init__(nn.Linear(16, 16))

        model = Net()
        assert deviation(model(wild(64, 16))) == pytest.approx(1.0, abs=0.02) and traces(model) == []

    def test_several_ranks_are_refused_before_anything_is_written(self, monkeypatch):
        model = fresh()
        ri.attach(model, LSUV)
        before = bits(model)
        monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
        monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
        with pytest.raises(ri.PendingInit, match="every rank would measure another batch"):
            model(wild(32, 16))
        assert same(bits(model), before)
        monkeypatch.undo()
        model(wild(32, 16))
        assert traces(model) == []


class TestLoads:
    def test_what_was_loaded_is_kept_and_never_scaled(self):
        model = fresh()
        handle = ri.attach(model, LSUV)
        trained = torch.full((16, 16), 0.25)
        model.load_state_dict({"2.weight": trained}, strict=False)
        model(wild(32, 16))
        assert torch.equal(model[2].weight, trained) and handle.status["2.weight"] == "loaded"
        assert handle.status["0.weight"] == handle.status["4.weight"] == "written" and traces(model) == []

    def test_a_whole_checkpoint_leaves_nothing_to_wait_for(self):
        model, trained = fresh(), fresh(lambda: relus()).state_dict()
        handle = ri.attach(model, LSUV)
        model.load_state_dict(trained)
        assert model.state_dict().keys() == trained.keys() and traces(model) == []
        assert same(bits(model), trained) and set(handle.status.values()) == {"loaded"}

    def test_what_somebody_wrote_is_kept_with_a_word(self):
        model = fresh()
        handle = ri.attach(model, LSUV)
        model[2].weight.data.fill_(0.5)
        with pytest.warns(ri.RnnInitWarning, match="RNN115"):
            model(wild(32, 16))
        assert (model[2].weight == 0.5).all() and handle.status["2.weight"] == "touched"

    def test_a_load_between_a_failed_forward_and_the_next_is_kept(self):
        model = fresh()
        handle = ri.attach(model, LSUV)
        refusal = model[4].register_forward_pre_hook(refuse)
        with pytest.raises(RuntimeError, match="no"):
            model(wild(32, 16))
        refusal.remove()
        assert (handle.status["2.weight"], handle.status["4.weight"]) == ("written", "pending")
        model.load_state_dict({"4.weight": torch.ones(16, 16)}, strict=False)
        model(wild(32, 16))
        assert (model[4].weight == 1).all() and handle.status["4.weight"] == "loaded" and traces(model) == []


    def test_what_was_settled_before_an_error_is_the_user_s_from_then_on(self):
        model = fresh()
        ri.attach(model, LSUV)
        refusal = model[4].register_forward_pre_hook(refuse)
        with pytest.raises(RuntimeError, match="no"):
            model(wild(32, 16))
        refusal.remove()
        model[2].weight.data.fill_(7.0), model[4].bias.data.fill_(7.0)
        model(wild(32, 16))
        assert (model[2].weight == 7).all() and (model[4].bias == 7).all() and traces(model) == []


class TestTrouble:
    def test_an_error_half_way_is_told_truthfully_and_the_next_forward_goes_on(self):
        parts = fresh()
        model = nn.Sequential(parts[0], Breaks(), *parts[1:])
        handle = ri.attach(model, LSUV)
        with pytest.raises(RuntimeError, match="not yet"):
            model(wild(32, 16))
        expected = {"0.weight": "written", "3.weight": "pending", "5.weight": "pending", "3.bias": "written"}
        assert {name: handle.status[name] for name in expected} == expected and handle.pending
        model(wild(32, 16))
        parts = fresh()
        wanted = nn.Sequential(parts[0], nn.Identity(), *parts[1:])
        ri.calibrate(wanted, LSUV, wild(32, 16))
        assert same(bits(model), bits(wanted)) and not handle.pending and traces(model) == []

    @pytest.mark.parametrize("at", range(1, 7))
    def test_a_write_that_fails_leaves_the_slot_as_it_was_and_pending(self, at, monkeypatch):
        model, wanted, count = fresh(), fresh(), []

        def write(self, owner, local, value, real=Door.write):
            count.append(1)
            if len(count) == at:
                raise RuntimeError("disk on fire")
            return real(self, owner, local, value)

        handle = ri.attach(model, LSUV)
        monkeypatch.setattr(Door, "write", write)
        before = bits(model)
        with pytest.raises((RuntimeError, ri.WriteError), match="disk on fire"):
            model(wild(32, 16))
        for name, value in bits(model).items():
            assert handle.status[name] == "written" or torch.equal(value, before[name])
        model(wild(32, 16))
        ri.calibrate(wanted, LSUV, wild(32, 16))
        assert same(bits(model), bits(wanted)) and traces(model) == []

    def test_a_batch_that_says_nothing_is_refused_and_a_better_one_settles(self):
        model = fresh()
        handle = ri.attach(model, LSUV)
        with pytest.raises(ri.PendingInit, match="0.weight: on this batch"):
            model(torch.zeros(4, 16))
        assert handle.status["0.weight"] == "pending"
        model(wild(32, 16))
        assert not handle.pending and traces(model) == []

    @pytest.mark.parametrize("batch", [torch.zeros(4, 16), torch.zeros(4, 3), [wild(4, 16)]], ids=["constant", "misfit", "list"])
    def test_a_calibration_that_fails_puts_everything_back(self, batch):
        model = nn.Sequential(*fresh(), nn.BatchNorm1d(16))
        before = bits(model)
        with pytest.raises((ri.PendingInit, RuntimeError, TypeError)):
            ri.calibrate(model, LSUV.model_copy(), batch)
        assert same(bits(model), before) and traces(model) == []

    def test_what_a_calibration_does_not_reach_is_named_and_nothing_is_kept(self):
        model = nn.ModuleDict({"used": nn.Linear(16, 16), "idle": nn.Linear(16, 16)})
        model.forward = lambda x: model["used"](x)
        before = bits(model)
        with pytest.raises(ri.PendingInit, match="did not reach idle.weight"):
            ri.calibrate(model, LSUV, wild(32, 16))
        assert same(bits(model), before) and traces(model) == []

    def test_a_branch_that_is_not_taken_waits_for_its_own_first_batch(self):
        model = nn.ModuleDict({"now": nn.Linear(16, 16), "later": nn.Linear(16, 16)})
        model.forward = lambda x, way="now": model[way](x)
        handle = ri.attach(model, LSUV)
        model(wild(32, 16))
        assert (handle.status["now.weight"], handle.status["later.weight"]) == ("written", "pending")
        with pytest.raises(ri.PendingInit, match=r"later.weight waits for its first batch"):
            model.state_dict()
        found = model(wild(32, 16), way="later")
        assert deviation(found) == pytest.approx(1.0, abs=0.02) and traces(model) == [] and model.state_dict()

    def test_calibrating_what_is_pending_is_refused_and_taking_it_back_is_allowed(self):
        model = fresh()
        before = bits(model)
        handle = ri.attach(model, LSUV)
        with pytest.raises(ri.PendingInit, match="pending on this model already"):
            ri.calibrate(model, LSUV, wild(32, 16))
        handle.remove()
        assert same(bits(model), before) and traces(model) == []
        ri.calibrate(model, LSUV, wild(32, 16))
