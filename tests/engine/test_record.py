"""Records: what was written can be saved beside a checkpoint and compared with later, bit by bit."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.cli import main
from rnninit_hooks.testing import models, policies

pytestmark = pytest.mark.filterwarnings("ignore::rnninit_hooks.errors.RnnInitWarning")


@given(models(), policies())
def test_a_record_survives_json_and_its_own_model_agrees_with_it(model, policy):
    report = ri.apply(model, policy)
    if not any(row.status == "written" for row in report.rows):
        return
    record = ri.Record.of(report)
    assert ri.Record.model_validate_json(record.model_dump_json()) == record
    assert ri.compare(model, record).clean


def test_one_changed_bit_is_found_where_it_is():
    model = nn.LSTM(4, 5, num_layers=2)
    record = ri.Record.of(ri.apply(model, "lstm-classic"))
    with torch.no_grad():
        model.weight_hh_l1[7, 3] = torch.nextafter(model.weight_hh_l1[7, 3], torch.tensor(9.0))
    report = ri.compare(model, record)
    assert [(finding.code, finding.address) for finding in report.findings] == [("RNN206", "weight_hh_l1[forget]")]
    assert [row.address for row in report.rows if row.status == "breaks"] == ["weight_hh_l1[forget]"]


def test_the_record_of_a_settled_attachment_is_that_of_apply():
    eager, lazy = nn.GRU(3, 4), nn.GRU(3, 4)
    handle = ri.attach(lazy, "gru-classic")
    with pytest.raises(ri.RecordError, match="nothing is written yet"):
        ri.Record.of(handle.report)
    lazy(torch.zeros(2, 1, 3))
    assert ri.Record.of(handle.report) == ri.Record.of(ri.apply(eager, "gru-classic"))


def test_a_record_says_rule_place_and_statistics():
    entry = next(e for e in ri.Record.of(ri.apply(nn.LSTM(3, 4), "lstm-classic")).slots if e.address == "bias_l0[forget]")
    assert (entry.rule, entry.recipe) == ("lstm-forget-open", "constant(value=1.0)")
    assert entry.place.startswith("builtin:lstm-classic:")
    assert entry.stats == {"mean": 1.0, "std": 0.0, "min": 1.0, "max": 1.0}


def test_another_model_does_not_fit():
    record = ri.Record.of(ri.apply(nn.LSTM(3, 4), "lstm-classic"))
    assert {f.code for f in ri.compare(nn.LSTM(3, 4, num_layers=2), record).findings} == {"RNN206", "RNN207"}
    assert {f.code for f in ri.compare(nn.LSTM(3, 5), record).findings} == {"RNN207"}


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": 2}', '{"format": 1, "sampler": "v1", "seed": "x", "slots": []}'])
def test_what_is_no_record_is_refused(text, tmp_path):
    file = tmp_path / "record.json"
    file.write_text(text)
    with pytest.raises(ri.RecordError, match="no record of format 1"):
        ri.Record.load(file)
    with pytest.raises(ri.RecordError, match="cannot be read"):
        ri.Record.load(tmp_path / "absent.json")


def test_the_command_line_writes_a_record_and_checks_against_it(tmp_path, monkeypatch, capsys):
    (tmp_path / "net.py").write_text("from torch import nn\ndef build():\n    return nn.LSTM(3, 4)\n")
    monkeypatch.chdir(tmp_path)
    assert main(["apply", "net.py:build", "--rules", "lstm-classic", "-o", "w.safetensors", "--record", "r.json"]) == 0
    assert json.loads((tmp_path / "r.json").read_text())["format"] == 1
    check = ["check", "net.py:build", "--against", "r.json"]
    assert main([*check, "--weights", "w.safetensors"]) == 0
    assert main([*check, "--weights", "w.safetensors", "--rules", "lstm-classic"]) == 0
    capsys.readouterr()
    assert main(check) == 1, "torch's own draw is not what was recorded"
    assert "RNN206" in capsys.readouterr().out
    (tmp_path / "r.json").write_text("{}")
    assert main(check) == 2
    assert "no record" in capsys.readouterr().err


def test_marks_of_other_libraries_are_kept_and_said():
    model = nn.LSTM(3, 4)
    model.weight_hh_l0._is_hf_initialized = True
    before = model.weight_hh_l0.detach().clone()
    with pytest.warns(ri.RnnInitWarning, match="RNN115"):
        report = ri.apply(model, "lstm-classic")
    assert torch.equal(model.weight_hh_l0, before)
    assert {row.status for row in report.rows if row.parameter == "weight_hh_l0"} == {"loaded"}
    assert {f.address.split("[")[0] for f in report.findings} == {"weight_hh_l0"}


def test_no_weights_are_written_where_their_record_has_no_place(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text("from torch import nn\n\ndef build():\n    return nn.LSTM(2, 3)\n")
    words = ["apply", "nets.py:build", "--rules", "lstm-classic", "-o", "w.safetensors", "--record"]
    for path in ("absent/r.json", "."):
        assert main([*words, path]) == 2
        said = capsys.readouterr().err
        assert f"--record {path!r}" in said and "no place for a file" in said
        assert not (tmp_path / "w.safetensors").exists()
