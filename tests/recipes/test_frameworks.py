"""Fans of the joint matrix: what a block says of it on real modules, and what the recipes make of it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.dissection import dissect
from rnninit_hooks.recipes.base import Block
from rnninit_hooks.recipes.frameworks import JointLecunTruncNormal, JointXavierUniform, LecunTruncNormal

from .blocks import block, filled

sizes = st.integers(1, 9)


@given(st.sampled_from([nn.LSTM, nn.GRU, nn.RNN]), sizes, sizes, st.integers(1, 3), st.booleans())
def test_a_block_knows_the_columns_of_all_that_feeds_its_gate(cell, inputs, hidden, layers, both) -> None:
    slots = dissect(cell(inputs, hidden, num_layers=layers, bidirectional=both)).slots
    for slot in slots:
        width = inputs if slot.layer == 0 else hidden * (1 + both)
        assert slot.block.joint_in == (None if slot.kind == "bias" else width + hidden), slot.address


def test_a_projected_state_is_narrower_and_the_projection_itself_is_no_part() -> None:
    found = {slot.address: slot.block.joint_in for slot in dissect(nn.LSTM(5, 7, proj_size=3)).slots}
    assert found["weight_ih_l0[cell]"] == found["weight_hh_l0[cell]"] == 8 and found["weight_hr_l0"] is None


def test_plain_layers_have_no_joint_matrix() -> None:
    assert {slot.block.joint_in for slot in dissect(nn.Sequential(nn.Linear(3, 4), nn.Embedding(5, 6))).slots} == {None}


@pytest.mark.parametrize("recipe", [JointLecunTruncNormal(), JointXavierUniform(gates=4)])
def test_joint_recipes_refuse_what_is_no_gate_of_a_joint_matrix(recipe) -> None:
    for of in (block(4, 4, joint_in=None), block(4, 4, gate=None), Block("a.bias", (4,), kind="bias", gate="forget")):
        assert "input or recurrent matrix" in recipe.refuse(of)
    assert recipe.refuse(block(4, 4)) is None


def test_a_rule_about_the_fused_matrix_is_told_why_it_cannot_hold() -> None:
    rule = ri.Rule(id="joint", match=ri.Match(kind="input"), init=JointXavierUniform(gates=4), whole=True)
    plan = ri.plan(nn.LSTM(3, 4), ri.Policy(rules=[rule], untouched="allow"))
    assert [finding.code for finding in plan.findings] == ["RNN105"]


@given(sizes, sizes, st.integers(1, 4), st.floats(0.1, 3.0))
def test_the_bound_is_glorots_for_the_joint_matrix(inputs: int, hidden: int, gates: int, gain: float) -> None:
    of = block(hidden, inputs, joint_in=inputs + hidden)
    low, high = JointXavierUniform(gates=gates, gain=gain).bounds(of)
    assert -low == high == pytest.approx(gain * math.sqrt(6.0 / (inputs + hidden + gates * hidden)))


@given(sizes, sizes, st.booleans(), st.floats(0.1, 3.0))
def test_the_cut_is_at_two_of_its_own_deviations(inputs: int, hidden: int, corrected: bool, gain: float) -> None:
    of = block(hidden, inputs, joint_in=inputs + hidden)
    for recipe, columns in ((LecunTruncNormal, inputs), (JointLecunTruncNormal, inputs + hidden)):
        spread = recipe(gain=gain, corrected=corrected).cut(of).spread
        wanted = gain / math.sqrt(columns)
        assert spread.std == pytest.approx(wanted * (1.0 if corrected else 0.87962566103423978))
        assert spread.high == pytest.approx(2.0 * wanted / (0.87962566103423978 if corrected else 1.0))


def test_the_fan_of_one_part_is_not_that_of_both() -> None:
    of = block(64, 64, joint_in=128)
    assert LecunTruncNormal().law(of, filled(JointLecunTruncNormal(), of))
    assert JointXavierUniform(gates=4).law(of, filled(JointXavierUniform(gates=2), of))
