"""A report into a run of Weights & Biases. Needs the extra `wandb`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import wandb

from rnninit_hooks.report.flat import Table, findings_of, numbers_of, table_of

if TYPE_CHECKING:
    from rnninit_hooks.rows import FactTable, Report


def log_report(report: Report | FactTable, run: wandb.Run | None = None, *, name: str = "rnninit") -> None:
    """Log the slots and the findings as tables, and put the numbers into the run's summary.

    `run` defaults to the run that `wandb.init` began; `ValueError` when there is none. Works offline (`WANDB_MODE`).

    >>> import torch, rnninit_hooks as ri
    >>> report = ri.check(torch.nn.LSTM(3, 4), "torch-default")
    >>> with wandb.init(mode="offline", dir=tmp) as run:
    ...     log_report(report, run)
    """
    run = run or wandb.run
    if run is None:
        raise ValueError("no run of wandb is going on; call wandb.init(...) first, or pass the run")
    run.log({f"{name}/slots": _table(table_of(report)), f"{name}/findings": _table(findings_of(report))})
    run.summary.update({f"{name}/{key}": value for key, value in numbers_of(report).items()})


def _table(table: Table) -> wandb.Table:
    return wandb.Table(columns=list(table.columns), data=[list(row) for row in table.rows])
