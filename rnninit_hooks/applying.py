"""Write a plan into a model: all or nothing, every write read back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from rnninit_hooks.anatomy import Member
from rnninit_hooks.announcing import announce
from rnninit_hooks.composition import Composed, Progress, compose_groups, not_finite
from rnninit_hooks.doors import put
from rnninit_hooks.errors import PolicyError, WriteError
from rnninit_hooks.facts import written_facts
from rnninit_hooks.findings import Finding
from rnninit_hooks.marks import marked
from rnninit_hooks.measuring import batch_needed
from rnninit_hooks.planning import Plan, plan
from rnninit_hooks.recipes.room import empty
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
    groups = compose_groups(decided.units, decided.policy.seed, progress=progress, open_to=open_to)
    facts = _write_groups(decided, groups)
    kept = tuple(_kept(decided))
    announce((*decided.findings, *kept), stacklevel=4)
    return report_of(decided, facts, (*decided.findings, *kept))


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


def _write_groups(decided: Plan, groups: Iterable[tuple[Composed, ...]]) -> dict[str, dict[str, Any]]:
    """Write group by group, so that one parameter's values are held at a time; on any failure put back all."""
    addresses = _addresses(decided)
    facts: dict[str, dict[str, Any]] = {}
    with all_or_nothing() as write:
        for group in groups:
            if problems := [finding for one in group if (finding := not_finite(one))]:
                raise PolicyError(problems)
            for one in group:
                write(one)
            values = {one.member.key: one.value for one in group}
            for address in dict.fromkeys(address for key in values for address in addresses[key]):
                facts[address] = written_facts(decided.slot(address), values)
    return facts


def _addresses(decided: Plan) -> dict[tuple[int, ...], list[str]]:
    """The rows that speak of each parameter."""
    found: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for row in decided.rows:
        if row.status == "write":
            for piece in decided.slot(row.address).pieces:
                found[piece.member.key].append(row.address)
    return found


@contextmanager
def all_or_nothing() -> Iterator[Callable[[Composed], None]]:
    """Give a function that writes one value and reads it back; on any failure put back what was there, and raise."""
    written: list[tuple[Member, list[Tensor]]] = []

    def write(one: Composed) -> None:
        written.append((one.member, _originals(one.member)))
        _write(one)

    try:
        yield write
    except BaseException:
        for member, originals in reversed(written):
            _restore(member, originals)
        raise


def write_all(composed: Iterable[Composed]) -> None:
    """Write every value and read it back; on any failure put back what was there and raise."""
    with all_or_nothing() as write:
        for one in composed:
            write(one)


def _originals(member: Member) -> list[Tensor]:
    return [_kept_copy(tensor.detach()) for tensor in member.door.everything(member.owner, member.leaf)]


def _kept_copy(tensor: Tensor) -> Tensor:
    plain = type(tensor) is Tensor and tensor.device.type == "cpu" and tensor.is_contiguous() and not tensor.is_quantized
    return empty(tuple(tensor.shape), tensor.dtype).copy_(tensor) if plain else tensor.clone()


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


def report_of(decided: Plan, facts: Mapping[str, dict[str, Any]], findings: tuple[Finding, ...]) -> Report:
    """What was written, row by row, with a digest of every slot's bits."""
    rows = tuple(_written(row, facts) for row in decided.rows)
    return Report("apply", rows, findings, decided.seed, decided.sampler, decided.allowed)


def _written(row: Row, facts: Mapping[str, dict[str, Any]]) -> Row:
    if row.status != "write":
        return row
    found = facts.get(row.address)
    return replace(row, status="written", **found) if found else replace(row, status="loaded")
