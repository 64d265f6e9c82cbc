"""Run one row one way, and say in words what does not hold; None when it holds."""

from __future__ import annotations

import gc
import warnings

import torch

from rnninit_hooks.hooks import watch
from tests.lifecycle import nets
from tests.lifecycle.table import Row, bits, differing, traces


def judge(row: Row, way) -> str | None:
    """What went wrong, or None."""
    gc.collect()
    watch._stop()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            trouble = row.deed(way) if row.story else _compare(row, way)
        except Exception as error:  # every error is a verdict here
            return _hear(row, error)
    if trouble is None and row.outcome == "says":
        return "it said nothing" if type(way).__name__ == "Ours" else None
    return trouble


def _hear(row: Row, error: Exception) -> str | None:
    told = "rnninit_hooks" in type(error).__module__ or "rnninit_hooks.materialize(model)" in str(error)
    if told and "says" in row.outcome:
        return None
    return f"{type(error).__name__}: {str(error)[:300]}"


def _compare(row: Row, way) -> str | None:
    later = nets.fresh(row.build)
    way.later(later, row.policy)
    got = _told(row, later)
    now = nets.fresh(row.build)
    way.now(now, row.policy)
    wanted = _told(row, now)
    if wrong := differing(bits(got), bits(wanted)):
        return f"differs from eager in {', '.join(wrong)}"
    left = traces(got)
    return f"left {', '.join(left)}" if left else None


def _told(row: Row, model):
    torch.manual_seed(5)
    got = row.deed(model)
    got = model if got is None else got
    row.run(got)
    return got
