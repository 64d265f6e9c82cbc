"""What plan finds between a policy and a model, each with what to do."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import rnninit_hooks as ri

HEAD = "version: 1\nrules:\n"


def codes(model, *rules: str, head: str = HEAD, **more) -> list[str]:
    return [finding.code for finding in ri.plan(model, policy(*rules, head=head)).findings]


def policy(*rules: str, head: str = HEAD) -> ri.Policy:
    return ri.loads(head + "".join(f"  - {rule}\n" for rule in rules), name="rules.yaml")


ALL = "{id: all, match: {parameter: '.*'}, init: {kind: zeros}}"


def test_the_article_s_name_test_matches_nothing_and_says_what_to_write():
    plan = ri.plan(nn.LSTM(3, 4), policy("{id: f, match: {parameter: forget}, init: {kind: constant, value: 1.0}}", ALL))
    (finding,) = plan.findings
    assert (finding.code, finding.rule, finding.level) == ("RNN101", "f", "error")
    assert str(finding.place) == "rules.yaml:3:5"
    assert "gate: forget" in finding.fix
    assert not plan.ok


@pytest.mark.parametrize(
    ("rule", "model", "expected"),
    [
        ("{id: a, match: {kind: recurrent, gate: forget}, init: {kind: zeros}}", nn.GRU(2, 2), ["RNN104"]),
        ("{id: a, match: {gate: retain}, init: {kind: zeros}}", nn.RNN(2, 2), ["RNN104"]),
        ("{id: a, match: {module: GRU}, init: {kind: zeros}}", nn.LSTM(2, 2), ["RNN101"]),
        ("{id: a, match: {layer: 1, kind: bias}, init: {kind: zeros}}", nn.LSTM(2, 2), ["RNN101"]),
        ("{id: a, match: {direction: reverse}, init: {kind: zeros}}", nn.LSTM(2, 2), ["RNN101"]),
        ("{id: a, match: {kind: projection}, init: {kind: zeros}}", nn.LSTM(2, 2), ["RNN101"]),
        ("{id: a, match: {kind: bias}, init: {kind: zeros}}", nn.LSTM(2, 2, bias=False), ["RNN101"]),
        ("{id: a, match: {kind: bias}, init: {kind: orthogonal}}", nn.RNN(2, 2), ["RNN105"]),
        ("{id: a, match: {kind: input}, init: {kind: identity}}", nn.RNN(3, 2), ["RNN105"]),
        ("{id: a, match: {parameter: bias_hh}, init: {kind: zeros}}", nn.RNN(2, 2), ["RNN109"]),
        ("{id: a, match: {parameter: bias_ih_l0}, init: {kind: zeros}}", nn.LSTM(2, 2), ["RNN109"]),
        ("{id: a, match: {parameter: bias_l0}, init: {kind: zeros}}", nn.LSTM(2, 2), []),
        ("{id: a, match: {parameter: bias}, init: {kind: zeros}}", nn.LSTM(2, 2), []),
        ("{id: a, match: {parameter: bias_hh}, literal: true, init: {kind: zeros}}", nn.LSTM(2, 2), []),
        ("{id: a, match: {kind: bias}, whole: true, init: {kind: zeros}}", nn.LSTM(2, 2), ["RNN105"] * 1),
    ],
)
def test_a_rule_that_cannot_do_what_it_says_is_found(rule, model, expected):
    found = codes(model, ALL.replace("all", "first"), rule)
    assert sorted(set(found)) == sorted(set(expected))
    assert bool(found) == bool(expected)


def test_idle_can_be_lowered_by_the_rule_by_the_policy_and_by_inheritance():
    rule = "{id: a, match: {module: GRU}, init: {kind: zeros}}"
    model = nn.LSTM(2, 2)
    levels = {
        "error": policy(ALL, rule),
        "warning": policy(ALL, rule.replace("init", "idle: warn, init")),
        None: policy(ALL, rule.replace("init", "idle: allow, init")),
    }
    for level, found in levels.items():
        assert [f.level for f in ri.plan(model, found).findings] == ([level] if level else [])
    whole = ri.loads("version: 1\nidle: allow\nrules:\n  - " + rule + "\n  - " + ALL)
    assert not ri.plan(model, whole).findings
    inherited = ri.loads(f"version: 1\nextends: builtin:gru-classic\nrules:\n  - {ALL}\n")
    assert "RNN101" not in [f.code for f in ri.plan(model, inherited).findings]


def test_a_module_named_without_having_the_gate_is_found_beside_one_that_has_it():
    both = nn.ModuleDict({"a": nn.LSTM(2, 2), "b": nn.GRU(2, 2)})
    rule = "{id: a, match: {module: [LSTM, GRU], kind: bias, gate: forget}, init: {kind: zeros}}"
    (finding,) = [f for f in ri.plan(both, policy(ALL, rule)).findings if f.code == "RNN104"]
    assert "GRU has reset, update, new" in finding.expected
    quiet = "{id: a, match: {kind: bias, gate: forget}, init: {kind: zeros}}"
    assert not [f for f in ri.plan(both, policy(ALL, quiet)).findings if f.code == "RNN104"]


def test_a_shadowed_rule_names_the_rule_that_hides_it():
    early = "{id: early, match: {kind: bias}, init: {kind: zeros}}"
    plan = ri.plan(nn.LSTM(2, 2), policy(early, ALL))
    (finding,) = plan.findings
    assert (finding.code, finding.rule, finding.level) == ("RNN102", "early", "warning")
    assert "all" in finding.message
    assert plan.ok and not plan.clean


def test_untouched_recurrent_slots_are_found_at_the_policy_s_level():
    rule = "{id: a, match: {kind: recurrent}, init: {kind: orthogonal}}"
    model = nn.Sequential(nn.LSTM(2, 2), nn.Linear(2, 2))
    found = ri.plan(model, policy(rule)).findings
    assert {f.code for f in found} == {"RNN103"}
    assert len(found) == 8, "four gates of weight_ih and four effective biases; the plain Linear is no recurrent slot"
    assert {f.level for f in ri.plan(model, policy(rule, head="version: 1\nuntouched: error\nrules:\n")).findings} == {"error"}
    assert not ri.plan(model, policy(rule, head="version: 1\nuntouched: allow\nrules:\n")).findings


def test_allow_excuses_with_a_reason_and_a_stale_one_is_found():
    head = (
        "version: 1\nallow:\n"
        "  - {code: RNN103, at: 'weight_ih_l0[*', reason: pretrained}\n"
        "  - {code: RNN103, at: 'bias_l0[forget]', reason: by hand}\n"
        "  - {code: RNN105, at: 'nowhere', reason: old}\n"
        "rules:\n"
    )
    plan = ri.plan(nn.LSTM(2, 2), policy("{id: a, match: {kind: recurrent}, init: {kind: orthogonal}}", head=head))
    assert [f.address for f in plan.findings if f.code == "RNN103"] == ["bias_l0[input]", "bias_l0[cell]", "bias_l0[output]"]
    assert sorted(reason for _, reason in plan.allowed) == ["by hand", *["pretrained"] * 4]
    assert [f.message for f in plan.findings if f.code == "RNN110"] == ["allow RNN105 at 'nowhere' (old) excuses nothing"]


def test_the_last_matching_rule_wins_slot_by_slot():
    rules = (
        "{id: zero, match: {kind: bias}, init: {kind: zeros}}",
        "{id: open, match: {kind: bias, gate: f}, init: {kind: constant, value: 1.0}}",
        "{id: top, match: {kind: bias, layer: 1}, init: {kind: constant, value: 2.0}}",
    )
    rows = {row.address: row.rule for row in ri.plan(nn.LSTM(2, 2, num_layers=2), policy(*rules)).rows if row.kind == "bias"}
    assert rows["bias_l0[forget]"] == "open"
    assert rows["bias_l0[input]"] == "zero"
    assert {rows[f"bias_l1[{gate}]"] for gate in ("input", "forget", "cell", "output")} == {"top"}


def test_long_and_short_gate_names_and_retain_mean_the_same():
    for gates, model in ((("forget", "f", "retain"), nn.LSTM(2, 2)), (("update", "z", "retain"), nn.GRU(2, 2))):
        chosen = {
            tuple(
                row.address
                for row in ri.plan(model, policy(f"{{id: a, match: {{gate: {gate}}}, init: {{kind: zeros}}}}")).rows
                if row.rule
            )
            for gate in gates
        }
        assert len(chosen) == 1 and len(chosen.pop()) == 3


def test_module_matches_bare_defining_and_exported_names_of_bases():
    class Mine(nn.LSTM):
        pass

    for name in ("Mine", "LSTM", "RNNBase", "torch.nn.LSTM", "torch.nn.modules.rnn.LSTM"):
        rule = f"{{id: a, match: {{module: {name}}}, init: {{kind: zeros}}}}"
        assert all(row.rule == "a" for row in ri.plan(Mine(2, 2), policy(rule)).rows)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(5, 4)
        self.out = nn.Linear(4, 5, bias=False)
        self.out.weight = self.words.weight


def test_two_rules_for_two_names_of_one_tensor_clash_unless_they_agree():
    one = "{id: e, match: {module: Embedding}, init: {kind: normal, std: 0.1}}"
    other = "{id: l, match: {module: Linear}, init: {kind: zeros}}"
    plan = ri.plan(Tied(), policy(one, other))
    (finding,) = plan.findings
    assert finding.code == "RNN106" and "out.weight" in finding.message
    agreeing = one.replace("id: e", "id: l").replace("Embedding", "Linear")
    assert not ri.plan(Tied(), policy(one, agreeing)).findings


def test_a_rule_may_reach_a_tied_tensor_by_its_other_name():
    model = Tied()
    found = policy("{id: l, match: {module: Linear}, init: {kind: constant, value: 2.0}}")
    (row,) = ri.plan(model, found).rows
    assert (row.address, row.rule, row.note) == ("words.weight", "l", "decided by its other name out.weight")
    ri.apply(model, found)
    assert (model.words.weight == 2).all() and model.out.weight is model.words.weight


def test_one_tensor_cut_differently_under_two_names_clashes():
    model = nn.ModuleDict({"rnn": nn.LSTM(4, 4), "out": nn.Linear(4, 16, bias=False)})
    model["out"].weight = model["rnn"].weight_hh_l0
    rules = ("{id: r, match: {kind: recurrent}, init: {kind: zeros}}", "{id: o, match: {module: Linear}, init: {kind: ones}}")
    assert [f.code for f in ri.plan(model, policy(*rules)).findings if f.level == "error"] == ["RNN106"]


def test_writing_a_frozen_parameter_is_a_warning():
    model = nn.Linear(2, 2)
    model.weight.requires_grad_(False)
    found = policy("{id: a, match: {parameter: weight}, init: {kind: zeros}}")
    assert [f.code for f in ri.plan(model, found).findings] == ["RNN111"]
    with pytest.warns(ri.RnnInitWarning, match="RNN111"):
        ri.apply(model, found)
    assert not model.weight.requires_grad


def test_a_placeholder_of_deepspeed_is_refused_with_the_way_out():
    model = nn.Linear(2, 2)
    model.weight = nn.Parameter(torch.empty(0))
    model.weight.ds_id = 0
    (finding,) = ri.plan(model, policy("{id: a, match: {parameter: weight}, init: {kind: zeros}}")).findings
    assert finding.code == "RNN113" and "GatheredParameters" in finding.message


def test_what_is_no_real_number_cannot_be_written():
    model = nn.Module()
    model.index = nn.Parameter(torch.zeros(3, dtype=torch.int64), requires_grad=False)
    found = ri.plan(model, policy("{id: a, match: {parameter: index}, init: {kind: zeros}}")).findings
    assert [f.code for f in found] == ["RNN113"]


@pytest.mark.parametrize(("thing", "words"), [(nn.LSTM, "the class LSTM; call it first"), (3, "found int"), ("x", "found str")])
def test_what_is_no_model_is_refused_by_every_verb(thing, words):
    for verb in (ri.plan, ri.apply, ri.check, ri.attach, lambda model, _: ri.inspect(model)):
        with pytest.raises(TypeError, match=words):
            verb(thing, "lstm-classic")


def test_a_slow_pattern_is_a_finding_and_no_hang(monkeypatch):
    from rnninit_hooks.rules.patterns import PatternTimeout

    found = policy(ALL)

    def slow(self, pattern):
        raise PatternTimeout("x", "weight_ih_l0")

    monkeypatch.setattr("rnninit_hooks.matching.Lines.found", slow)
    plan = ri.plan(nn.LSTM(2, 2), found)
    assert "RNN114" in [f.code for f in plan.errors]


def test_a_plan_prints_and_turns_into_plain_data():
    import json

    plan = ri.plan(nn.LSTM(2, 2), "lstm-classic")
    text = str(plan)
    assert "weight_hh_l0" in text and "orthogonal" in text
    assert max(map(len, text.splitlines())) <= 80
    data = json.loads(json.dumps(plan.to_dict(), allow_nan=False))
    assert data["rows"][0]["address"] == "weight_ih_l0[input]"
