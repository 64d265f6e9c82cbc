"""Does a model, as it is, obey a policy? Measured on the model alone, whoever initialised it; never writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rnninit_hooks.copies import copied
from rnninit_hooks.findings import Finding
from rnninit_hooks.marks import unwritten
from rnninit_hooks.measuring import judged_without_batch
from rnninit_hooks.planning import Plan, plan
from rnninit_hooks.probing.proposing import probed
from rnninit_hooks.recipes.base import Block, Breach
from rnninit_hooks.rows import Report, Row
from rnninit_hooks.units import Unit, stacked_value, together, whole_block
from rnninit_hooks.weighing import ABOUT_ENTRIES, weigh

if TYPE_CHECKING:
    from rnninit_hooks.rules.models import Policy


@dataclass(frozen=True, eq=False)
class Verdict:
    """One unit and what it breaks."""

    unit: Unit
    breaches: tuple[Breach, ...]
    stacked: bool = False
    finite: bool = True

    @property
    def obeys(self) -> bool:
        """True when the law holds."""
        return not self.breaches


def check(model: nn.Module, policy: Policy | str | Path, *, probe: bool = False) -> Report:
    """Judge every slot that a policy decides by the law of its recipe.

    Meant for models at initialisation, made by this package or by anybody else: laws of exact recipes (constants,
    orthogonality) are equalities up to rounding, laws of random ones are ranges and moments with a false-alarm rate
    below one in 10⁹ per slot. `report.ok` is False when a law is broken or the plan itself has errors. Layouts of classes
    that are not torch's own are verified on private copies (RNN107); with `probe`, torch's too.

    >>> import torch, rnninit_hooks as ri
    >>> lstm = torch.nn.LSTM(16, 16)
    >>> _ = torch.nn.init.orthogonal_(lstm.weight_hh_l0)
    >>> report = ri.check(lstm, "lstm-classic")
    >>> sorted({finding.code for finding in report.findings if "weight_hh" in finding.address})
    ['RNN203']
    """
    decided = plan(model, policy)
    verdicts = _judged_together(tuple(_judge(unit) for unit in decided.units if _judgeable(unit)))
    shown = probed(model, everything=probe)
    partly = judged_without_batch(verdict.unit for verdict in verdicts)
    alike = copied(verdict.unit for verdict in verdicts if verdict.obeys)
    measured = (*_broken(verdicts), *_uneven(verdicts), *alike, *_unjudged(decided), *partly)
    findings = (*unwritten(model), *decided.findings, *shown, *measured)
    own = tuple(finding for finding in findings if finding.code not in ABOUT_ENTRIES)
    stale = tuple(finding for finding in findings if finding.code in ABOUT_ENTRIES)
    kept, allowed = weigh(decided.policy, own, stale_prefix="RNN2")
    excused = (*decided.allowed, *allowed)
    return Report("check", _rows(decided, verdicts), (*kept, *stale), decided.seed, decided.sampler, excused)


def _judgeable(unit: Unit) -> bool:
    members = [piece.member for slot in unit.slots for piece in slot.pieces]
    real = all(member.device.type != "meta" and member.dtype.is_floating_point for member in members)
    return real and unit.complete and unit.recipe.refuse(unit.block) is None


def _unjudged(decided: Plan) -> Iterator[Finding]:
    for unit in decided.units:
        if unit.slots[0].member.device.type == "meta":
            yield Finding(
                "RNN113", "is on the meta device: there is nothing to check", address=unit.block.address,
                rule=unit.rule.id, place=unit.rule.origin, fix="build the model on a real device first",
            )  # fmt: skip


def _judge(unit: Unit) -> Verdict:
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        value = _without_padding(unit, unit.current())
        if not value.isfinite().all():
            return Verdict(unit, (Breach("finiteness", "nan or inf", "finite numbers"),), finite=False)
        breaches = unit.recipe.law(_as_judged(unit, value), value)
        return Verdict(unit, breaches, bool(breaches) and _holds_stacked(unit))


def _judged_together(verdicts: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
    """Verdicts with what the slots of a joint recipe break as a whole; said of the first of them."""
    by_unit = {id(verdict.unit): verdict for verdict in verdicts}
    for group in together(verdict.unit for verdict in verdicts if verdict.finite):
        blocks = tuple(_as_judged(unit, unit.current()) for unit in group)
        if breaches := group[0].recipe.law_together(blocks, tuple(unit.current() for unit in group)):
            first = by_unit[id(group[0])]
            by_unit[id(group[0])] = replace(first, breaches=(*first.breaches, *breaches))
    return tuple(by_unit.values())


def _without_padding(unit: Unit, value: Tensor) -> Tensor:
    row = unit.slots[0].padding
    if row is None:
        return value
    row %= value.shape[0]
    return torch.cat([value[:row], value[row + 1 :]])


def _as_judged(unit: Unit, value: Tensor) -> Block:
    """The block as it is judged: without the padding row, and no more exact than float32, since models are cast."""
    return replace(unit.block, shape=tuple(value.shape), eps=max(unit.block.eps, 2.0**-23))


def _holds_stacked(unit: Unit) -> bool:
    """True when the law that a gate breaks holds for the fused matrix that the gate is part of."""
    slot = unit.slots[0]
    block = whole_block(slot)
    if unit.whole or slot.gate is None or len(slot.shape) < 2 or block.shape == slot.block.shape:
        return False
    return unit.recipe.refuse(block) is None and not unit.recipe.law(block, stacked_value(slot))


def _broken(verdicts: Iterable[Verdict]) -> Iterator[Finding]:
    for verdict in (verdict for verdict in verdicts if not verdict.obeys):
        unit, rule = verdict.unit, verdict.unit.rule
        yield Finding(
            _code(verdict), _message(verdict), address=unit.block.address, rule=rule.id, place=rule.origin,
            expected="; ".join(f"{breach.law} {breach.expected}" for breach in verdict.breaches), fix=_fix(verdict),
        )  # fmt: skip


def _code(verdict: Verdict) -> str:
    if not verdict.finite:
        return "RNN205"
    if verdict.stacked:
        return "RNN203"
    return "RNN202" if verdict.unit.block.kind == "bias" and verdict.unit.recipe.constant else "RNN201"


def _message(verdict: Verdict) -> str:
    found = "; ".join(f"{breach.law} is {breach.found}" for breach in verdict.breaches)
    if verdict.stacked:
        stack = " x ".join(map(str, verdict.unit.slots[0].member.shape or ()))
        return f"{verdict.unit.recipe} holds for the fused {stack} matrix, not for this gate's block: {found}"
    return f"breaks {verdict.unit.recipe}: {found}"


def _fix(verdict: Verdict) -> str:
    if verdict.stacked:
        return "initialise each gate's block on its own (ri.apply does), or ask for `whole: true`"
    if len(verdict.unit.slots[0].pieces) > 1:
        names = " + ".join(piece.member.local for piece in verdict.unit.slots[0].pieces)
        return f"the gate feels {names}: write the value to one and 0 to the other (ri.apply does)"
    return "apply the policy (ri.apply), or change the rule if the model is right"


def _uneven(verdicts: Iterable[Verdict]) -> Iterator[Finding]:
    groups: dict[tuple[str, str, str | None, str | None], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        slot = verdict.unit.slots[0]
        if slot.layer is not None:
            groups[verdict.unit.rule.id, slot.organ.path, slot.kind, slot.gate].append(verdict)
    for group in groups.values():
        if any(verdict.obeys for verdict in group) and not all(verdict.obeys for verdict in group):
            yield _uneven_finding(group)


def _uneven_finding(group: list[Verdict]) -> Finding:
    rule = group[0].unit.rule
    good = ", ".join(_place(verdict) for verdict in group if verdict.obeys)
    bad = [verdict for verdict in group if not verdict.obeys]
    return Finding(
        "RNN204", f"rule {rule.id!r} holds in {good}, but not in {', '.join(map(_place, bad))}",
        address=bad[0].unit.block.address, rule=rule.id, place=rule.origin, expected="the same in every layer and direction",
        fix="initialise every layer and direction (ri.apply does), or say `layer:` or `direction:` in the rule",
    )  # fmt: skip


def _place(verdict: Verdict) -> str:
    slot = verdict.unit.slots[0]
    return f"layer {slot.layer}" + (" reverse" if slot.direction == "reverse" else "")


def _rows(decided: Plan, verdicts: Iterable[Verdict]) -> tuple[Row, ...]:
    states: Mapping[str, bool] = {slot.address: verdict.obeys for verdict in verdicts for slot in verdict.unit.slots}
    return tuple(
        replace(row, status="obeys" if states[row.address] else "breaks") if row.address in states else row
        for row in decided.rows
    )
