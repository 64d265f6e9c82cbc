"""What a policy asks a batch for: whether it can be measured there, and what a verb without a batch says about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rnninit_hooks.findings import Finding
from rnninit_hooks.slots import Slot
from rnninit_hooks.trials.choosing import obstacle
from rnninit_hooks.units import Unit

if TYPE_CHECKING:
    from rnninit_hooks.rules.models import Policy, Rule

WAY_OUT = "run one forward of the model on a typical batch"


def asks_for_batch(policy: Policy) -> bool:
    """True when some rule of a policy measures a batch."""
    return any(rule.init.asks for rule in policy.rules)


def unmeasurable(units: Iterable[Unit], slots: Iterable[Slot]) -> Iterator[Finding]:
    """Draws that wait for a batch in a place where none can be measured."""
    homes = _homes(slots)
    for unit in (unit for unit in units if unit.recipe.asks):
        rule = unit.rule
        if unit.recipe.refuse(unit.block) is None and (reason := obstacle(unit) or _shared(unit, homes)):
            yield Finding(
                "RNN105", f"rule {rule.id!r} asks for {unit.recipe}, which cannot be measured here: {reason}",
                address=unit.block.address, rule=rule.id, place=rule.origin,
                fix="narrow the rule's `match`, or choose a recipe that needs no batch for this slot",
            )  # fmt: skip


def _homes(slots: Iterable[Slot]) -> dict[tuple[int, ...], dict[int, str]]:
    """Under which module, and which name there, every tensor is held."""
    homes: dict[tuple[int, ...], dict[int, str]] = defaultdict(dict)
    for slot in slots:
        for piece in slot.pieces:
            homes[piece.member.key].setdefault(id(piece.member.holder), piece.member.name)
    return homes


def _shared(unit: Unit, homes: dict[tuple[int, ...], dict[int, str]]) -> str | None:
    member = unit.slots[0].member
    others = [name for holder, name in homes[member.key].items() if holder != id(member.holder)]
    return f"the tensor is also {others[0]}, which may run before this slot's batch is seen" if others else None


def batch_needed(units: Iterable[Unit]) -> Iterator[Finding]:
    """An error for every draw that waits for a batch, where there is none."""
    for unit in (unit for unit in units if unit.recipe.asks):
        yield Finding(
            "RNN120", f"rule {unit.rule.id!r} asks for {unit.recipe}, which is measured on a batch, and there is none here",
            address=unit.block.address, rule=unit.rule.id, place=unit.rule.origin,
            fix=f"call ri.calibrate(model, policy, batch), or ri.attach(model, policy) and {WAY_OUT}",
        )  # fmt: skip


def judged_without_batch(units: Iterable[Unit]) -> Iterator[Finding]:
    """A word for every rule of which `check` can see a part only."""
    groups: dict[str, list[Unit]] = defaultdict(list)
    for unit in (unit for unit in units if unit.recipe.asks):
        groups[unit.rule.id].append(unit)
    for group in groups.values():
        yield _judged(group[0].rule, group)


def _judged(rule: Rule, group: list[Unit]) -> Finding:
    more = f" (and {len(group) - 1} more slots)" if len(group) > 1 else ""
    return Finding(
        "RNN220", f"what holds for every batch was judged, not what {rule.init} measured on the first one{more}", level="info",
        address=group[0].block.address, rule=rule.id, place=rule.origin,
        fix="to see what a batch gives now, run the model on it",
    )  # fmt: skip
