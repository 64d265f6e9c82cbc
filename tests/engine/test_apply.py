"""What apply promises: only the matched slots, exactly, through every path the same, all or nothing."""

from __future__ import annotations

import copy
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.dissection import dissect
from rnninit_hooks.planning import plan
from rnninit_hooks.rules.models import Match, Policy, Rule
from rnninit_hooks.testing import assert_obeys, fingerprint, gated_modules, models, policies, sample_input
from rnninit_hooks.writers import Door

pytestmark = pytest.mark.filterwarnings("ignore::rnninit_hooks.errors.RnnInitWarning")  # random policies shadow their own rules
CLASSIC = {"LSTM": "lstm-classic", "GRU": "gru-classic", "RNN": "rnn-orthogonal"}
FLOAT32 = st.just(torch.float32)


def classic(module: nn.Module) -> str:
    return CLASSIC[type(module).__name__.removesuffix("Cell")]


def one_rule(init: dict, *, seed: int = 0, **match) -> Policy:
    settings = {key: match.pop(key) for key in ("whole", "place", "literal") if key in match}
    return Policy(
        rules=[Rule(id="one", match=Match(**match), init=init, **settings)], seed=seed, untouched="allow", idle="allow"
    )


def bits(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@given(gated_modules(max_size=128, dtypes=FLOAT32), st.floats(0.25, 4.0))
def test_every_gate_s_recurrent_block_is_orthogonal_by_itself(module, gain):
    ri.apply(module, one_rule({"kind": "orthogonal", "gain": gain}, kind="recurrent"))
    blocks = [slot for slot in dissect(module).slots if slot.kind == "recurrent"]
    assert blocks
    for slot in blocks:
        assert orthogonality(slot.value(), gain) <= 1e-5 * gain**2


def orthogonality(value: torch.Tensor, gain: float) -> float:
    tall = value if value.shape[0] >= value.shape[1] else value.mT
    eye = torch.eye(tall.shape[1], dtype=torch.float64)
    return (tall.mT @ tall - gain**2 * eye).abs().max().item()


@pytest.mark.parametrize("hidden", [2, 3, 17, 128])
def test_the_same_measure_fails_for_a_stacked_draw(hidden):
    module = nn.LSTM(4, hidden)
    nn.init.orthogonal_(module.weight_hh_l0)
    blocks = [slot for slot in dissect(module).slots if slot.kind == "recurrent"]
    assert all(orthogonality(slot.value(), 1.0) > 0.1 for slot in blocks)


@given(gated_modules(), st.floats(-4, 4, width=16), st.sampled_from(["ih", "hh", "split"]))
def test_the_effective_bias_is_exact_on_every_layer_and_direction(module, value, place):
    gate = "retain" if type(module).__name__[:3] != "RNN" else "hidden"
    exact = float(torch.tensor(value, dtype=torch.bfloat16))
    ri.apply(module, one_rule({"kind": "constant", "value": exact}, kind="bias", gate=gate, place=place))
    slots = [slot for slot in dissect(module).slots if slot.kind == "bias" and (slot.polarity or gate == "hidden")]
    bias = module.bias
    expected = getattr(module, "num_layers", 1) * (2 if getattr(module, "bidirectional", False) else 1) if bias else 0
    assert len(slots) == expected
    for slot in slots:
        assert (slot.value() == exact).all()
        shares = [piece.view(piece.member.read()).unique().tolist() for piece in slot.pieces]
        wanted = {"ih": [[exact], [0.0]], "hh": [[0.0], [exact]], "split": [[exact / 2], [exact / 2]]}[place]
        assert shares == wanted


@given(models(), policies())
def test_nothing_outside_the_matched_slots_changes(model, policy):
    before = {slot.address: [piece.view(piece.member.read()).clone() for piece in slot.pieces] for slot in dissect(model).slots}
    decided = {row.address for row in ri.plan(model, policy).rows if row.status == "write"}
    ri.apply(model, policy)
    for slot in dissect(model).slots:
        if slot.address not in decided and slot.member.path == (slot.organ.path):
            now = [piece.view(piece.member.read()) for piece in slot.pieces]
            aliases = any(other.address in decided for other in dissect(model).slots if other.key == slot.key)
            assert aliases or all(torch.equal(a, b) for a, b in zip(before[slot.address], now, strict=True))


@given(models(), policies())
def test_identity_dtype_device_strides_and_flags_stay(model, policy):
    for index, parameter in enumerate(model.parameters()):
        parameter.requires_grad_(index % 5 != 4)
    before, keys = fingerprint(model), list(model.state_dict())
    ri.apply(model, policy)
    assert fingerprint(model) == before
    assert list(model.state_dict()) == keys
    for module in model.modules():
        if isinstance(module, nn.RNNBase):
            assert all(
                weight is getattr(module, name)
                for weight, name in zip(module._flat_weights, module._flat_weights_names, strict=True)
            )


@given(models(), policies())
def test_apply_twice_is_apply_once(model, policy):
    ri.apply(model, policy)
    once = bits(model)
    ri.apply(model, policy)
    assert same(once, bits(model))


@given(models(), policies())
def test_a_model_that_was_applied_obeys(model, policy):
    ri.apply(model, policy)
    assert_obeys(model, policy)


@given(gated_modules(max_size=40))
def test_the_classic_presets_apply_and_are_obeyed_everywhere(module):
    ri.apply(module, classic(module))
    report = ri.check(module, classic(module))
    assert report.clean, str(report)
    assert all(row.status == "obeys" for row in report.rows)


@given(models(), policies())
def test_eager_lazy_and_decorated_give_the_same_bits(model, policy):
    twin, third = copy.deepcopy(model), copy.deepcopy(model)
    ri.apply(model, policy)
    ri.attach(twin, policy)
    ri.materialize(twin)
    assert same(bits(model), bits(twin))

    @ri.initialized(policy)
    class Decorated(nn.Module):
        def __init__(self):
            super().__init__()
            for name, child in third._modules.items():
                self.add_module(name, child)
            for name, value in third._parameters.items():
                self.register_parameter(name, value)

    assert same(bits(model), bits(Decorated())) or isinstance(model, nn.RNNBase | nn.RNNCellBase)


@given(gated_modules(), policies())
def test_a_decorated_recurrent_class_gives_the_same_bits(module, policy):
    twin = copy.deepcopy(module)
    ri.apply(module, policy)

    @ri.initialized(policy)
    class Own(type(twin)):
        def __init__(self):
            nn.Module.__init__(self)
            self.__dict__.update(twin.__dict__)

    assert same(bits(module), bits(Own()))


@given(gated_modules(dtypes=FLOAT32))
def test_lazy_initialisation_happens_before_the_first_forward_computes(module):
    twin = copy.deepcopy(module)
    policy = classic(module)
    ri.apply(twin, policy)
    ri.attach(module, policy)
    x = sample_input(module)
    if isinstance(module, nn.RNNBase) and module.batch_first:
        x = x.transpose(0, 1)
    expected, found = twin(x), module(x)
    expected, found = (out[0] if isinstance(out, tuple) else out for out in (expected, found))
    assert torch.equal(expected, found)
    assert not module._forward_pre_hooks and not module._state_dict_pre_hooks
    assert not [key for key in module.__dict__ if key.startswith("_rnninit")]


def test_the_global_random_streams_are_untouched():
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    model = nn.LSTM(8, 8)
    torch.set_rng_state(states[0])
    ri.apply(model, "lstm-classic")
    assert torch.equal(states[0], torch.get_rng_state())
    assert (states[1] == np.random.get_state()[1]).all()
    assert states[2] == random.getstate()


def test_values_do_not_depend_on_the_global_seed_and_do_on_the_policy_s():
    def drawn(seed, world):
        torch.manual_seed(world)
        module = nn.LSTM(8, 8)
        ri.apply(module, ri.preset("lstm-classic").model_copy(update={"seed": seed}))
        return bits(module)

    assert same(drawn(1, 5), drawn(1, 6))
    assert not same(drawn(1, 5), drawn(2, 5))


def test_a_layer_or_a_rule_elsewhere_leaves_every_other_tensor_bit_identical():
    policy = one_rule({"kind": "normal", "std": 0.1}, parameter="weight")
    small, large = nn.LSTM(6, 6), nn.LSTM(6, 6, num_layers=3, bidirectional=False)
    ri.apply(small, policy)
    ri.apply(large, policy)
    assert torch.equal(small.weight_hh_l0, large.weight_hh_l0)
    more = Policy(rules=[Rule(id="new", match=Match(kind="bias"), init={"kind": "zeros"}), *policy.rules])
    again = nn.LSTM(6, 6)
    ri.apply(again, more)
    assert torch.equal(small.weight_hh_l0, again.weight_hh_l0)


def test_layers_directions_and_gates_draw_independently():
    module = nn.LSTM(8, 8, num_layers=2, bidirectional=True, bias=False)
    ri.apply(module, one_rule({"kind": "normal", "std": 1.0}, kind="recurrent"))
    blocks = [slot.value().flatten() for slot in dissect(module).slots if slot.kind == "recurrent"]
    table = torch.corrcoef(torch.stack(blocks)) - torch.eye(len(blocks), dtype=torch.float64)
    assert len(blocks) == 16
    assert table.abs().max() < 0.6


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_is_the_cast_of_the_float32_draw(dtype):
    wide, narrow = nn.LSTM(7, 9), nn.LSTM(7, 9, dtype=dtype)
    ri.apply(wide, "lstm-classic")
    ri.apply(narrow, "lstm-classic")
    assert same({name: value.to(dtype) for name, value in bits(wide).items()}, bits(narrow))


def test_contexts_of_dtype_device_grad_and_inference_do_not_change_the_bits():
    reference = nn.LSTM(5, 6)
    ri.apply(reference, "lstm-classic")
    for context in (torch.no_grad(), torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16), torch.device("meta")):
        module = nn.LSTM(5, 6)
        with context:
            ri.apply(module, "lstm-classic")
        assert same(bits(reference), bits(module)), context
        assert not any(p.is_inference() for p in module.parameters())
    with torch.inference_mode():
        born = nn.LSTM(5, 6)
    ri.apply(born, "lstm-classic")
    assert same(bits(reference), bits(born))


def test_an_error_in_the_plan_raises_before_the_first_write():
    model = nn.LSTM(4, 4)
    before = bits(model)
    policy = Policy(rules=[
        Rule(id="good", match=Match(kind="recurrent"), init={"kind": "orthogonal"}),
        Rule(id="bad", match=Match(kind="bias"), init={"kind": "orthogonal"}),
    ])  # fmt: skip
    with pytest.raises(ri.PolicyError, match="RNN105") as caught:
        ri.apply(model, policy)
    assert {finding.rule for finding in caught.value.findings} == {"bad"}
    assert same(before, bits(model))


def test_a_value_that_overflows_the_dtype_is_refused_before_the_first_write():
    model = nn.GRU(3, 3, dtype=torch.float16)
    before = bits(model)
    with pytest.raises(ri.PolicyError, match="nan or inf"):
        ri.apply(model, one_rule({"kind": "constant", "value": 1e6}, kind="recurrent"))
    assert same(before, bits(model))


def test_a_write_that_does_not_take_puts_everything_back(monkeypatch):
    model = nn.LSTM(4, 4)
    before = bits(model)
    real = Door.write

    def lose_the_third(self, owner, local, value):
        real(self, owner, local, value * 0.5 if local == "bias_ih_l0" else value)

    monkeypatch.setattr(Door, "write", lose_the_third)
    with pytest.raises(ri.WriteError, match="bias_ih_l0: holds something else"):
        ri.apply(model, "lstm-classic")
    assert same(before, bits(model))


def test_an_interrupt_half_way_puts_everything_back(monkeypatch):
    model = nn.LSTM(4, 4)
    before = bits(model)
    real, calls = Door.write, []

    def interrupted(self, owner, local, value):
        calls.append(local)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(self, owner, local, value)

    monkeypatch.setattr(Door, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ri.apply(model, "lstm-classic")
    assert len(calls) == 3
    assert same(before, bits(model))


def test_the_padding_row_keeps_its_value():
    table = nn.Embedding(6, 3, padding_idx=2)
    with torch.no_grad():
        table.weight[2] = 9.0
    ri.apply(table, one_rule({"kind": "normal", "std": 0.1}, parameter="weight"))
    assert (table.weight[2] == 9.0).all()
    assert (table.weight[[0, 1, 3, 4, 5]].abs() < 1).all()
    assert ri.check(table, one_rule({"kind": "normal", "std": 0.1}, parameter="weight")).ok


def test_keep_protects_and_literal_writes_exactly_the_named_parameter():
    model = nn.LSTM(3, 4)
    before = bits(model)
    ri.apply(model, one_rule({"kind": "keep"}, parameter=".*"))
    assert same(before, bits(model))
    ri.apply(model, one_rule({"kind": "constant", "value": 1.0}, kind="bias", gate="forget", literal=True))
    assert (model.bias_ih_l0[4:8] == 1).all() and (model.bias_hh_l0[4:8] == 1).all(), "as the doubling loop does"
    ri.apply(model, one_rule({"kind": "constant", "value": 3.0}, parameter="bias_hh", gate="forget", literal=True))
    assert (model.bias_ih_l0[4:8] == 1).all() and (model.bias_hh_l0[4:8] == 3).all()


def test_whole_draws_the_fused_matrix():
    model = nn.LSTM(8, 8)
    policy = one_rule({"kind": "orthogonal"}, kind="recurrent", whole=True)
    ri.apply(model, policy)
    weight = model.weight_hh_l0.detach().double()
    assert (weight.mT @ weight - torch.eye(8, dtype=torch.float64)).abs().max() < 1e-5
    assert ri.check(model, policy).ok
    assert not ri.check(model, one_rule({"kind": "orthogonal"}, kind="recurrent")).ok


def test_plan_changes_nothing_and_is_the_same_on_meta():
    model = nn.LSTM(3, 4, num_layers=2)
    before = bits(model)
    real = plan(model, "lstm-classic")
    with torch.device("meta"):
        meta = plan(nn.LSTM(3, 4, num_layers=2), "lstm-classic")
    assert same(before, bits(model))
    assert real.to_dict() == meta.to_dict()
    with torch.device("meta"), pytest.raises(ri.PolicyError, match="meta"):
        ri.apply(nn.LSTM(3, 4), "lstm-classic")


def test_progress_counts_every_draw():
    seen = []
    ri.apply(nn.LSTM(3, 4), "lstm-classic", progress=lambda done, total, address: seen.append((done, total, address)))
    assert seen[-1][0] == seen[-1][1] == 12
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
