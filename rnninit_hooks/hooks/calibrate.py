"""Initialise now, with a batch: attached, run once on the side, and put back as it was when anything fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.rnn import PackedSequence

from rnninit_hooks.doors import put
from rnninit_hooks.errors import PendingInit
from rnninit_hooks.hooks.attach import Handle, attach
from rnninit_hooks.hooks.flush import LOCK
from rnninit_hooks.hooks.ledger import pending
from rnninit_hooks.planning import Plan, plan
from rnninit_hooks.rows import Report

if TYPE_CHECKING:
    from rnninit_hooks.rules.models import Policy

Kept = list[tuple[Tensor, Tensor]]


def calibrate(model: nn.Module, policy: Policy | str | Path, batch: Any) -> Report:
    """Initialise a model in place, now, by a policy some rules of which measure a batch.

    `batch` is what the model is called with: a tensor or packed sequence, a tuple of arguments, or a dict of keyword
    arguments. The values are those of `attach` and a forward of that batch, bit for bit, for the same random state,
    training mode and grad mode (without gradients torch runs other kernels, whose last bits differ; `torch.no_grad` saves
    memory here). The forward leaves no trace: global random states and buffers, such as the statistics of a batch norm,
    are put back. Raises `PolicyError` when the plan has errors and `PendingInit` when a slot
    cannot be measured, is not reached by this forward, or is pending already; the model is then as it was.

    >>> import torch, rnninit_hooks as ri
    >>> rule = ri.Rule(id="unit", match=ri.Match(kind="input"), init=ri.Lsuv(std=0.5))
    >>> report = ri.calibrate(torch.nn.GRU(4, 6), ri.Policy(rules=[rule], untouched="allow"), 9 * torch.eye(4).expand(5, 4, 4))
    >>> [round(row.measured["std"], 5) for row in report.rows if row.measured]
    [0.5, 0.5, 0.5]
    """
    with LOCK:
        _refuse_pending(model)
        kept = _contents([*model.parameters(), *model.buffers()])
        written = _written(plan(model, policy))
        handle = attach(model, policy)
    try:
        with _without_trace(model, written):
            _run(model, batch)
        _refuse_unreached(handle)
    except BaseException:
        handle.remove()
        _put_back(kept)
        raise
    return replace(handle.report, verb="apply")


def _refuse_pending(model: nn.Module) -> None:
    if any(True for _ in pending(model)):
        raise PendingInit(
            "an initialisation is pending on this model already; run one forward on the batch to settle it, or remove() its "
            "handle before rnninit_hooks.calibrate(model, policy, batch)"
        )


def _written(decided: Plan) -> frozenset[int]:
    """The identities of all tensors that a plan may write, such as the base of an orthogonal parametrization."""
    members = (piece.member for unit in decided.units for slot in unit.slots for piece in slot.pieces)
    return frozenset(id(tensor) for m in members for tensor in m.door.everything(m.owner, m.leaf))


def _contents(tensors: Any) -> Kept:
    return [(tensor, tensor.detach().clone()) for tensor in tensors if not is_lazy(tensor)]


def _put_back(kept: Kept) -> None:
    with torch.no_grad():
        for tensor, value in kept:
            put(tensor, value)


@contextmanager
def _without_trace(model: nn.Module, written: frozenset[int]) -> Iterator[None]:
    """Random states and buffers are afterwards as they were, but for those that hold what was written."""
    homes = [(m, {name: b for name, b in m._buffers.items() if id(b) not in written}) for m in model.modules()]
    kept = _contents(buffer for buffer in model.buffers() if id(buffer) not in written)
    try:
        with torch.random.fork_rng(devices=_devices(model)):
            yield
    finally:
        for module, buffers in homes:
            module._buffers.update(buffers)
        _put_back(kept)


def _devices(model: nn.Module) -> list[int]:
    return sorted({p.device.index for p in model.parameters() if p.device.type == "cuda" and p.device.index is not None})


def _run(model: nn.Module, batch: Any) -> None:
    if isinstance(batch, Tensor | PackedSequence):
        model(batch)
    elif type(batch) is tuple:
        model(*batch)
    elif isinstance(batch, dict):
        model(**batch)
    else:
        raise TypeError(
            f"`batch` is {type(batch).__name__}; expected a tensor, a packed sequence, a tuple of arguments, or a dict of "
            "keyword arguments"
        )


def _refuse_unreached(handle: Handle) -> None:
    left = [address for address, status in handle.status.items() if status == "pending"]
    if left:
        raise PendingInit(
            f"the forward of this batch did not reach {', '.join(left[:4])}{' and more' if len(left) > 4 else ''}, so that it "
            "could not be measured; pass a batch that runs the whole model, or narrow the rule's `match`"
        )
