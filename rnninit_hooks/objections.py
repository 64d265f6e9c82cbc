"""What is wrong between a policy and a model: idle, shadowed, untouched, impossible. Each objection is one generator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rnninit_hooks.decisions import Decided, Decision
from rnninit_hooks.findings import Finding, Level
from rnninit_hooks.matching import Selection, gate_named, is_called
from rnninit_hooks.recipes.fills import Keep
from rnninit_hooks.recipes.orthogonal import Orthogonal
from rnninit_hooks.slots import Slot
from rnninit_hooks.units import together

if TYPE_CHECKING:
    from rnninit_hooks.anatomy import Member
    from rnninit_hooks.rules.models import Policy, Rule
    from rnninit_hooks.units import Unit

_LEVELS: dict[str, Level | None] = {"error": "error", "warn": "warning", "allow": None}


def objections(policy: Policy, decided: Decided, units: Iterable[Unit], lazy: Iterable[Member]) -> Iterator[Finding]:
    """Every finding of a plan, in the order in which a reader wants them."""
    for selection in decided.selections:
        yield from _about_rule(policy, decided, selection)
    yield from decided.ties
    yield from impossible(units)
    yield from _unwritable(decided.decisions)
    yield from _lazy(policy, lazy)
    yield from _untouched(policy, decided.decisions)


def _about_rule(policy: Policy, decided: Decided, selection: Selection) -> Iterator[Finding]:
    if selection.overrun is not None:
        yield _overrun(selection)
        return
    yield from _absent_gates(policy, selection)
    yield from _unclaimed(selection)
    if not selection.candidates:
        yield from _idle(policy, decided, selection)
    elif selection.chosen and selection.rule.id not in decided.winners and not selection.rule.inherited:
        yield _shadowed(decided, selection)
    if not selection.rule.literal and (slots := selection.partly_named()):
        yield _one_partner(selection, slots)


def _unclaimed(selection: Selection) -> Iterator[Finding]:
    """A gate that the rule names, or every slot that it matches, is none that its recipe writes."""
    rule, chosen = selection.rule, set(map(id, selection.chosen))
    left = [slot for slot in selection.fitting if id(slot) not in chosen]
    if left and (rule.match.gate or not selection.chosen):
        yield Finding(
            "RNN105", f"rule {rule.id!r} asks for {rule.init}, which does not write this slot", address=left[0].address,
            rule=rule.id, place=rule.origin, fix="name only gates that the recipe writes, or leave `gate` out",
        )  # fmt: skip


def _overrun(selection: Selection) -> Finding:
    rule = selection.rule
    return Finding(
        "RNN114", f"the pattern {rule.match.parameter!r} of rule {rule.id!r} takes too long on {selection.overrun!r}",
        rule=rule.id, place=rule.origin, fix="write a simpler pattern, without nested repetition",
    )  # fmt: skip


def idle_level(policy: Policy, rule: Rule) -> Level | None:
    """What an idle rule is worth: its own word, then allowed if it came through `extends`, then the policy's."""
    return _LEVELS[rule.idle or ("allow" if rule.inherited else policy.idle)]


def _idle(policy: Policy, decided: Decided, selection: Selection) -> Iterator[Finding]:
    rule = selection.rule
    if level := idle_level(policy, rule):
        yield Finding(
            "RNN101", f"rule {rule.id!r} matches no slot of this model ({_describe(rule)})", level=level, rule=rule.id,
            place=rule.origin, expected=f"at least one slot; this model has {_sample(decided.decisions)}",
            fix=_idle_fix(rule),
        )  # fmt: skip


def _describe(rule: Rule) -> str:
    return ", ".join(f"{key}: {value}" for key, value in rule.match.model_dump(mode="json", exclude_defaults=True).items())


def _sample(decisions: tuple[Decision, ...], most: int = 4) -> str:
    names = list(dict.fromkeys(d.slot.name for d in decisions))
    more = f" and {len(names) - most} more parameters" if len(names) > most else ""
    return ", ".join(names[:most]) + more or "no parameters"


def _idle_fix(rule: Rule) -> str:
    pattern = rule.match.parameter or ""
    words = ("forget", "input_gate", "output_gate", "reset", "update", "gate")
    if word := next((word for word in words if word in pattern), None):
        gate = word if word in ("forget", "reset", "update") else "forget"
        return f"torch's parameter names hold no gate names; write `gate: {gate}` instead of a pattern with {word!r}"
    return "correct `match`, or say `idle: allow` if the rule is meant for other models"


def _absent_gates(policy: Policy, selection: Selection) -> Iterator[Finding]:
    rule, level = selection.rule, idle_level(policy, selection.rule)
    if level is None or not selection.candidates:
        return
    for name in rule.match.gate:
        if not any(gate_named(slot, name) for slot in selection.candidates):
            yield _absent(rule, name, selection.candidates, level)
    for cls in rule.match.module if rule.match.gate and selection.chosen else ():
        named = [slot for slot in selection.candidates if is_called(type(slot.organ.module), cls)]
        if named and not any(selection.has(slot) for slot in named):
            yield _absent(rule, ", ".join(rule.match.gate), named, level)


def _absent(rule: Rule, gate: str, slots: Iterable[Slot], level: Level) -> Finding:
    kinds = {type(slot.organ.module).__name__: slot.layout for slot in slots}
    have = "; ".join(f"{cls} has {_gates(layout.gates) if layout else 'no gates'}" for cls, layout in kinds.items())
    return Finding(
        "RNN104", f"rule {rule.id!r} speaks of gate {gate!r}, which no slot that it matches otherwise has", level=level,
        rule=rule.id, place=rule.origin, expected=have, fix="name a gate of these modules, or narrow `module`",
    )  # fmt: skip


def _gates(gates: tuple[str, ...]) -> str:
    return ", ".join(gates) or "no gates"


def _shadowed(decided: Decided, selection: Selection) -> Finding:
    rule = selection.rule
    later = dict.fromkeys(one for slot in selection.chosen if (one := decided.deciding.get(id(slot))))
    return Finding(
        "RNN102",
        f"every slot that rule {rule.id!r} matches is decided by a later rule ({', '.join(later) or 'of a tied name'})",
        level="warning", rule=rule.id, place=rule.origin, fix="remove the rule, or move it below the rule that hides it",
    )  # fmt: skip


def _one_partner(selection: Selection, slots: tuple[Slot, ...]) -> Finding:
    rule, slot = selection.rule, slots[0]
    names = " + ".join(piece.member.local for piece in slot.pieces)
    more = f" (and {len(slots) - 1} more slots)" if len(slots) > 1 else ""
    return Finding(
        "RNN109", f"rule {rule.id!r} names one of the parameters whose sum {names} the gate feels{more}",
        address=slot.address, rule=rule.id, place=rule.origin,
        fix="match `kind: bias` to state the effective bias, or say `literal: true` to write exactly the named parameter",
    )  # fmt: skip


def impossible(units: Iterable[Unit]) -> Iterator[Finding]:
    """Draws that cannot hold on the shape that they are asked for, alone or together."""
    units = tuple(units)
    for group in together(units):
        blocks = tuple(unit.block for unit in group)
        if reason := group[0].recipe.refuse_together(blocks):
            yield _impossible(group[0], reason)
    for unit in units:
        reason = unit.recipe.refuse(unit.block)
        whole = isinstance(unit.recipe, Orthogonal) or not unit.recipe.divisible
        if unit.slots[0].padding is not None and whole:
            reason = f"the padding row of an embedding is kept, so the table cannot be {unit.recipe.kind}"
        if unit.whole and len(unit.slots[0].pieces) > 1:
            reason = "`whole` speaks of one fused parameter, and this is a sum of several; say `literal: true` as well"
        if reason:
            yield _impossible(unit, reason)


def _impossible(unit: Unit, reason: str) -> Finding:
    rule = unit.rule
    return Finding(
        "RNN105", f"rule {rule.id!r} asks for {unit.recipe}, which cannot hold here: {reason}",
        address=unit.block.address, rule=rule.id, place=rule.origin,
        fix="narrow the rule's `match`, or choose another recipe for this slot",
    )  # fmt: skip


def _unwritable(decisions: Iterable[Decision]) -> Iterator[Finding]:
    for decision in decisions:
        rule, slot = decision.rule, decision.slot
        if rule is None or isinstance(rule.init, Keep):
            continue
        for piece in slot.pieces:
            if piece.member.door.kind == "partitioned":
                yield _no_way(rule, slot, "is partitioned by DeepSpeed: apply inside deepspeed.zero.GatheredParameters")
            elif not piece.member.dtype.is_floating_point:
                yield _no_way(rule, slot, f"is {piece.member.dtype}, and recipes give real numbers")
            elif not piece.member.trainable:
                yield _frozen(rule, slot, piece.member)


def _no_way(rule: Rule, slot: Slot, reason: str) -> Finding:
    return Finding(
        "RNN113", f"{reason}; rule {rule.id!r} decides it", address=slot.address, rule=rule.id, place=rule.origin,
        fix="let no rule match it, or `init: {kind: keep}`",
    )  # fmt: skip


def _frozen(rule: Rule, slot: Slot, member: Member) -> Finding:
    return Finding(
        "RNN111", f"rule {rule.id!r} writes {member.local}, which does not require grad", level="warning",
        address=slot.address, rule=rule.id, place=rule.origin,
        fix="protect it with `init: {kind: keep}`, or allow RNN111 there if it is meant",
    )  # fmt: skip


def _lazy(policy: Policy, lazy: Iterable[Member]) -> Iterator[Finding]:
    for member in lazy:
        rule = next((r for r in reversed(policy.rules) if r.match.matches_name((member.name,))), None)
        if rule and rule.match.parameter:
            yield Finding(
                "RNN113", f"has no shape yet (a lazy module); rule {rule.id!r} may decide it", address=member.name,
                rule=rule.id, place=rule.origin, fix="run one forward first, or use ri.attach(model, policy)",
            )  # fmt: skip


def _untouched(policy: Policy, decisions: Iterable[Decision]) -> Iterator[Finding]:
    level = _LEVELS[policy.untouched]
    for decision in decisions:
        slot = decision.slot
        if level and decision.rule is None and slot.kind is not None and slot.layout and slot.layout.recurrent:
            yield Finding(
                "RNN103", "no rule decides this slot; it keeps what it holds", level=level, address=slot.address,
                fix="add a rule, protect it with `init: {kind: keep}`, or say `untouched: allow`",
            )  # fmt: skip
