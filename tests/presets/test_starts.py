"""Each preset accepts the starts of the code that it speaks of, and of no other; and its draws pass for theirs."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.recipes.base import Block
from rnninit_hooks.recipes.draws import Keyed
from tests.presets.starts import STARTS, H, I, start
from tests.presets.table import FILES

ACCEPTED = {
    "keras": {"keras lstm", "keras gru"},
    "flax": {"flax lstm", "flax gru", "flax rnn"},
    "haiku": {"haiku lstm", "haiku gru"},
    "tf1": {"tf1 lstm", "tf1 gru", "tf1 rnn"},
    "mxnet": {"mxnet lstm", "mxnet gru"},
    "paddle": {"torch lstm", "torch gru", "torch rnn"},
    "torch-default": {"torch lstm", "torch gru", "torch rnn"},
    "haste": {"haste lstm", "haste gru"},
    "cleanrl": {"cleanrl lstm", "cleanrl gru"},
    "cleanrl-fixed": set(),
    "irnn": {"irnn"},
    "chrono": set(),
    "np-rnn": {"irnn"},
    "recurrent-bn": set(),
    "jozefowicz": {"keras lstm", "haiku lstm", "tf1 lstm", "haste lstm"},
    "as-found-stacked-orthogonal": {"keras lstm", "keras gru", "cleanrl lstm", "cleanrl gru"},
    "as-found-doubled-forget": {"joeynmt lstm"},
    "lstm-classic": {"haste lstm"},
    "gru-classic": {"haste gru"},
    "rnn-orthogonal": set(),
}
"""Which starts obey which preset, among those of its own cells; some are one start under two names."""


def own(name: str, model: nn.Module) -> bool:
    return any(row.status == "write" for row in ri.plan(model, allowing(name)).rows)


def allowing(name: str) -> ri.Policy:
    """The preset, extended: what it says of cells that are not there is no matter."""
    return ri.loads(f"version: 1\nextends: builtin:{name}\nuntouched: allow\n")


def test_every_preset_has_its_row():
    assert sorted(ACCEPTED) == FILES and all(found <= set(STARTS) for found in ACCEPTED.values())


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_preset_accepts_the_starts_of_its_code_and_no_other(name):
    models = {found: start(found) for found in STARTS}
    obeying = {found for found, model in models.items() if own(name, model) and ri.check(model, allowing(name)).ok}
    assert obeying == ACCEPTED[name]


@pytest.mark.parametrize("seed", range(1, 6))
def test_other_seeds_are_accepted_as_well(seed):
    for name, found in ACCEPTED.items():
        for model in (start(one, seed) for one in sorted(found)):
            assert ri.check(model, allowing(name)).ok, (name, seed)


def bound(model: nn.Module, parameter: str, gates: slice) -> float:
    return dict(model.named_parameters())[parameter].detach()[gates].abs().max().item()


@pytest.mark.parametrize(
    ("name", "cell", "parameter", "rows", "limit"),
    [
        ("keras", nn.LSTM, "weight_ih_l0", slice(None), math.sqrt(6 / (I + 4 * H))),
        ("keras", nn.GRU, "weight_ih_l0", slice(None), math.sqrt(6 / (I + 3 * H))),
        ("tf1", nn.LSTM, "weight_ih_l0", slice(None), math.sqrt(6 / (I + 5 * H))),
        ("tf1", nn.LSTM, "weight_hh_l0", slice(None), math.sqrt(6 / (I + 5 * H))),
        ("tf1", nn.GRU, "weight_hh_l0", slice(0, 2 * H), math.sqrt(6 / (I + 3 * H))),
        ("tf1", nn.GRU, "weight_hh_l0", slice(2 * H, None), math.sqrt(6 / (I + 2 * H))),
        ("tf1", nn.RNN, "weight_ih_l0", slice(None), math.sqrt(6 / (I + 2 * H))),
        ("flax", nn.GRU, "weight_ih_l0", slice(None), 2 / math.sqrt(I) / 0.87962566103423978),
        ("haiku", nn.LSTM, "weight_ih_l0", slice(None), 2 / math.sqrt(I + H)),
        ("haiku", nn.GRU, "weight_hh_l0", slice(None), 2 / math.sqrt(H) / 0.87962566103423978),
        ("haiku", nn.RNN, "weight_hh_l0", slice(None), 2 / math.sqrt(H)),
        ("mxnet", nn.LSTM, "weight_hh_l0", slice(None), 0.07),
        ("paddle", nn.GRU, "bias_hh_l0", slice(None), 1 / math.sqrt(H)),
        ("haste", nn.LSTM, "weight_ih_l0", slice(None), math.sqrt(6 / (I + H))),
    ],
)
def test_draws_fill_the_range_that_the_source_gives(name, cell, parameter, rows, limit):
    """Drawn with a fixed seed; of n > 3000 elements one lies within 5 % of the limit but for a chance below 1e-16."""
    model = cell(I, H)
    ri.apply(model, name)
    assert 0.95 * limit < bound(model, parameter, rows) <= limit * (1 + 1e-6)


@pytest.mark.parametrize(
    ("name", "cell", "felt"),
    [
        ("keras", nn.LSTM, (0, 1, 0, 0)), ("keras", nn.GRU, (0, 0, 0)), ("flax", nn.LSTM, (0, 0, 0, 0)),
        ("haiku", nn.LSTM, (0, 1, 0, 0)), ("haiku", nn.GRU, (0, 0, 0)), ("tf1", nn.LSTM, (0, 1, 0, 0)),
        ("tf1", nn.GRU, (1, 1, 0)), ("mxnet", nn.LSTM, (0, 0, 0, 0)), ("haste", nn.LSTM, (0, 1, 0, 0)),
        ("jozefowicz", nn.LSTM, (0, 1, 0, 0)), ("cleanrl", nn.LSTM, (0, 0, 0, 0)), ("cleanrl-fixed", nn.LSTM, (0, 1, 0, 0)),
        ("cleanrl-fixed", nn.GRU, (0, 1, 0)), ("irnn", nn.RNN, (0,)),
    ],
)  # fmt: skip
def test_gates_feel_the_bias_that_the_source_gives(name, cell, felt):
    model = cell(6, 5, num_layers=2, bidirectional=True)
    ri.apply(model, name)
    biases = dict(model.named_parameters())
    for key, bias in biases.items():
        if key.startswith("bias_ih"):
            total = bias.detach() + biases[key.replace("ih", "hh")].detach()
            assert torch.equal(total, torch.tensor(felt, dtype=total.dtype).repeat_interleave(5)), key


def test_the_doubled_forget_bias_is_felt_as_two_and_leaves_the_rest():
    lstm = nn.LSTM(6, 5, num_layers=2)
    before = {name: value.detach().clone() for name, value in lstm.named_parameters()}
    ri.apply(lstm, "as-found-doubled-forget")
    for name, value in lstm.named_parameters():
        expected = before[name].clone()
        if "bias" in name:
            expected[5:10] = 1.0
        assert torch.equal(value, expected), name
    felt = [(row.min, row.max) for row in ri.inspect(lstm).rows if row.kind == "bias" and row.gate == "forget"]
    assert felt == [(2.0, 2.0)] * 2


@pytest.mark.parametrize("name", ["as-found-stacked-orthogonal", "cleanrl", "keras"])
@pytest.mark.parametrize(("cell", "gates"), [(nn.LSTM, 4), (nn.GRU, 3)])
def test_stacked_orthogonality_is_of_the_stack_and_of_no_gate(name, cell, gates):
    model = cell(I, H)
    ri.apply(model, name)
    weight = model.weight_hh_l0.detach().double()
    assert torch.allclose(weight.mT @ weight, torch.eye(H, dtype=torch.float64), atol=1e-5)
    for block in weight.split(H):
        assert not torch.allclose(block.mT @ block, torch.eye(H, dtype=torch.float64), atol=0.1)
        assert block.square().sum().item() / H == pytest.approx(1 / gates, rel=0.1)


def test_the_mended_start_is_orthogonal_in_every_gate():
    model = nn.LSTM(I, H)
    ri.apply(model, "cleanrl-fixed")
    for block in model.weight_hh_l0.detach().double().split(H):
        assert torch.allclose(block @ block.mT, torch.eye(H, dtype=torch.float64), atol=1e-5)


def test_irnn_copies_its_state():
    model = nn.RNN(3, 5, nonlinearity="relu")
    ri.apply(model, "irnn")
    state = torch.rand(1, 1, 5)
    output, _ = model(torch.zeros(40, 1, 3), state)
    assert torch.allclose(output[-1], state[0], atol=1e-6)


def test_the_mended_start_keeps_the_state_on_cells_whose_open_gate_overwrites_it():
    """`retain` and `retention` know the sign: one gate name and one constant would not."""
    rule = next(rule for rule in ri.preset("cleanrl-fixed").rules if rule.id == "cleanrl-fixed-retain")
    for polarity in (1, -1):
        block = Block("cell.bias[update]", (3,), kind="bias", gate="update", polarity=polarity)
        assert rule.init.fill(block, Keyed(0, "a")).tolist() == pytest.approx([float(polarity)] * 3)
