"""A report into TensorBoard, by torch's own SummaryWriter. Needs the extra `tensorboard`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.utils.tensorboard import SummaryWriter

from rnninit_hooks.report.flat import findings_of, numbers_of, table_of

if TYPE_CHECKING:
    from rnninit_hooks.rows import FactTable, Report


def log_report(report: Report | FactTable, writer: SummaryWriter, *, name: str = "rnninit", step: int = 0) -> None:
    """Write the slots and the findings as Markdown tables, and the numbers as scalars.

    >>> import torch, rnninit_hooks as ri
    >>> report = ri.check(torch.nn.LSTM(3, 4), "torch-default")
    >>> with SummaryWriter(tmp) as writer:
    ...     log_report(report, writer)
    """
    writer.add_text(f"{name}/slots", table_of(report).to_markdown(), step)
    if report.findings:
        writer.add_text(f"{name}/findings", findings_of(report).to_markdown(), step)
    for key, value in numbers_of(report).items():
        writer.add_scalar(f"{name}/{key}", value, step)
