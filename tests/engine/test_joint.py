"""Recipes that draw once for several gates: the pair holds in every layer, and every way to break it is found."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import rnninit_hooks as ri

PAIR = "{id: pair, match: {kind: bias, gate: [retain, input]}, init: {kind: %s}%s}"
GRU = "{id: pair, match: {kind: bias, gate: retain}, init: {kind: %s}}"
KINDS = ["chrono, t_max: 40.0", "uniform_gate", "log_spaced, t_max: 40.0"]


def policy(*rules: str, seed: int = 0) -> ri.Policy:
    lines = "".join(f"  - {rule}\n" for rule in rules)
    return ri.loads(f"version: 1\nseed: {seed}\nuntouched: allow\nrules:\n{lines}", name="rules.yaml")


def felt(lstm: nn.LSTM, suffix: str = "l0") -> torch.Tensor:
    total = getattr(lstm, f"bias_ih_{suffix}").double() + getattr(lstm, f"bias_hh_{suffix}").double()
    return total.detach().view(4, -1)


def codes(report: ri.Report) -> set[str]:
    return {finding.code for finding in report.findings}


@settings(max_examples=40)
@given(
    st.sampled_from(KINDS), st.integers(3, 9), st.integers(1, 3), st.booleans(), st.booleans(),
    st.sampled_from([torch.float64, torch.float32, torch.bfloat16]), st.sampled_from(["ih", "hh", "split"]), st.integers(0, 2**31),
)  # fmt: skip
def test_the_pair_is_opposite_bit_for_bit_in_every_layer(kind, size, layers, both, projected, dtype, place, seed):
    lstm = nn.LSTM(2, size, layers, bidirectional=both, proj_size=2 if projected else 0).to(dtype)
    rules = policy(PAIR % (kind, f", place: {place}"), seed=seed)
    ri.apply(lstm, rules)
    drawn = []
    for suffix in [f"l{layer}{end}" for layer in range(layers) for end in (["", "_reverse"] if both else [""])]:
        forget, input_ = felt(lstm, suffix)[1], felt(lstm, suffix)[0]
        assert torch.equal(forget, -input_)
        assert ((1 + forget.exp()) < 42.5).all() and ((1 + forget.exp()) > (1.99 if "uniform" not in kind else 1)).all()
        drawn.append(tuple(forget.tolist()))
    if "log_spaced" not in kind:
        assert len(set(drawn)) == len(drawn), "each layer and direction has a draw of its own"
    assert ri.check(lstm, rules).ok
    again = copy.deepcopy(lstm)
    ri.apply(again, rules)
    assert all(torch.equal(a, b) for a, b in zip(lstm.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_where_an_open_gate_overwrites_the_sign_turns(kind):
    class WriteGated(nn.Module):
        """h' = (1 - z) h + z n."""

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(12, 7))
            self.bias = nn.Parameter(torch.zeros(12))

    parts = (ri.Part("bias", "bias", kind="bias", order=("reset", "update", "new")),)
    ri.register_layout(
        ri.Layout("test.write-gated", (f"{__name__}.{WriteGated.__qualname__}",), parts, polarity={"update": -1})
    )
    try:
        cell, gru = WriteGated(), nn.GRU(3, 4)
        ri.apply(cell, policy(GRU % kind, seed=5))
        ri.apply(gru, policy(GRU % kind, seed=5))
        assert (cell.bias[4:8] <= 0).all() if "uniform" not in kind else cell.bias[4:8].any()
        assert not cell.bias[:4].any() and not cell.bias[8:].any()
        update = (gru.bias_ih_l0 + gru.bias_hh_l0)[4:8]
        assert (update >= 0).all() if "uniform" not in kind else update.any()
        assert ri.check(cell, policy(GRU % kind)).ok and ri.check(gru, policy(GRU % kind)).ok
        with torch.no_grad():
            cell.bias[4:8].neg_()
        assert "uniform" in kind or "RNN20" in str(codes(ri.check(cell, policy(GRU % kind))))
    finally:
        from rnninit_hooks.layouts.registry import unregister_layout

        unregister_layout("test.write-gated")


@pytest.mark.parametrize(
    ("kind", "gates", "words"),
    [
        ("chrono, t_max: 9.0", "forget", "the rule misses"),
        ("chrono, t_max: 9.0", "input", "the rule does not match"),
        ("chrono, t_max: 9.0", "[forget, input, output]", "does not write this slot"),
        ("uniform_gate", "[retain, cell, input]", "does not write this slot"),
    ],
)
def test_half_a_pair_and_a_gate_too_many_are_errors(kind, gates, words):
    found = ri.plan(nn.LSTM(3, 4), policy(f"{{id: p, match: {{kind: bias, gate: {gates}}}, init: {{kind: {kind}}}}}")).errors
    assert [finding.code for finding in found] == ["RNN105"]
    assert words in str(found[0]) and "rules.yaml:5:5" in str(found[0])


def test_without_a_gate_the_recipe_takes_what_it_writes_and_leaves_the_rest():
    rules = policy(
        "{id: rest, match: {kind: bias}, init: {kind: constant, value: 0.25}}",
        "{id: pair, match: {kind: bias}, init: {kind: chrono, t_max: 9.0}}",
    )
    plan = ri.plan(nn.LSTM(3, 4), rules)
    assert plan.clean, str(plan)
    assert {row.gate: row.rule for row in plan.rows if row.kind == "bias"} == {
        "input": "pair", "forget": "pair", "cell": "rest", "output": "rest",
    }  # fmt: skip
    together = {row.gate: row.note for row in plan.rows if row.rule == "pair"}
    assert "one draw with forget" in together["input"] and "one draw with input" in together["forget"]


@pytest.mark.parametrize(("model", "kind"), [(nn.LSTM(3, 2), "uniform_gate"), (nn.GRU(3, 1), "uniform_gate")])
def test_impossible_sizes_are_refused(model, kind):
    rules = policy(f"{{id: pair, match: {{kind: bias}}, init: {{kind: {kind}}}}}")
    with pytest.raises(ri.PolicyError, match="holds no interval"):
        ri.apply(model, rules)


@pytest.mark.parametrize("text", ["chrono, t_max: 2.0", "chrono, t_max: 2", "log_spaced, t_max: 1.0", "chrono"])
def test_impossible_horizons_are_no_rules(text):
    with pytest.raises(ri.RuleFileError, match="t_max"):
        policy(PAIR % (text, ""))


def test_whole_and_joint_contradict_each_other():
    with pytest.raises(ri.RuleFileError, match="several gates"):
        policy("{id: p, match: {kind: bias}, whole: true, init: {kind: uniform_gate}}")


class TestDefects:
    """What public code does instead; check must find it on a model of any making."""

    rules = policy(PAIR % ("chrono, t_max: 100.0", ""))

    def broken(self, deed) -> set[str]:
        lstm = nn.LSTM(3, 64)
        ri.apply(lstm, self.rules)
        assert ri.check(lstm, self.rules).ok
        with torch.no_grad():
            deed(lstm, lstm.bias_ih_l0.view(4, -1), lstm.bias_hh_l0.view(4, -1))
        return codes(ri.check(lstm, self.rules))

    def test_drawn_into_both_vectors(self):
        def doubled(lstm, ih, hh):
            hh.copy_(torch.empty(64).uniform_(1, 99).log() * torch.tensor([[-1.0], [1.0], [0.0], [0.0]]))

        assert "RNN201" in self.broken(doubled)

    def test_two_draws_instead_of_one(self):
        def independent(lstm, ih, hh):
            ih[0] = -torch.empty(64).uniform_(1, 99).log()

        assert self.broken(independent) == {"RNN201"}

    def test_the_wrong_sign(self):
        assert "RNN201" in self.broken(lambda lstm, ih, hh: ih.neg_())

    def test_swapped_gates(self):
        assert "RNN201" in self.broken(lambda lstm, ih, hh: ih.copy_(ih[[1, 0, 2, 3]]))

    def test_one_horizon_for_all(self):
        def alike(lstm, ih, hh):
            ih[1], ih[0] = 2.0, -2.0

        assert "RNN201" in self.broken(alike)

    def test_forget_alone(self):
        assert "RNN201" in self.broken(lambda lstm, ih, hh: ih[0].zero_())


def test_a_pending_pair_equals_an_eager_one():
    rules = policy(PAIR % ("chrono, t_max: 30.0", ""))
    eager, lazy = nn.LSTM(3, 5, 2), nn.LSTM(3, 5, 2)
    lazy.load_state_dict(eager.state_dict())
    ri.apply(eager, rules)
    twin = None
    ri.attach(lazy, rules)
    twin = copy.deepcopy(lazy)
    lazy(torch.zeros(1, 1, 3)), twin(torch.zeros(1, 1, 3))
    for other in (lazy, twin):
        assert all(torch.equal(a, b) for a, b in zip(eager.parameters(), other.parameters(), strict=True))


def test_a_pair_of_which_one_layer_was_loaded():
    rules = policy(PAIR % ("chrono, t_max: 30.0", ""))
    eager, lazy = nn.LSTM(3, 5, 2), nn.LSTM(3, 5, 2)
    ri.apply(eager, rules)
    ri.attach(lazy, rules)
    kept = {
        name: torch.full_like(value, 0.5)
        for name, value in lazy.state_dict(keep_vars=True).items()
        if "bias" in name and "l0" in name
    }
    lazy.load_state_dict(kept, strict=False)
    lazy(torch.zeros(1, 1, 3))
    assert (lazy.bias_ih_l0 == 0.5).all()
    assert torch.equal(felt(lazy, "l1")[:2], felt(eager, "l1")[:2])


def test_a_rule_in_python_may_be_a_pair_of_one_s_own():
    @ri.recipe("test.tied")
    class Tied(ri.Recipe):
        """Both recurrent gates of an RNN pair are the same matrix."""

        formula = "W"
        source = "this test"
        joint = True

        def fill(self, block, draw):
            return draw.of(block.group).normal(*block.shape)

        def law(self, block, value):
            return ()

        def law_together(self, blocks, values):
            same = all(torch.equal(values[0], other) for other in values)
            return () if same else (ri.Breach("gates", "unlike", "alike"),)

    try:
        rules = ri.Policy(rules=[ri.Rule(id="t", match=ri.Match(kind="recurrent"), init=Tied())], untouched="allow")
        lstm = nn.LSTM(3, 4, 2)
        ri.apply(lstm, rules)
        gates = lstm.weight_hh_l0.view(4, 4, 4)
        assert all(torch.equal(gates[0], gate) for gate in gates) and not torch.equal(lstm.weight_hh_l0, lstm.weight_hh_l1)
        assert ri.check(lstm, rules).ok
        with torch.no_grad():
            lstm.weight_hh_l1[0, 0] += 1
        found = {finding.code: finding for finding in ri.check(lstm, rules).errors}
        assert "gates" in str(found["RNN201"]) and "l1" in found["RNN201"].address
    finally:
        from rnninit_hooks.recipes.registry import unregister

        unregister("test.tied")
