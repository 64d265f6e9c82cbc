"""A report into a run of MLflow. Needs the extra `mlflow` (`mlflow-skinny` is enough)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import mlflow

from rnninit_hooks.report.flat import numbers_of
from rnninit_hooks.report.formats import finite
from rnninit_hooks.rows import Report

if TYPE_CHECKING:
    from rnninit_hooks.rows import FactTable

_NOT_IN_A_NAME = re.compile(r"[^\w\-. /]")


def log_report(report: Report | FactTable, *, name: str = "rnninit") -> None:
    """Log numbers as metrics, seed and sampler as parameters, the report as `NAME/report.json` and `.txt`.

    Goes to the active run; `ValueError` when there is none, because MLflow would begin one by itself. MLflow allows no
    brackets in a metric: `rnn.bias_l0[forget]/mean` becomes `rnn.bias_l0.forget/mean`.

    >>> import torch, rnninit_hooks as ri
    >>> report = ri.check(torch.nn.LSTM(3, 4), "torch-default")
    >>> with mlflow.start_run() as run:
    ...     log_report(report)
    """
    if mlflow.active_run() is None:
        raise ValueError("no run of MLflow is active; write `with mlflow.start_run():` around the call")
    mlflow.log_metrics({f"{name}/{_allowed(key)}": value for key, value in numbers_of(report).items()})
    if isinstance(report, Report):
        mlflow.log_params({f"{name}.verb": report.verb, f"{name}.seed": report.seed, f"{name}.sampler": report.sampler})
    mlflow.log_dict(finite(report.to_dict()), f"{name}/report.json")
    mlflow.log_text(str(report), f"{name}/report.txt")


def _allowed(key: str) -> str:
    return _NOT_IN_A_NAME.sub("_", key.replace("[", ".").replace("]", ""))
