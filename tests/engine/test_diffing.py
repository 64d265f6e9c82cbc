"""What a change of rules does, slot by slot: the claim of equal bits is held against applying both."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.dissection import dissect
from rnninit_hooks.testing.strategies import models
from rnninit_hooks.testing.strategies import policies as plain_policies

HEAD = "version: 1\nuntouched: allow\nidle: allow\n"


def rules(*entries: str, seed: int = 0, head: str = HEAD) -> ri.Policy:
    return ri.loads(f"{head}seed: {seed}\nrules:\n" + "".join(f"  - {entry}\n" for entry in entries), name="r.yaml")


def rule(name: str, match: str, init: str, more: str = "") -> str:
    return f"{{id: {name}, match: {{{match}}}, init: {{kind: {init}}}{', ' + more if more else ''}}}"


OPEN = rule("open", "kind: bias, gate: retain", "constant, value: 1.0")
RECURRENT = rule("rec", "kind: recurrent", "orthogonal")


@st.composite
def policies(draw: Any) -> ri.Policy:
    """The package's own policies, and in them: joint draws, whole and literal rules, keep, constants that are equal."""
    base: ri.Policy = draw(plain_policies())
    extra = draw(st.lists(st.sampled_from(EXTRA), max_size=3, unique=True))
    own = [ri.loads(HEAD + "rules:\n  - " + text).rules[0] for text in extra]
    every = draw(st.permutations([*base.rules, *own]))
    return base.model_copy(update={"rules": tuple(every), "seed": draw(st.sampled_from([0, 1, base.seed]))})


EXTRA = (
    rule("chrono", "kind: bias, gate: [retain, input]", "chrono, t_max: 20.0"),
    rule("whole", "kind: recurrent", "orthogonal", "whole: true"),
    rule("whole-bias", "kind: bias", "normal, std: 0.5", "whole: true, literal: true"),
    rule("literal", "parameter: 'bias_hh'", "constant, value: 0.5", "literal: true"),
    rule("literal-ih", "parameter: 'bias_ih', gate: [forget, new]", "normal, std: 0.2", "literal: true"),
    rule("keep", "kind: recurrent, layer: 1", "keep"),
    rule("zero", "kind: bias", "zeros"),
    rule("minus", "kind: bias", "constant, value: -0.0"),
    rule("plus", "kind: bias", "constant, value: 0.0"),
    rule("one", "kind: bias, gate: forget", "ones", "why: 'of old'"),
    rule("head", "parameter: 'b.1'", "normal, std: 0.3"),
)


def _mutated(draw: Any, policy: ri.Policy) -> ri.Policy:
    """The same policy after a small edit: another order, id, reason, place, seed, or nothing."""
    edit = draw(st.sampled_from(["none", "order", "ids", "why", "place", "seed", "drop"]))
    each = list(policy.rules)
    if edit == "order":
        each = draw(st.permutations(each))
    elif edit == "ids":
        each = [one.model_copy(update={"id": f"{one.id}-again"}) for one in each]
    elif edit == "why":
        each = [one.model_copy(update={"why": "another reason"}) for one in each]
    elif edit == "place":
        each = [one.model_copy(update={"place": "hh"}) if not (one.literal or one.whole) else one for one in each]
    elif edit == "drop" and len(each) > 1:
        each = each[1:]
    seed = policy.seed ^ 1 if edit == "seed" else policy.seed
    return policy.model_copy(update={"rules": tuple(each), "seed": seed})


@st.composite
def pairs(draw: Any) -> tuple[ri.Policy, ri.Policy]:
    first = draw(policies())
    return first, draw(policies()) if draw(st.booleans()) else _mutated(draw, first)


def _bits(model: nn.Module, names: list[str]) -> dict[str, bytes]:
    found = {}
    for slot in dissect(model).slots:
        each = [slot, *(slot.single(piece) for piece in slot.pieces if len(slot.pieces) > 1)]
        for one in (one for one in each if one.address in names):
            raw = [piece.view(piece.member.read()).contiguous().reshape(-1).view(torch.uint8) for piece in one.pieces]
            found[one.address] = b"".join(part.numpy().tobytes() for part in raw)
    return found


def _applied(model: nn.Module, policy: ri.Policy, names: list[str]) -> dict[str, bytes] | None:
    own = copy.deepcopy(model)
    try:
        ri.apply(own, policy)
    except ri.PolicyError:
        return None
    return _bits(own, names)


def _holds(model: nn.Module, one: ri.Policy, other: ri.Policy) -> ri.Diff:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    difference = ri.diff(model, one, other)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), "a diff writes nothing"
    names = [row.address for row in difference.rows]
    first, second = (_applied(model, policy, names) for policy in (one, other))
    if first is None or second is None:
        return difference
    assert set(first) == set(names)
    for row in difference.rows:
        assert row.bits_equal is (first[row.address] == second[row.address]), row
        assert (row.change == "same") <= bool(row.bits_equal)
    total = sum(len(raw) for raw in first.values())
    assert total == sum(len(raw) for raw in _bits(model, [slot.address for slot in dissect(model).slots]).values()) or _tied(model)
    return difference


def _tied(model: nn.Module) -> bool:
    return len({*model.parameters()}) < len([*model.named_parameters(remove_duplicate=False)])


@pytest.mark.filterwarnings("ignore::rnninit_hooks.errors.RnnInitWarning")
@settings(max_examples=120, deadline=None)
@given(model=models(max_size=6), pair=pairs())
def test_what_is_called_equal_is_equal_after_applying_either_and_nothing_else_is(model, pair):
    _holds(model, *pair)


@pytest.mark.filterwarnings("ignore::rnninit_hooks.errors.RnnInitWarning")
@settings(max_examples=30, deadline=None)
@given(model=models(max_size=6), policy=policies())
def test_a_policy_against_itself_changes_nothing_and_draws_nothing(model, policy):
    difference = ri.diff(model, policy, policy)
    assert difference.same
    assert all(row.bits_equal and not row.reworded for row in difference.rows)


@settings(max_examples=30, deadline=None)
@given(model=models(max_size=5), pair=pairs())
def test_a_model_without_memory_has_the_same_kinds_of_change(model, pair):
    real = ri.diff(model, *pair)
    bare = ri.diff(copy.deepcopy(model).to("meta"), *pair)
    for one, other in zip(real.rows, bare.rows, strict=True):
        assert (one.address, one.change) == (other.address, other.change)
        assert other.bits_equal in (one.bits_equal, None)
        if one.change in ("same", "changed"):
            assert other.bits_equal is one.bits_equal


def test_every_kind_of_change_has_its_row_with_both_sides_and_their_numbers():
    model = nn.ModuleDict({"rnn": nn.LSTM(3, 4), "head": nn.Linear(4, 2)})
    first = rules(RECURRENT, OPEN, rule("head", "parameter: 'head.bias'", "constant, value: 3.0"))
    second = rules(RECURRENT, OPEN.replace("1.0", "2.0"), rule("top", "parameter: 'head.weight'", "xavier_uniform"))
    difference = ri.diff(model, first, second)
    assert difference.counts == {"changed": 1, "only_a": 1, "only_b": 1, "same": 11}
    bias = difference["rnn.bias_l0[forget]"]
    assert (bias.a.recipe, bias.b.recipe) == ("constant(value=1.0)", "constant(value=2.0)")
    assert (str(bias.a.place), bias.b.rule) == ("r.yaml:7:5", "open")
    assert bias.figures_a == {"effective_bias": 1.0, "retention": torch.sigmoid(torch.tensor(1.0).double()).item()}
    assert bias.figures_b["effective_bias"] == 2.0
    gone, new = difference["head.bias"], difference["head.weight"]
    assert (gone.change, gone.figures_a, gone.figures_b) == ("only_a", {"mean": 3.0}, {})
    assert (new.change, set(new.figures_b), new.a.rule) == ("only_b", {"mean", "std"}, None)
    assert "      std as built -> 0." in str(difference) and "      mean 3 -> as built" in str(difference)
    flat = ri.diff(model, rules(rule("head", "parameter: 'head.weight'", "constant, value: 5.0")), second)
    assert "std 0 -> 0." in str(flat) and "mean 5 -> " in str(flat)
    assert difference["rnn.weight_hh_l0[cell]"].bits_equal is True
    with pytest.raises(KeyError, match=r"no slot 'nothing'.*rnn\.bias_l0\[forget\]"):
        difference["nothing"]


def test_a_seed_changes_draws_and_no_constant():
    difference = ri.diff(nn.GRU(3, 4), rules(RECURRENT, OPEN, seed=1), rules(RECURRENT, OPEN, seed=2))
    assert {row.address for row in difference.rows if row.change == "changed"} == {f"weight_hh_l0[{g}]" for g in ("reset", "update", "new")}
    assert difference["bias_l0[update]"].change == "same"
    assert difference.seeds == (1, 2) and "seed 1 -> 2" in str(difference)


def test_the_same_bits_from_other_words_are_identical_and_named():
    first, second = rules(rule("a", "kind: bias", "zeros")), rules(rule("b", "kind: bias", "constant, value: 0.0", "why: 'b'"))
    difference = ri.diff(nn.LSTM(3, 4), first, second)
    assert difference.same and all(row.reworded for row in difference.rows if row.a.rule)
    assert "bit-identical, but said otherwise:" in str(difference)
    assert "said otherwise" not in str(ri.diff(nn.LSTM(3, 4), first, first))


def test_minus_zero_is_not_zero():
    plus, minus = (rules(rule("a", "kind: bias", f"constant, value: {value}")) for value in ("0.0", "-0.0"))
    assert plus.rules[0].init == minus.rules[0].init, "which is why texts are compared too"
    difference = ri.diff(nn.RNN(2, 2), plus, minus)
    assert difference["bias_l0[hidden]"].change == "changed"


def test_the_place_of_a_bias_moves_bits_though_the_gate_feels_the_same():
    difference = _holds(nn.LSTM(3, 4), rules(OPEN), rules(OPEN[:-1] + ", place: hh}"))
    row = difference["bias_l0[forget]"]
    assert (row.change, row.figures_a, row.b.note) == ("changed", row.figures_b, "placed in bias_hh_l0, 0 in bias_ih_l0")


def test_a_literal_rule_splits_the_sum_on_both_sides():
    literal = rule("half", "parameter: bias_ih_l0, gate: forget", "constant, value: 1.0", "literal: true")
    difference = _holds(nn.LSTM(3, 4), rules(OPEN), rules(literal))
    assert difference["bias_ih_l0[forget]"].change == "same", "1.0 stands there either way"
    other = difference["bias_hh_l0[forget]"]
    assert (other.change, other.bits_equal, other.figures_a) == ("only_a", False, {"value": 0.0})
    assert other.a.note == "its share of bias_l0[forget]"


def test_a_joint_draw_changes_for_both_gates():
    def chrono(longest: str) -> ri.Policy:
        return rules(rule("c", "kind: bias, gate: [forget, input]", f"chrono, t_max: {longest}"))

    difference = _holds(nn.LSTM(3, 4, num_layers=2), chrono("10.0"), chrono("20.0"))
    assert difference.counts["changed"] == 4


def test_a_decision_on_what_holds_the_same_bits_already_is_still_a_change_of_decisions():
    norm = rule("norm", "parameter: norm.weight", "ones")
    model = nn.ModuleDict({"norm": nn.LayerNorm(3), "rnn": nn.RNN(2, 2)})
    difference = ri.diff(model, rules(RECURRENT), rules(RECURRENT, norm))
    row = difference["norm.weight"]
    assert (row.change, row.bits_equal, difference.same) == ("only_b", True, False)
    bare = ri.diff(model.to("meta"), rules(RECURRENT), rules(RECURRENT, norm))["norm.weight"]
    assert bare.bits_equal is None and "holds no memory" in bare.note


def test_what_a_batch_decides_is_equal_only_while_nothing_else_changes():
    lsuv = rule("fit", "kind: input", "lsuv")
    same = ri.diff(nn.LSTM(3, 4), rules(RECURRENT, lsuv), rules(RECURRENT, lsuv))
    assert same.same
    moved = ri.diff(nn.LSTM(3, 4), rules(RECURRENT, lsuv), rules(RECURRENT.replace("orthogonal", "zeros"), lsuv))
    row = moved["weight_ih_l0[cell]"]
    assert (row.change, row.bits_equal) == ("changed", None) and "measured on a batch" in row.note
    other = ri.diff(nn.LSTM(3, 4), rules(RECURRENT, lsuv), rules(RECURRENT, rule("fit", "kind: input", "zeros")))
    row = other["weight_ih_l0[cell]"]
    assert (row.change, row.bits_equal, row.note) == ("changed", None, "depends on the batch")
    reseeded = ri.diff(nn.LSTM(3, 4), rules(lsuv, seed=1), rules(lsuv, seed=2))
    assert reseeded["weight_ih_l0[cell]"].change == "changed"


def test_weights_from_files_are_compared_by_their_values(tmp_path):
    for name, value in (("old", 1.0), ("new", 2.0), ("copy", 1.0)):
        torch.save({"weight": torch.full((2, 2), value)}, tmp_path / f"{name}.pt")

    def taken(name: str) -> ri.Policy:
        return ri.Policy(rules=[ri.Rule(id="file", match=ri.Match(parameter="weight"), init=ri.Pretrained(path=str(tmp_path / f"{name}.pt")))])

    assert _holds(nn.Linear(2, 2), taken("old"), taken("new"))["weight"].change == "changed"
    assert _holds(nn.Linear(2, 2), taken("old"), taken("copy"))["weight"].change == "same"
    lost = ri.diff(nn.Linear(2, 2), taken("old"), taken("lost"))
    assert (lost["weight"].bits_equal, [f.code for f in lost.new]) == (None, ["RNN105"])


def test_findings_that_come_and_go_are_told_and_those_whose_line_moved_are_not():
    idle = rule("idle", "module: GRU", "zeros", "idle: error")
    first, second = rules(RECURRENT, idle), rules(idle, RECURRENT)
    assert not ri.diff(nn.LSTM(2, 2), first, second).new
    coming = ri.diff(nn.LSTM(2, 2), rules(RECURRENT), first)
    assert [finding.code for finding in coming.new] == ["RNN101"] and not coming.same
    assert "findings that come:" in str(coming) and "r.yaml:7:5: RNN101" in str(coming)
    going = ri.diff(nn.LSTM(2, 2), first, rules(RECURRENT))
    assert [finding.code for finding in going.gone] == ["RNN101"] and "findings that go:" in str(going)


def test_a_shape_that_cannot_obey_is_not_drawn():
    difference = ri.diff(nn.RNN(3, 2), rules(rule("i", "kind: input", "zeros")), rules(rule("i", "kind: input", "identity")))
    row = difference["weight_ih_l0[hidden]"]
    assert (row.change, row.bits_equal, row.note) == ("changed", None, "cannot be drawn, see the findings")
    excused = HEAD + "allow: [{code: RNN105, reason: 'a trial'}]\n"
    first, second = (rules(rule("i", "kind: input", f"identity, gain: {gain}"), head=excused) for gain in ("1.0", "2.0"))
    assert ri.diff(nn.RNN(3, 2), first, second)["weight_ih_l0[hidden]"].bits_equal is None
    assert ri.diff(nn.RNN(3, 2), first, first).same


def test_a_tensor_with_two_names_is_seen_through_either():
    model = nn.Module()
    model.rnn = nn.RNN(4, 4)
    model.head = nn.Linear(4, 4, bias=False)
    model.head.weight = model.rnn.weight_hh_l0
    difference = _holds(model, rules(rule("a", "parameter: head", "zeros")), rules(rule("a", "parameter: head", "ones")))
    assert difference["rnn.weight_hh_l0[hidden]"].change == "changed"


def test_what_another_library_loaded_is_kept_by_both():
    model = nn.RNN(3, 2)
    model.weight_hh_l0._is_hf_initialized = True
    difference = ri.diff(model, rules(rule("a", "kind: recurrent", "zeros")), rules(rule("a", "kind: recurrent", "ones")))
    assert difference["weight_hh_l0[hidden]"].change == "same"
    measured = ri.diff(model, rules(rule("a", "kind: recurrent", "zeros")), rules(rule("a", "kind: recurrent", "critical_gain")))
    assert measured["weight_hh_l0[hidden]"].change == "same"


@pytest.mark.filterwarnings("ignore::rnninit_hooks.errors.RnnInitWarning")
def test_behind_a_parametrization_a_neighbour_is_not_called_equal():
    model = nn.RNN(3, 4, num_layers=2)
    nn.utils.parametrizations.weight_norm(model, "weight_hh_l0")
    difference = ri.diff(model, rules(rule("a", "kind: recurrent", "ones")), rules(rule("a", "kind: recurrent", "ones")))
    assert difference.same
    some = ri.diff(nn.utils.parametrizations.weight_norm(nn.LSTM(3, 4), "weight_hh_l0"), rules(OPEN), rules(OPEN, rule("f", "kind: recurrent, gate: forget", "ones")))
    assert some["weight_hh_l0[forget]"].change == "only_b"
    row = some["weight_hh_l0[input]"]
    assert (row.change, row.bits_equal) == ("changed", None) and "parametrization" in row.note


def test_parameters_without_a_shape_are_named_and_not_called_equal():
    model = nn.Sequential(nn.LazyLinear(3))
    first, second = rules(rule("a", "parameter: weight", "zeros")), rules(rule("a", "parameter: weight", "ones"))
    assert ri.diff(model, first, second).unjudged == ("0.weight", "0.bias")
    assert "not judged" in str(ri.diff(model, first, second))
    assert ri.diff(model, first, first).unjudged == ()


def test_a_diff_is_plain_data_and_prints_layers_as_ranges():
    model = nn.LSTM(4, 4, num_layers=3)
    difference = ri.diff(model, rules(RECURRENT), rules(rule("rec", "kind: recurrent", "orthogonal, gain: 2.0")))
    facts = json.loads(json.dumps(difference.to_dict()))
    assert facts["verb"] == "diff" and facts["counts"]["changed"] == 12
    assert facts["rows"][4] == {"address": "weight_hh_l0[input]", "change": "changed", "bits_equal": False, "a": facts["rows"][4]["a"], "b": facts["rows"][4]["b"]}
    assert facts["rows"][4]["b"]["recipe"] == "orthogonal(gain=2.0)"
    text = str(difference)
    assert "weight_hh_l{0..2}[input forget cell output]" in text
    assert text.splitlines()[-2:] == ["diff: 12 slots change, 0 are no longer decided, 0 are newly decided, 24 stay", "  bit-identical"]


def test_layers_that_differ_in_gates_stand_on_lines_of_their_own():
    def two(init: str) -> ri.Policy:
        kept = rule("kept", "kind: recurrent, layer: 1, gate: input", "keep")
        return rules(rule("a", "kind: recurrent, gate: [input, forget]", init), kept)

    text = str(ri.diff(nn.LSTM(4, 4, num_layers=2), two("zeros"), two("ones")))
    assert "  weight_hh_l0[input forget]  4x4  changes" in text
    assert "  weight_hh_l1[forget]        4x4  changes" in text


def test_presets_are_named_and_no_model_is_refused():
    difference = ri.diff(nn.LSTM(3, 4), "lstm-classic", "builtin:keras")
    assert (difference.a, difference.b) == ("lstm-classic", "builtin:keras")
    assert str(difference).startswith("--- lstm-classic\n+++ builtin:keras\n")
    with pytest.raises(TypeError, match="call it first"):
        ri.diff(nn.LSTM, "lstm-classic", "keras")
