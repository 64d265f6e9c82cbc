"""Every packaged rule file holds on its cells, whatever their options, and says where it comes from."""

from __future__ import annotations

import pytest
import torch
import yaml
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.cli import main
from rnninit_hooks.recipes.registry import kinds
from rnninit_hooks.rules.load import presets
from tests.presets.table import ALL, CASES, CELLS, FILES, OF_GRU, OF_LSTM, OF_RNN, PARTS, decides, text_of, variants

EACH_CASE = pytest.mark.parametrize(("name", "cell"), CASES, ids=lambda value: getattr(value, "__name__", value))


def test_the_table_names_every_packaged_preset():
    assert sorted(CELLS) == FILES == sorted(presets())


@EACH_CASE
def test_a_preset_decides_what_it_speaks_of_on_its_cells_and_is_obeyed(name, cell):
    for model in variants(cell, name):
        plan = ri.plan(model, name)
        assert plan.clean, str(plan)
        assert {row.address for row in plan.rows if row.status == "write"} == {r.address for r in plan.rows if decides(name, r)}
        ri.apply(model, name)
        report = ri.check(model, name)
        assert report.clean, str(report)


@EACH_CASE
def test_what_a_preset_does_not_speak_of_stays_as_it_is(name, cell):
    model = cell(12, 20)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    written = {piece for row in ri.plan(model, name).rows if row.status == "write" for piece in before if row.kind in kind_of(piece)}
    ri.apply(model, name)
    assert {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])} == written


def kind_of(parameter: str) -> str:
    return {"weight_ih": "input", "weight_hh": "recurrent", "bias_ih": "bias", "bias_hh": "bias"}[parameter.partition("_l")[0]]


@EACH_CASE
def test_the_check_of_a_preset_can_fail(name, cell):
    model = cell(64, 64)
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.3)
    assert not ri.check(model, name).ok


@pytest.mark.parametrize("name", [name for name, cells in CELLS.items() if cells != ALL])
def test_a_preset_writes_its_own_cells_only(name):
    cells = CELLS[name]
    other = next(group[0] for group in (OF_RNN, OF_GRU, OF_LSTM) if group[0] not in cells)
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
    head = text_of(name).splitlines()
    assert head[0].startswith("# ") and head[0].endswith(".") and head[1] == "#"
    assert head[0].removeprefix("# ") == presets()[name]
    assert any(line.startswith(("# Papers:", "# Source:")) for line in head)
    assert all(rule.why for rule in ri.preset(name).rules)


@pytest.mark.parametrize("name", [name for name in FILES if "# Source:" in text_of(name) and name != "torch-default"])
def test_a_preset_of_other_code_says_what_was_run_and_how_it_differs(name):
    head = " ".join(line.removeprefix("# ") for line in text_of(name).partition("\nversion:")[0].splitlines())
    assert "Differs from" in head
    assert ("Run: tests/presets/real" in head) + ("Read in the source, not run" in head) + ("A proposal of this package" in head) == 1


@pytest.mark.parametrize("name", FILES)
def test_a_preset_names_only_kinds_of_recipes_that_there_are(name):
    """Read without the policy, so that a missing kind is named here and skipped nowhere."""
    named = {rule["init"]["kind"] for rule in yaml.safe_load(text_of(name))["rules"]}
    assert named and named <= set(kinds()), f"{name} names kinds that are not there: {sorted(named - set(kinds()))}"


@pytest.mark.parametrize("name", FILES)
def test_a_preset_may_be_extended_where_half_of_its_cells_are(name):
    for cell in (nn.LSTM, nn.GRU, nn.RNN):
        policy = ri.loads(f"version: 1\nextends: builtin:{name}\nuntouched: allow\n")
        plan = ri.plan(cell(4, 4), policy)
        assert plan.clean, str(plan)
        assert any(row.status == "write" for row in plan.rows) == (cell in CELLS[name])


@pytest.mark.parametrize("name", FILES)
def test_rule_ids_tell_their_preset_so_that_two_can_be_extended_at_once(name):
    others = {rule.id for other in FILES if other != name for rule in ri.preset(other).rules}
    assert not others & {rule.id for rule in ri.preset(name).rules}


def test_the_command_line_lists_each_preset_with_its_line(capsys):
    assert main(["presets"]) == 0
    listed = " ".join(capsys.readouterr().out.split())
    assert [name for name, summary in presets().items() if f"{name} {summary} " in listed] == FILES


def test_partial_presets_say_so():
    assert {name for name in FILES if ri.preset(name).untouched == "allow"} == set(PARTS)


def test_recurrent_bn_sets_the_gain_of_batch_norm_and_leaves_the_projected_lstm_to_others():
    model = nn.ModuleDict({"rnn": nn.LSTM(4, 6), "norm": nn.BatchNorm1d(6)})
    ri.apply(model, "recurrent-bn")
    assert model["norm"].weight.tolist() == pytest.approx([0.1] * 6) and not model["norm"].bias.any()
    refused = ri.plan(nn.LSTM(4, 6, proj_size=3), "recurrent-bn")
    assert {finding.code for finding in refused.findings if finding.level == "error"} == {"RNN105"}
