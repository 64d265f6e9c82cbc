"""Every element belongs to exactly one slot; names print, parse and survive wrappers."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations
from torch.optim.swa_utils import AveragedModel

import rnninit_hooks as ri
from rnninit_hooks.dissection import dissect
from rnninit_hooks.testing import gated_modules, models


@given(gated_modules())
def test_every_element_belongs_to_exactly_one_slot(module):
    counts = {name: torch.zeros(p.shape, dtype=torch.int64) for name, p in module.named_parameters()}
    for slot in dissect(module).slots:
        for piece in slot.pieces:
            piece.view(counts[piece.member.name]).add_(1)
    assert counts and all((count == 1).all() for count in counts.values())


@given(gated_modules())
def test_slots_of_a_gate_have_one_gate_s_shape_and_fans(module):
    for slot in dissect(module).slots:
        rows = module.proj_size if slot.kind == "projection" else module.hidden_size
        assert slot.shape[0] == rows
        if slot.kind in ("input", "recurrent"):
            assert (slot.block.fan_out, slot.block.fan_in) == slot.shape
            assert slot.block.hidden_size == module.hidden_size


@given(models())
def test_plain_parameters_are_slots_too_and_addresses_are_unique(model):
    slots = dissect(model).slots
    addresses = [slot.address for slot in slots]
    assert len(set(addresses)) == len(addresses)
    sizes = {slot.key: sum(math.prod(piece.shape) for piece in slot.pieces) for slot in slots}
    assert sum(sizes.values()) == sum(p.numel() for p in model.parameters())


@given(models())
def test_addresses_parse_back(model):
    for slot in dissect(model).slots:
        address = ri.Address.parse(slot.address)
        assert (address.parameter, address.gate) == (slot.name, slot.gate)
        assert str(address) == slot.address


@given(
    st.text(min_size=1).filter(lambda t: not t.startswith(".") and not t.endswith(".")),
    st.none() | st.from_regex(r"[a-z_]\w*", fullmatch=True),
)
def test_any_name_prints_and_parses_back(parameter, gate):
    try:
        address = ri.Address(parameter, gate)
    except ri.AddressError:
        return
    assert ri.Address.parse(str(address)) == address


@pytest.mark.parametrize("text", ["", "a.", ".a", "w[", "w[1x]", "[forget]", "w[a b]"])
def test_what_is_no_address_is_refused_with_an_example(text):
    if text == "w[":
        assert ri.Address.parse(text).parameter == "w["  # no closing bracket: a name, if an odd one
        return
    with pytest.raises(ri.AddressError, match="expected"):
        ri.Address.parse(text)


def test_the_effective_bias_is_one_slot_where_partners_add_and_two_where_they_do_not():
    def biases(module):
        return [slot.address for slot in dissect(module).slots if slot.kind == "bias"]

    assert biases(nn.LSTM(2, 3)) == ["bias_l0[input]", "bias_l0[forget]", "bias_l0[cell]", "bias_l0[output]"]
    assert biases(nn.GRU(2, 3)) == ["bias_l0[reset]", "bias_l0[update]", "bias_ih_l0[new]", "bias_hh_l0[new]"]
    assert biases(nn.GRUCell(2, 3)) == ["bias[reset]", "bias[update]", "bias_ih[new]", "bias_hh[new]"]
    assert biases(nn.RNN(2, 3, bidirectional=True)) == ["bias_l0[hidden]", "bias_l0_reverse[hidden]"]
    assert biases(nn.LSTM(2, 3, bias=False)) == []


def test_attention_has_query_key_and_value_slots():
    fused = {slot.address: slot.shape for slot in dissect(nn.MultiheadAttention(4, 2)).slots}
    assert fused["in_proj_weight[query]"] == (4, 4)
    assert fused["in_proj_bias[value]"] == (4,)
    apart = {slot.address: slot.shape for slot in dissect(nn.MultiheadAttention(4, 2, kdim=3, vdim=5)).slots}
    assert (apart["k_proj_weight[key]"], apart["v_proj_weight[value]"]) == ((4, 3), (4, 5))


class Holder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.LSTM(3, 4)
        self.module = nn.Linear(4, 2)  # a real child that happens to be called like a wrapper's

    def forward(self, x):
        return self.module(self.encoder(x)[0])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.compile's own imports
def test_wrappers_never_change_an_address():
    names = [slot.address for slot in dissect(Holder()).slots]
    assert "module.weight" in names, "a child called module of an ordinary class keeps its name"
    assert [slot.address for slot in dissect(nn.DataParallel(Holder())).slots] == names
    assert [slot.address for slot in dissect(AveragedModel(Holder())).slots] == names
    assert [slot.address for slot in dissect(torch.compile(Holder())).slots] == names
    assert [slot.address for slot in dissect(nn.DataParallel(torch.compile(Holder()))).slots] == names


def test_parametrized_and_normed_weights_keep_their_logical_name():
    plain = [slot.address for slot in dissect(nn.LSTM(3, 4)).slots]
    new = parametrizations.weight_norm(nn.LSTM(3, 4), "weight_hh_l0")
    assert sorted(slot.address for slot in dissect(new).slots) == sorted(plain)
    with pytest.warns(FutureWarning):
        old = nn.utils.weight_norm(nn.LSTM(3, 4), "weight_hh_l0")
    assert sorted(slot.address for slot in dissect(old).slots) == sorted(plain)


def test_a_class_whose_parameters_contradict_its_layout_is_reported_and_taken_as_plain():
    class Odd(nn.LSTM):
        def __init__(self):
            super().__init__(3, 4)
            self.weight_hh_l0 = nn.Parameter(torch.zeros(15, 4))

    anatomy = dissect(Odd())
    assert [finding.code for finding in anatomy.findings] == ["RNN112"]
    assert "weight_hh_l0 is [15, 4]" in anatomy.findings[0].message
    assert {slot.gate for slot in anatomy.slots} == {None}


def test_a_module_that_contains_itself_does_not_loop():
    inner = nn.Sequential(nn.Linear(2, 2))
    inner.append(inner)
    assert [slot.address for slot in dissect(inner).slots] == ["0.weight", "0.bias"]
