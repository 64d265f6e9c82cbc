"""Every packaged rule file holds on its cells, whatever their options, and says where it comes from."""

from __future__ import annotations

import itertools
from importlib.resources import files

import pytest
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.rules.load import presets

OF_LSTM, OF_GRU, OF_RNN = (nn.LSTM, nn.LSTMCell), (nn.GRU, nn.GRUCell), (nn.RNN, nn.RNNCell)
CELLS = {
    "lstm-classic": OF_LSTM,
    "gru-classic": OF_GRU,
    "rnn-orthogonal": OF_RNN,
    "torch-default": (*OF_LSTM, *OF_GRU, *OF_RNN),
}
FILES = sorted(
    path.name.removesuffix(".yaml") for path in files("rnninit_hooks.presets").iterdir() if path.name.endswith(".yaml")
)


def variants(cell):
    """Modules of one class with every option, in sizes where fans differ."""
    if cell.__name__.endswith("Cell"):
        return [cell(12, 20, bias=bias) for bias in (True, False)]
    projections = (0, 8) if cell is nn.LSTM else (0,)
    options = itertools.product((1, 3), (False, True), (True, False), projections)
    return [
        cell(12, 20, num_layers=layers, bidirectional=both, bias=bias, **({"proj_size": size} if size else {}))
        for layers, both, bias, size in options
    ]


CASES = [(name, cell) for name, cells in CELLS.items() for cell in cells]


def test_the_table_names_every_packaged_preset():
    assert sorted(CELLS) == FILES == sorted(presets())


@pytest.mark.parametrize(("name", "cell"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_a_preset_decides_every_slot_of_its_cells_and_is_obeyed(name, cell):
    for model in variants(cell):
        plan = ri.plan(model, name)
        assert plan.clean, str(plan)
        assert {row.status for row in plan.rows} == {"write"}
        ri.apply(model, name)
        report = ri.check(model, name)
        assert report.clean, str(report)


@pytest.mark.parametrize(("name", "cell"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_the_check_of_a_preset_can_fail(name, cell):
    model = cell(64, 64)
    nn.init.constant_(next(iter(model.parameters())), 0.5)
    assert not ri.check(model, name).ok


@pytest.mark.parametrize(("name", "cells"), [(n, c) for n, c in CELLS.items() if n != "torch-default"])
def test_a_preset_writes_its_own_cells_only(name, cells):
    other = nn.RNN if nn.RNN not in cells else nn.LSTM
    plan = ri.plan(nn.ModuleDict({"own": cells[0](4, 4), "other": other(4, 4)}), name)
    assert {row.module for row in plan.rows if row.status == "write"} == {"own"}


def test_the_forget_gate_is_open_on_every_layer_and_direction():
    lstm = nn.LSTM(12, 20, num_layers=2, bidirectional=True)
    ri.apply(lstm, "lstm-classic")
    table = ri.inspect(lstm)
    opened = [row for row in table.rows if row.gate == "forget" and row.kind == "bias"]
    assert len(opened) == 4
    assert {(row.min, row.max) for row in opened} == {(1.0, 1.0)}


def test_torch_default_has_the_spread_of_torch_itself():
    own, torchs = nn.LSTM(64, 256), nn.LSTM(64, 256)
    ri.apply(own, "torch-default")
    for name, parameter in own.named_parameters():
        assert abs(parameter.std().item() / getattr(torchs, name).std().item() - 1) < 0.1
        assert 0.9 / 16 < parameter.abs().max().item() <= 1 / 16


def test_torch_obeys_torch_default():
    assert ri.check(nn.LSTM(64, 256, num_layers=2, proj_size=32), "torch-default").ok
    assert ri.check(nn.GRU(64, 256, bidirectional=True), "torch-default").ok


@pytest.mark.parametrize("name", FILES)
def test_a_preset_says_what_it_is_and_where_it_comes_from(name):
    text = files("rnninit_hooks.presets").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    head = text.splitlines()
    assert head[0].startswith("# ") and head[0].endswith(".") and head[1] == "#"
    assert head[0].removeprefix("# ") == presets()[name]
    assert any(line.startswith(("# Papers:", "# Source:")) for line in head)
    assert all(rule.why for rule in ri.preset(name).rules)


@pytest.mark.parametrize("name", FILES)
def test_rule_ids_tell_their_preset_so_that_two_can_be_extended_at_once(name):
    others = {rule.id for other in FILES if other != name for rule in ri.preset(other).rules}
    assert not others & {rule.id for rule in ri.preset(name).rules}
