"""A slot is the right gate because of what the network then does, not because of what it is called."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.rules.models import Match, Policy, Rule

OPEN, SHUT = 40.0, -40.0


def gates(**biases: float) -> Policy:
    """Everything zero, but for the biases named and an identity where `cell` or `new` takes its input."""
    zero = [Rule(id="zero", match=Match(parameter=".*"), init={"kind": "zeros"})]
    held = [
        Rule(id=f"{gate}-bias", match=Match(kind="bias", gate=gate), init={"kind": "constant", "value": value})
        for gate, value in biases.items()
    ]
    return Policy(rules=zero + held, untouched="allow", idle="allow")


def with_identity(policy: Policy, kind: str, gate: str) -> Policy:
    rule = Rule(id=f"{kind}-{gate}", match=Match(kind=kind, gate=gate), init={"kind": "identity"})
    return policy.model_copy(update={"rules": (*policy.rules, rule)})


def run(module: nn.Module, x: torch.Tensor, state):
    """One step, layer or cell; returns the new state as a tuple."""
    if isinstance(module, nn.RNNCellBase):
        out = module(x, state)
        return out if isinstance(out, tuple) else (out,)
    wide = tuple(s[None] for s in state) if isinstance(state, tuple) else state[None]
    _, out = module(x[None], wide)
    return tuple(s[0] for s in out) if isinstance(out, tuple) else (out[0],)


@pytest.fixture(params=["layer", "cell"])
def form(request):
    return request.param


def lstm(form: str, size: int = 5) -> nn.Module:
    return (nn.LSTM if form == "layer" else nn.LSTMCell)(size, size, dtype=torch.float64)


def gru(form: str, size: int = 5) -> nn.Module:
    return (nn.GRU if form == "layer" else nn.GRUCell)(size, size, dtype=torch.float64)


X = torch.linspace(-2, 2, 5, dtype=torch.float64)[None]
H = torch.linspace(-0.9, 0.8, 5, dtype=torch.float64)[None]


def test_lstm_input_and_output_open_forget_shut_identity_in_cell_gives_tanh_of_tanh(form):
    module = lstm(form)
    ri.apply(module, with_identity(gates(input=OPEN, output=OPEN, forget=SHUT), "input", "cell"))
    h, c = run(module, X, (H, 3 * H))
    assert torch.allclose(c, X.tanh(), atol=1e-6)
    assert torch.allclose(h, X.tanh().tanh(), atol=1e-6)


def test_lstm_forget_open_input_shut_keeps_its_cell_for_50_steps(form):
    module = lstm(form)
    ri.apply(module, with_identity(gates(forget=OPEN, input=SHUT, output=OPEN), "input", "cell"))
    h, c = H, 3 * H
    for _ in range(50):
        h, c = run(module, X, (h, c))
    assert torch.allclose(c, 3 * H, atol=1e-6)
    assert torch.allclose(h, (3 * H).tanh(), atol=1e-6)


def test_lstm_output_shut_hides_the_cell(form):
    module = lstm(form)
    ri.apply(module, with_identity(gates(forget=SHUT, input=OPEN, output=SHUT), "input", "cell"))
    h, c = run(module, X, (H, H))
    assert h.abs().max() < 1e-12
    assert torch.allclose(c, X.tanh(), atol=1e-6)


@pytest.mark.parametrize("value", [-2.0, 0.0, 1.0, 3.0])
def test_lstm_forget_bias_is_the_share_of_the_cell_that_stays(form, value):
    module = lstm(form)
    ri.apply(module, gates(forget=value, input=SHUT))
    _, c = run(module, X, (H, H))
    assert torch.allclose(c, H / (1 + math.exp(-value)), atol=1e-9)


def test_gru_update_open_keeps_its_state_for_50_steps(form):
    module = gru(form)
    ri.apply(module, with_identity(gates(update=OPEN), "input", "new"))
    h = H
    for _ in range(50):
        (h,) = run(module, X, h)
    assert torch.allclose(h, H, atol=1e-6)


def test_gru_update_shut_takes_the_new_state(form):
    module = gru(form)
    ri.apply(module, with_identity(gates(update=SHUT), "input", "new"))
    (h,) = run(module, X, H)
    assert torch.allclose(h, X.tanh(), atol=1e-6)


@pytest.mark.parametrize(("reset", "share"), [(OPEN, 1.0), (SHUT, 0.0), (0.0, 0.5)])
def test_gru_reset_gates_what_the_new_state_sees_of_the_old(form, reset, share):
    module = gru(form)
    ri.apply(module, with_identity(gates(update=SHUT, reset=reset), "recurrent", "new"))
    (h,) = run(module, X, H)
    assert torch.allclose(h, (share * H).tanh(), atol=1e-6)


def test_gru_new_has_two_biases_that_the_reset_gate_tells_apart(form):
    module = gru(form)
    inside = Rule(id="inside", match=Match(parameter="bias_hh", gate="new"), init={"kind": "constant", "value": 0.7})
    outside = Rule(id="outside", match=Match(parameter="bias_ih", gate="new"), init={"kind": "constant", "value": 0.2})
    shut = gates(update=SHUT, reset=SHUT)
    ri.apply(module, shut.model_copy(update={"rules": (*shut.rules, inside, outside)}))
    (h,) = run(module, X, H)
    assert torch.allclose(h, torch.full_like(h, 0.2).tanh(), atol=1e-6)


def test_rnn_identity_and_bias_do_what_the_formula_says(form):
    module = (nn.RNN if form == "layer" else nn.RNNCell)(5, 5, dtype=torch.float64)
    ri.apply(module, with_identity(gates(hidden=0.25), "recurrent", "hidden"))
    (h,) = run(module, X, H)
    assert torch.allclose(h, (H + 0.25).tanh(), atol=1e-9)


def test_attention_query_key_and_value_are_told_apart():
    attention = nn.MultiheadAttention(4, 1, bias=False, batch_first=True, dtype=torch.float64)
    rules = [
        Rule(id="values", match=Match(module="MultiheadAttention", gate="value"), init={"kind": "identity", "gain": 3.0}),
        Rule(id="queries", match=Match(module="MultiheadAttention", gate="q"), init={"kind": "zeros"}),
        Rule(id="out", match=Match(parameter=r"out_proj\.weight"), init={"kind": "identity"}),
    ]
    ri.apply(attention, Policy(rules=rules))
    x = torch.randn(2, 6, 4, dtype=torch.float64)
    out, weights = attention(x, x, x)
    assert torch.allclose(weights, torch.full_like(weights, 1 / 6)), "zero queries look everywhere alike"
    assert torch.allclose(out, 3 * x.mean(1, keepdim=True).expand_as(out))
