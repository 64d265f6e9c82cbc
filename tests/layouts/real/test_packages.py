"""Classes that were not written here: layouts hold, wrong ones do not, inference agrees without them."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.anatomy import organ
from rnninit_hooks.dissection import dissect_organ
from rnninit_hooks.layouts.registry import layout_of
from rnninit_hooks.probing.inferring import infer
from tests.layouts.test_verify import codes, shifted, swapped, turned

os.environ.setdefault("KERAS_BACKEND", "torch")
from tests.layouts.real.inventory import INVENTORY, Found  # after the choice of Keras' backend

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]
IMPORTS = {"minGRU-pytorch": "minGRU_pytorch", "torch": "torch"}
FOUND = {
    "AugmentedLSTMCell without highway", "CFNCell", "GRUCell", "IndRNNCell", "JANETCell", "LSTMCell", "LiGRUCell", "LightRUCell", "MGUCell",
    "MUT2Cell", "PeepholeLSTMCell", "RANCell", "STARCell", "SimpleRNNCell", "TRNNCell", "UGRNNCell", "minGRU", "minLSTM",
}  # fmt: skip
KNOWN = [found for found in INVENTORY if found.layout is not None]


def name_of(found: Found) -> str:
    return f"{found.package}-{found.qualified.rpartition('.')[2]}-{INVENTORY.index(found)}"


def built(found: Found) -> nn.Module:
    """The module, or a skip that says which package is missing."""
    package = IMPORTS.get(found.package, found.qualified.partition(".")[0])
    if find_spec(package) is None:
        pytest.skip(f"{found.package} is not installed")
    torch.manual_seed(0)
    return found.build()


def cuts(module: nn.Module, layout: ri.Layout) -> dict[tuple[object, ...], str | None]:
    slots = dissect_organ(organ(module, "", layout=layout), layout).slots
    return {(p.member.name, p.region, p.sign, s.kind, s.transposed): s.gate for s in slots for p in s.pieces if s.gate}


EACH = pytest.mark.parametrize("found", KNOWN, ids=name_of)


@EACH
def test_its_layout_is_not_disproved(found):
    module = built(found)
    assert "RNN107" not in codes(ri.verify_layout(module, found.layout))
    shipped = layout_of(module)
    if shipped is not None and shipped.recurrent and type(module).__qualname__ in str(shipped.classes):
        assert "RNN107" not in codes(ri.verify_layout(module))
        assert dict(shipped.polarity) == dict(found.layout.polarity) and dict(shipped.constant) == dict(found.layout.constant)
        assert cuts(module, shipped) == cuts(module, found.layout)


@EACH
def test_inference_agrees_or_declines(found):
    module = built(found)
    inferred = infer(module).layout
    if inferred is None:
        shipped = layout_of(module)
        proved = shipped is not None and type(module).__qualname__ in str(shipped.classes) and type(module).__qualname__ in FOUND
        assert not proved, infer(module).reason
        return
    true, seen = cuts(module, found.layout), cuts(module, inferred)
    shared = true.keys() & seen.keys()
    assert shared, (set(true), set(seen))
    names = {(true[key], seen[key]) for key in shared}
    assert len(names) == len({a for a, _ in names}) == len({b for _, b in names}), names
    to_true = {b: a for a, b in names}
    assert {to_true.get(gate, gate): sign for gate, sign in inferred.polarity.items()} == dict(found.layout.polarity)
    assert {to_true.get(gate, gate): value for gate, value in inferred.constant.items()} == dict(found.layout.constant)


@EACH
def test_wrong_layouts_are_disproved(found):
    module = built(found)
    inferred = infer(module).layout
    if inferred is None or not found.layout.polarity:
        pytest.skip("its gates cannot be told apart by probing, or there are none")
    assert "RNN107" in codes(ri.verify_layout(module, turned(found.layout)))
    told = not any("no plain sigmoid" in line for line in inferred.evidence)  # else a constant cannot be disproved
    if told and any(part.kind == "bias" for part in found.layout.parts):
        assert "RNN107" in codes(ri.verify_layout(module, shifted(found.layout)))
    if all(len(part.order) != 1 for part in found.layout.parts):
        assert "RNN107" in codes(ri.verify_layout(module, swapped(found.layout)))


def test_a_shipped_layout_initialises_a_class_of_somebody_else():
    lstm = pytest.importorskip("ncps.torch.lstm")
    cell = lstm.LSTMCell(5, 7)
    policy = ri.Policy(
        rules=[ri.Rule(id="keep", match=ri.Match(kind="bias", gate="retain"), init=ri.Timescale(steps=10))], untouched="allow"
    )
    handle = ri.attach(cell, policy)
    cell(torch.zeros(1, 5), (torch.zeros(1, 7), torch.zeros(1, 7)))
    assert handle.status["input_map.bias[forget]"] == "written" and ri.check(cell, policy, probe=True).ok
    assert ri.inspect(cell, probe=True).memory[0].retention == pytest.approx(0.9, abs=1e-6)


def test_a_recurrent_policy_of_reinforcement_learning_is_planned_and_verified():
    policies = pytest.importorskip("sb3_contrib.common.recurrent.policies")
    import gymnasium
    import numpy as np

    spaces = gymnasium.spaces.Box(-1, 1, (4,), np.float32), gymnasium.spaces.Discrete(2)
    model = policies.RecurrentActorCriticPolicy(*spaces, lambda _: 1e-3, lstm_hidden_size=16)
    assert ri.verify_layout(model) == ()
    ri.apply(model, ri.loads("version: 1\nextends: builtin:lstm-classic\nuntouched: allow\n"))
    assert [facts.retention for facts in ri.inspect(model, probe=True).memory] == pytest.approx([0.7310586] * 2, abs=1e-6)
    monkey = ri.infer_layout(model.lstm_actor)
    assert monkey is not None and monkey.order["weight_hh_l0"] == ("input", "forget", "cell", "output")


def test_swapping_has_teeth():
    layout = layout_of(nn.LSTMCell(2, 2))
    assert swapped(layout) != layout and replace(layout) == layout
