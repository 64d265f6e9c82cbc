"""Models that somebody else wrote, built from their installed packages: plan, apply, check, forward."""

from __future__ import annotations

import pytest
import torch

import rnninit_hooks as ri

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")]


def frozen_copy(model, *, but: str) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters() if but not in name}


def test_encodec_of_transformers_is_planned_written_judged_and_runs():
    from transformers import EncodecConfig, EncodecModel

    model = EncodecModel(EncodecConfig()).eval()
    others = frozen_copy(model, but=".lstm.")
    plan = ri.plan(model, "lstm-classic")
    assert plan.clean, str(plan)
    assert sum(row.status == "write" for row in plan.rows) == 48, "two LSTMs of two layers: 8 matrices and 4 effective biases each"
    assert not ri.check(model, "lstm-classic").ok
    ri.apply(model, "lstm-classic")
    report = ri.check(model, "lstm-classic")
    assert report.clean, str(report)
    assert all(torch.equal(dict(model.named_parameters())[name], value) for name, value in others.items())
    with torch.no_grad():
        assert model(torch.randn(1, 1, 4800)).audio_values.isfinite().all()


def test_the_two_linears_of_the_lstm_of_ncps_are_read_as_gates():
    from ncps.torch.lstm import LSTMCell

    policy = ri.loads("version: 1\nuntouched: allow\nrules:\n  - {id: w, match: {parameter: 'map.weight'}, init: {kind: xavier_uniform}}\n")
    cell = LSTMCell(6, 8)
    gates = ("cell", "input", "forget", "output")
    expected = [f"{linear}.weight[{gate}]" for linear in ("input_map", "recurrent_map") for gate in gates]
    assert [row.address for row in ri.plan(cell, policy).rows if row.rule] == expected
    ri.apply(cell, policy)
    assert ri.check(cell, policy).ok
    h, c = cell(torch.randn(2, 6), (torch.zeros(2, 8), torch.zeros(2, 8)))
    assert h.isfinite().all() and c.isfinite().all()
