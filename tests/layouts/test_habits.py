"""What goes wrong in public code is found on a model without a policy, by running it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import rnninit_hooks as ri

PROBED = {"RNN203", "RNN208", "RNN209", "RNN210", "RNN211", "RNN212"}


def zeroed(module: nn.Module) -> nn.Module:
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "bias" in name:
                parameter.zero_()
    return module


def codes(module: nn.Module) -> set[str]:
    return {finding.code for finding in ri.inspect(module, probe=True).findings} & PROBED


def both_biases(value: float):
    module = zeroed(nn.LSTM(6, 16))
    module.bias_ih_l0.data[16:32] = module.bias_hh_l0.data[16:32] = value
    return module


def first_layer_only(**extra):
    module = zeroed(nn.LSTM(6, 16, num_layers=2, **extra))
    module.bias_hh_l0.data[16:32] = 1.0
    return module


def reverse_missed():
    module = zeroed(nn.LSTM(6, 16, num_layers=2, bidirectional=True))
    for layer in range(2):
        getattr(module, f"bias_ih_l{layer}").data[16:32] = 1.0
    return module


def quarter_slice_on_a_gru():
    module = zeroed(nn.GRU(6, 16))
    module.bias_ih_l0.data[12:24] = 2.0
    return module


def on_the_candidate():
    module = zeroed(nn.LSTM(6, 16))
    module.bias_ih_l0.data[32:48] = 1.0
    return module


def wrong_sign():
    module = zeroed(nn.GRU(6, 16))
    module.bias_ih_l0.data[16:32] = -1.0
    return module


def chrono():
    module = zeroed(nn.LSTM(6, 16))
    module.bias_ih_l0.data[16:32] = torch.log(torch.linspace(1, 99, 16))
    return module


def stacked():
    module = first_layer_only()
    ri.apply(module, "lstm-classic")
    nn.init.orthogonal_(module.weight_hh_l1)
    return module


CASES = {
    "both_biases": (lambda: both_biases(1.0), {"RNN208"}),
    "halves_make_a_whole": (lambda: both_biases(0.5), set()),
    "first_layer_only": (first_layer_only, {"RNN209"}),
    "first_layer_and_forward_only": (lambda: first_layer_only(bidirectional=True), {"RNN209"}),
    "reverse_missed": (reverse_missed, {"RNN209"}),
    "quarter_slice_on_a_gru": (quarter_slice_on_a_gru, {"RNN209"}),
    "on_the_candidate": (on_the_candidate, {"RNN210", "RNN212"}),
    "wrong_sign": (wrong_sign, {"RNN211"}),
    "chrono": (chrono, set()),
    "stacked": (stacked, {"RNN203"}),
    "torch_default": (lambda: nn.LSTM(6, 64, 2, bidirectional=True), {"RNN212"}),
    "by_this_package": (lambda: ri_applied(nn.LSTM(6, 16, 2, bidirectional=True)), set()),
    "plain_rnn": (lambda: nn.RNN(6, 16), set()),
}


def ri_applied(module: nn.Module) -> nn.Module:
    ri.apply(module, "lstm-classic")
    return module


@pytest.mark.parametrize("name", CASES)
def test_a_model_shows_what_was_done_to_it(name):
    torch.manual_seed(0)
    build, expected = CASES[name]
    assert codes(build()) == expected


def test_retention_is_measured_per_layer_and_direction():
    memory = ri.inspect(reverse_missed(), probe=True).memory
    assert [(facts.layer, facts.direction) for facts in memory] == [(0, "forward"), (0, "reverse"), (1, "forward"), (1, "reverse")]
    open_, shut = 1 / (1 + math.exp(-1)), 0.5
    assert [facts.retention for facts in memory] == pytest.approx([open_, shut, open_, shut], abs=1e-9)
    assert memory[0].time_constant == pytest.approx(1 / (1 - open_))


class WritingGRU(nn.Module):
    """Nobody registered it; its gate overwrites, and forward adds 1."""

    def __init__(self):
        super().__init__()
        self.x, self.h = nn.Linear(4, 10), nn.Linear(5, 10, bias=False)

    def forward(self, x, state):
        z, n = (self.x(x) + self.h(state)).chunk(2, -1)
        z = torch.sigmoid(z + 1)
        return (1 - z) * state + z * torch.tanh(n)


class WritingGRUCell(WritingGRU):
    pass


def test_an_unknown_cell_is_measured_too():
    table = ri.inspect(nn.ModuleDict({"odd": zeroed(WritingGRUCell())}), probe=True)
    assert table.memory[0].retention == pytest.approx(1 / (1 + math.e)) and not table.clean
    assert {"RNN108", "RNN211"} <= {finding.code for finding in table.findings}


def test_rows_say_what_they_look_like():
    torch.manual_seed(0)
    rows = ri.inspect(ri_applied(nn.LSTM(16, 16)), probe=True)
    assert any(words.startswith("orthogonal(gain=1") for words in rows["weight_hh_l0[forget]"].looks_like)
    assert "on the stack" not in str(rows["weight_hh_l0[forget]"].looks_like)
    assert rows["bias_l0[forget]"].looks_like == ("constant(value=1)",)
    assert ri.inspect(nn.LSTM(16, 16))["bias_l0[forget]"].looks_like is None


def test_without_probing_nothing_is_run():
    class Sealed(nn.LSTM):
        def forward(self, *args):
            raise AssertionError("it was run")

    assert ri.inspect(Sealed(3, 4)).memory == () and ri.plan(Sealed(3, 4), "lstm-classic").ok
    assert "RNN116" in {finding.code for finding in ri.inspect(Sealed(3, 4), probe=True).findings}


@pytest.mark.parametrize("build", [lambda: nn.LSTMCell(4, 6), lambda: nn.GRUCell(4, 6), lambda: nn.LSTM(4, 6, 2, bidirectional=True)])
@pytest.mark.parametrize(("recipe", "kept"), [(ri.Retention(value=0.9), 0.9), (ri.Timescale(steps=10), 0.9), (ri.Retention(value=0.2), 0.2)])
def test_retain_rules_do_what_they_say_when_the_model_is_run(build, recipe, kept):
    module = build()
    rule = ri.Rule(id="keep", match=ri.Match(kind="bias", gate="retain"), init=recipe)
    policy = ri.Policy(rules=[rule], untouched="allow")
    ri.apply(module, policy)
    assert [facts.retention for facts in ri.inspect(module, probe=True).memory] == pytest.approx([kept] * len(ri.inspect(module, probe=True).memory), abs=1e-6)
    assert ri.check(module, policy).ok
