"""Write a plan into a model: all or nothing, every write read back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rnninit_hooks.anatomy import Member
from rnninit_hooks.announcing import announce
from rnninit_hooks.composition import Composed, Progress, compose, not_finite, written_facts
from rnninit_hooks.doors import put
from rnninit_hooks.errors import PolicyError, WriteError
from rnninit_hooks.findings import Finding
from rnninit_hooks.marks import marked
from rnninit_hooks.measuring import batch_needed
from rnninit_hooks.planning import Plan, plan
from rnninit_hooks.rows import Report, Row

if TYPE_CHECKING:
    from rnninit_hooks.rules.models import Policy


def apply(model: nn.Module, policy: Policy | str | Path, *, progress: Progress | None = None) -> Report:
    """Initialise a model in place, now, by a policy.

    Raises `PolicyError` before the first write when the plan has errors or a rule measures a batch (see `calibrate`), and
    `WriteError` when a write did not take; in both cases the model is as it was. Warnings are issued as
    `RnnInitWarning` and stand in the report. Identity, dtype, device and `requires_grad` of every parameter stay; the
    global random stream is not touched. Parameters that transformers marked as loaded, or mamba as not to be touched,
    are kept, with a warning. `progress` is called with (units done, units in all, address).

    >>> import torch, rnninit_hooks as ri
    >>> lstm = torch.nn.LSTM(3, 4, num_layers=2)
    >>> report = ri.apply(lstm, "lstm-classic")
    >>> report.ok, (lstm.bias_ih_l1 + lstm.bias_hh_l1)[4:8].tolist()
    (True, [1.0, 1.0, 1.0, 1.0])
    """
    return apply_plan(plan(model, policy), progress=progress, open_to=_unmarked)


def _unmarked(member: Member) -> bool:
    return marked(member) is None


def apply_plan(
    decided: Plan, *, progress: Progress | None = None, open_to: Callable[[Member], bool] = lambda _: True
) -> Report:
    """Write a plan; parameters that `open_to` refuses are kept and reported as loaded."""
    refuse(decided)
    composed = composed_values(decided, progress, open_to)
    write_all(composed)
    kept = tuple(_kept(decided))
    announce((*decided.findings, *kept), stacklevel=4)
    report = report_of(decided, composed)
    return replace(report, findings=(*report.findings, *kept))


def _kept(decided: Plan) -> Iterable[Finding]:
    """What another library marked as loaded, or as not to be touched, and a rule decides all the same."""
    for unit in decided.units:
        mark = marked(unit.slots[0].member)
        if mark:
            yield Finding(
                "RNN115", f"another library marked it ({mark}): kept, rule {unit.rule.id!r} not applied", level="warning",
                address=unit.block.address, rule=unit.rule.id, place=unit.rule.origin,
                fix="let no rule match it; to initialise it all the same, delete the mark from the parameter",
            )  # fmt: skip


def refuse(decided: Plan) -> None:
    """Raise `PolicyError` when a plan has errors, asks for a batch, or decides a parameter that holds no memory."""
    errors = (*decided.errors, *batch_needed(decided.units), *_without_memory(decided))
    if errors:
        raise PolicyError(errors)


def _without_memory(decided: Plan) -> Iterable[Finding]:
    for unit in decided.units:
        member = unit.slots[0].member
        if member.device.type == "meta":
            yield Finding(
                "RNN113", "is on the meta device and holds no memory", address=unit.block.address, rule=unit.rule.id,
                place=unit.rule.origin, fix="call ri.attach(model, policy) and then ri.materialize(model, device='cpu')",
            )  # fmt: skip


def composed_values(decided: Plan, progress: Progress | None, open_to: Callable[[Member], bool]) -> list[Composed]:
    """Every new value, drawn and checked, before anything is written."""
    composed = list(compose(decided.units, decided.policy.seed, progress=progress, open_to=open_to))
    if problems := [finding for one in composed if (finding := not_finite(one))]:
        raise PolicyError(problems)
    return composed


def write_all(composed: Iterable[Composed]) -> None:
    """Write every value and read it back; on any failure put back what was there and raise."""
    written: list[tuple[Member, list[Tensor]]] = []
    try:
        for one in composed:
            written.append((one.member, _originals(one.member)))
            _write(one)
    except BaseException:
        for member, originals in reversed(written):
            _restore(member, originals)
        raise


def _originals(member: Member) -> list[Tensor]:
    return [tensor.detach().clone() for tensor in member.door.everything(member.owner, member.leaf)]


def _restore(member: Member, originals: list[Tensor]) -> None:
    with torch.no_grad():
        for tensor, original in zip(member.door.everything(member.owner, member.leaf), originals, strict=True):
            put(tensor, original)


def _write(one: Composed) -> None:
    member = one.member
    with torch.no_grad():
        try:
            member.door.write(member.owner, member.leaf, one.value)
        except (RuntimeError, ValueError, NotImplementedError) as error:
            raise WriteError([_untaken(one, f"could not be written: {error}")]) from error
        if reason := member.door.difference(member.owner, member.leaf, one.value):
            raise WriteError([_untaken(one, reason)])


def _untaken(one: Composed, reason: str) -> Finding:
    rule = one.units[-1].rule
    return Finding(
        "RNN113", reason, address=one.member.name, rule=rule.id, place=rule.origin,
        fix="initialise before the parametrization is registered, or protect it with `init: {kind: keep}`",
    )  # fmt: skip


def report_of(decided: Plan, composed: Iterable[Composed]) -> Report:
    """What was written, row by row, with a digest of every slot's bits."""
    values = {one.member.key: one.value for one in composed}
    rows = tuple(_written(row, decided, values) for row in decided.rows)
    return Report("apply", rows, decided.findings, decided.seed, decided.sampler, decided.allowed)


def _written(row: Row, decided: Plan, values: dict[tuple[int, ...], Tensor]) -> Row:
    if row.status != "write":
        return row
    facts = written_facts(decided.slot(row.address), values)
    return replace(row, status="written", **facts) if facts else replace(row, status="loaded")
