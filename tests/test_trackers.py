"""Trackers of experiments, the real packages, offline: what was logged is read back from what they wrote."""

from __future__ import annotations

import doctest
import importlib
import json

import pytest
import torch
from torch import nn

import rnninit_hooks as ri

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def reports():
    model = nn.LSTM(8, 8)
    ri.apply(model, "lstm-classic")
    with torch.no_grad():
        model.bias_ih_l0[8:16] = 0
    broken = ri.check(model, "lstm-classic")
    assert not broken.ok
    return broken, ri.inspect(model)


def needs(package):
    return pytest.importorskip(package, reason=f"{package} is not installed (pip install 'rnninit-hooks[trackers]')")


def examples(name, tmp_path):
    module = importlib.import_module(f"rnninit_hooks.integrations.{name}")
    result = doctest.testmod(module, extraglobs={"tmp": str(tmp_path)})
    assert result.attempted >= 3 and result.failed == 0
    return module


def test_tensorboard(reports, tmp_path):
    needs("tensorboard")
    tracker = examples("tensorboard", tmp_path / "example")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path / "runs")) as writer:
        for report in reports:
            tracker.log_report(report, writer, step=3)
    events = EventAccumulator(str(tmp_path / "runs"), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    (error,) = {event.value for event in events.Scalars("rnninit/errors")} - {0.0}
    assert error == 1.0 and events.Scalars("rnninit/errors")[0].step == 3
    assert events.Scalars("rnninit/bias_l0[forget]/effective_bias")[0].value == 0.0
    texts = events.Tags()["tensors"]
    assert {"rnninit/slots/text_summary", "rnninit/findings/text_summary"} <= set(texts)
    assert b"RNN202" in events.Tensors("rnninit/findings/text_summary")[0].tensor_proto.string_val[0]


def test_mlflow(reports, tmp_path, monkeypatch):
    mlflow = needs("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    tracker = examples("mlflow", tmp_path)
    with pytest.raises(ValueError, match="no run of MLflow is active"):
        tracker.log_report(reports[0])
    with mlflow.start_run() as run:
        tracker.log_report(reports[0])
        tracker.log_report(reports[1], name="facts")
    told = mlflow.get_run(run.info.run_id).data
    assert told.metrics["rnninit/errors"] == 1 and told.metrics["rnninit/slots_breaks"] == 1
    assert told.metrics["facts/bias_l0.forget/effective_bias"] == 0
    assert told.params["rnninit.seed"] == "0"
    files = {file.name: file for file in (tmp_path / "mlruns").rglob(f"{run.info.run_id}/artifacts/rnninit/*")}
    assert json.loads(files["report.json"].read_text())["findings"][0]["code"] == "RNN202"
    assert "RNN202" in files["report.txt"].read_text()


def test_wandb(reports, tmp_path, monkeypatch):
    wandb = needs("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.chdir(tmp_path)
    tracker = examples("wandb", tmp_path)
    with pytest.raises(ValueError, match="no run of wandb is going on"):
        tracker.log_report(reports[0])
    with wandb.init(dir=str(tmp_path)) as run:
        tracker.log_report(reports[0])
        tracker.log_report(reports[1], run, name="facts")
        assert run.summary["rnninit/errors"] == 1 and run.summary["facts/bias_l0[forget]/effective_bias"] == 0
        folder = run.dir
    tables = [json.loads(file.read_text()) for file in tmp_path.rglob("*.table.json") if folder in str(file)]
    assert any("RNN202" in map(str, row) for table in tables for row in table["data"])
    assert list(tmp_path.rglob("*.wandb"))
