"""What a handle tells of every slot: what became of it, by which rule, at which line."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import rnninit_hooks as ri
from tests.lifecycle import nets

RULES = """version: 1
untouched: allow
rules:
  - {id: input, match: {kind: input}, init: {kind: xavier_uniform}}
  - {id: recurrent, match: {kind: recurrent}, init: {kind: orthogonal}}
  - {id: first-bias, match: {kind: bias, layer: 0}, init: {kind: keep}}
  - {id: head, match: {parameter: head.weight}, init: {kind: normal, std: 0.1}}
"""


def test_every_slot_tells_its_state_its_rule_and_the_rule_s_place(tmp_path):
    path = tmp_path / "init.rules.yaml"
    path.write_text(RULES)
    model = nets.fresh(nets.Net)
    model.encoder.weight_ih_l1._no_reinit = True
    handle = ri.attach(model, path)
    assert set(handle.status.values()) == {"pending", "keep", "untouched"}
    model.load_state_dict({"encoder.weight_ih_l0": torch.ones(24, 4)}, strict=False)
    model.encoder.weight_hh_l1.data.fill_(0.5)
    with pytest.warns(ri.RnnInitWarning, match="RNN115"):
        model(nets.X)
    expected = {
        "encoder.weight_ih_l0[input]": ("loaded", "input", 4),
        "encoder.weight_hh_l0[forget]": ("written", "recurrent", 5),
        "encoder.weight_hh_l1[forget]": ("touched", "recurrent", 5),
        "encoder.weight_ih_l1[cell]": ("keep", "input", 4),
        "encoder.bias_l0[forget]": ("keep", "first-bias", 6),
        "encoder.bias_l1[forget]": ("untouched", None, None),
        "head.weight": ("written", "head", 7),
        "head.bias": ("untouched", None, None),
    }
    rows = {row.address: row for row in handle.report.rows}
    found = {
        name: (rows[name].status, rows[name].rule, rows[name].place.line if rows[name].place else None) for name in expected
    }
    assert found == expected
    assert all(row.place.file == str(path) for row in rows.values() if row.place)
    assert not handle.pending and {name: rows[name].status for name in rows} == dict(handle.status)
    assert rows["head.weight"].digest and rows["encoder.weight_ih_l0[input]"].digest is None


def test_a_handle_that_was_taken_back_waits_for_nothing():
    model = nets.fresh(nets.Net)
    handle = ri.attach(model, nets.POLICY)
    handle.remove()
    assert not handle.pending and set(handle.status.values()) == {"untouched"}
    assert {row.note for row in handle.report.rows} == {"the attachment was taken back"}


def test_a_tied_name_keeps_what_the_other_name_loaded():
    model = nets.fresh(nets.Untied)
    handle = ri.attach(model, ri.loads(
        "version: 1\nrules:\n  - {id: all, match: {parameter: weight}, init: {kind: ones}}\n"
    ))  # fmt: skip
    model.out.weight = model.words.weight
    model.words.load_state_dict({"weight": torch.zeros(5, 4)})
    with pytest.warns(ri.RnnInitWarning, match="RNN115"):
        model(nets.X)
    assert handle.status == {"words.weight": "loaded", "out.weight": "touched"}
    assert (model.words.weight == 0).all()


def test_a_pending_model_dies_like_any_other():
    import gc
    import weakref

    model = nn.LSTM(2, 2)
    ri.attach(model, nets.RNN_ONLY)
    seen = weakref.ref(model)
    del model
    gc.collect()
    assert seen() is None
