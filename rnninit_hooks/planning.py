"""Policy x model: everything decided, nothing written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from rnninit_hooks.anatomy import Member
from rnninit_hooks.decisions import Decided, Decision, decide
from rnninit_hooks.dissection import dissect
from rnninit_hooks.measuring import unmeasurable
from rnninit_hooks.memo import uncollected
from rnninit_hooks.objections import objections
from rnninit_hooks.probing.proposing import probed, unknown
from rnninit_hooks.recipes.fills import Keep
from rnninit_hooks.recipes.tiles import SAMPLER
from rnninit_hooks.rows import Report, Row, Status
from rnninit_hooks.rules.load import resolve
from rnninit_hooks.slots import Slot
from rnninit_hooks.units import Unit, units_of
from rnninit_hooks.weighing import weigh

if TYPE_CHECKING:
    from rnninit_hooks.rules.models import Policy, Rule


@dataclass(frozen=True)
class Plan(Report):
    """What a policy would do to a model: rows, findings, and the draws to make.

    `str(plan)` prints it, `plan.to_dict()` gives plain data, `plan.ok` tells whether it can be applied.
    """

    policy: Policy = field(kw_only=True, repr=False)
    units: tuple[Unit, ...] = field(default=(), repr=False, compare=False)
    decisions: tuple[Decision, ...] = field(default=(), repr=False, compare=False)
    lazy: tuple[Member, ...] = field(default=(), repr=False, compare=False)
    """Parameters of lazy modules, whose shapes are not known yet."""

    def slot(self, address: str) -> Slot:
        """The slot that a row of this plan speaks of; raises KeyError."""
        return self._slots[address]

    @cached_property
    def _slots(self) -> dict[str, Slot]:
        return {decision.slot.address: decision.slot for decision in self.decisions}


def plan(model: nn.Module, policy: Policy | str | Path, *, probe: bool = False) -> Plan:
    """Decide every slot of a model by a policy, writing nothing.

    Works on models on the meta device, with the same rows and findings. A rule that matches nothing, a recurrent slot
    that no rule decides, a gate that a layout lacks, a shape that cannot obey: each is a finding, none is an exception.
    `RuleFileError` is raised when `policy` is a path or a preset name that cannot be read. With `probe`, recurrent
    modules are run for one step on private copies: RNN107 where one does not do what its layout says, and a proposal for
    each that has none.

    >>> from torch import nn
    >>> import rnninit_hooks as ri
    >>> decided = ri.plan(nn.LSTM(3, 4), "lstm-classic")
    >>> decided.ok, decided.rows[0].address, decided.rows[0].recipe
    (True, 'weight_ih_l0[input]', 'xavier_uniform(gain=1.0)')
    """
    with uncollected():
        return _planned(model, resolve(policy), probe)


def _planned(model: nn.Module, policy: Policy, probe: bool) -> Plan:
    anatomy = dissect(model)
    decided = decide(policy, anatomy.slots)
    units = tuple(units_of(decided.decisions))
    seen = (*unknown(model, probe=probe), *(probed(model, everything=True) if probe else ()))
    refused = unmeasurable(units, anatomy.slots)
    findings = (*anatomy.findings, *seen, *objections(policy, decided, units, anatomy.lazy), *refused)
    kept, allowed = weigh(policy, findings, stale_prefix="RNN1")
    return Plan(
        "plan", _rows(decided), kept, policy.seed, SAMPLER, allowed, policy=policy, units=units,
        decisions=decided.decisions, lazy=anatomy.lazy,
    )  # fmt: skip


def _rows(decided: Decided) -> tuple[Row, ...]:
    said = {selection.rule.id: str(selection.rule.init) for selection in decided.selections}
    partners = _partners(decided)
    return tuple(row_of(one, _status(one), said=said, partners=partners.get(id(one), ())) for one in decided.decisions)


def _partners(decided: Decided) -> dict[int, tuple[str, ...]]:
    """The other gates that one draw of a joint recipe is for, by the decision's identity."""
    groups: dict[tuple[str, str | None], list[Decision]] = defaultdict(list)
    for decision in decided.decisions:
        if decision.rule and decision.rule.init.joint:
            groups[decision.rule.id, decision.slot.group].append(decision)
    return {id(one): tuple(str(o.slot.gate) for o in group if o is not one) for group in groups.values() for one in group}


def _status(decision: Decision) -> Status:
    if decision.rule is None:
        return "untouched"
    return "keep" if isinstance(decision.rule.init, Keep) else "write"


def row_of(
    decision: Decision, status: Status, *, said: Mapping[str, str] | None = None, partners: tuple[str, ...] = ()
) -> Row:
    """The row of one decided slot; `said` holds recipes as text by rule, `partners` the gates that share its draw."""
    slot, rule = decision.slot, decision.rule
    recipe = ((said or {}).get(rule.id) or str(rule.init)) if rule else None
    return Row(
        slot.address, slot.name, slot.organ.path, type(slot.organ.module).__name__, slot.shape,
        str(slot.member.dtype).removeprefix("torch."), status, slot.kind, slot.gate, slot.layer, slot.direction,
        rule.id if rule else None, recipe, rule.origin if rule else None,
        rule.why if rule else None, _note(decision, rule, partners),
    )  # fmt: skip


def _note(decision: Decision, rule: Rule | None, partners: tuple[str, ...]) -> str | None:
    slot = decision.slot
    notes = [
        f"decided by its other name {decision.via}" if decision.via else None,
        f"one draw with {', '.join(partners)}" if partners else None,
        "whole matrix" if rule and rule.whole else None,
        "measured on the first batch" if rule and rule.init.asks else None,
        _placement(slot, rule) if rule and len(slot.pieces) > 1 and rule.place != "ih" else None,
        f"its share of {decision.within.address}" if decision.within else None,
        f"row {slot.padding} is padding and kept" if rule and slot.padding is not None else None,
        slot.member.door.kind if slot.member.door.kind != "plain" else None,
    ]
    return "; ".join(note for note in notes if note) or None


def _placement(slot: Slot, rule: Rule) -> str:
    names = [piece.member.local for piece in slot.pieces]
    if rule.place == "split":
        return f"split over {' and '.join(names)}"
    chosen = next((p.member.local for p in slot.pieces if p.partner == rule.place), names[0])
    return f"placed in {chosen}, 0 in {', '.join(name for name in names if name != chosen)}"
