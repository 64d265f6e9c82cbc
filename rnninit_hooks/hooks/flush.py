"""Settle what is pending below a module: keep what was loaded or touched, draw the rest, write it, leave no trace."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from rnninit_hooks.anatomy import Member, organ
from rnninit_hooks.announcing import announce
from rnninit_hooks.applying import write_all
from rnninit_hooks.composition import Composed, compose, digest, not_finite
from rnninit_hooks.decisions import Decision, decide
from rnninit_hooks.errors import PendingInit, PolicyError
from rnninit_hooks.findings import Finding
from rnninit_hooks.hooks.ledger import Journal, Ledger, pending
from rnninit_hooks.hooks.removal import clear
from rnninit_hooks.hooks.snapshots import Snapshot, snapshot, touched
from rnninit_hooks.objections import impossible
from rnninit_hooks.planning import row_of
from rnninit_hooks.recipes.fills import Keep
from rnninit_hooks.rows import Status
from rnninit_hooks.slots import Slot, dissect_organ
from rnninit_hooks.units import units_of

LOCK = threading.RLock()


@dataclass(frozen=True, eq=False)
class Owner:
    """One pending module at the moment of settling: what each of its parameters has become, and what is to be drawn."""

    module: nn.Module
    ledger: Ledger
    states: dict[str, Status]
    decisions: tuple[Decision, ...]
    waiting: bool

    def state(self, slot: Slot) -> Status:
        """What becomes of a slot: written, unless everything that it is made of is kept."""
        states = [self.states[piece.member.local] for piece in slot.pieces]
        return "written" if "written" in states else states[0]


def flush(root: nn.Module, *, settle_replaced: bool = False) -> None:
    """Initialise everything that is pending below `root`, once, and remove every trace of it.

    All values are drawn before the first is written. An exception leaves everything pending and unwritten. Other
    threads wait, and then find nothing to do. `settle_replaced` says that this is no forward, so that a parameter
    which is another object than at attach was really replaced.
    """
    with LOCK:
        owners = [_owner(module, ledger, settle_replaced) for module, ledger in pending(root)]
        for journal, group in _by_journal(owners):
            _settle(journal, group)
        waiting = {id(owner.module) for owner in owners if owner.waiting}
        clear(root, keep=waiting)


def _by_journal(owners: Iterable[Owner]) -> Iterable[tuple[Journal, list[Owner]]]:
    groups: dict[int, list[Owner]] = defaultdict(list)
    for owner in owners:
        groups[id(owner.ledger.journal)].append(owner)
    return [(group[0].ledger.journal, group) for group in groups.values()]


def _owner(module: nn.Module, ledger: Ledger, settle_replaced: bool) -> Owner:
    body = organ(module, ledger.path)
    states = {m.local: _state(m, ledger, settle_replaced) for m in body.members if not m.lazy}
    slots = dissect_organ(body).slots
    decisions = (*_decided(ledger, slots), *_decided_late(ledger, slots))
    for decision in decisions:
        _refuse_meta(decision, states)
    return Owner(module, ledger, states, decisions, any(member.lazy for member in body.members))


def _state(member: Member, ledger: Ledger, settle_replaced: bool) -> Status:
    if member.local in ledger.loaded:
        return "loaded"
    if member.local in ledger.replaced:
        return "touched"
    stored = member.door.stored(member.owner, member.local)
    before = ledger.snapshots.get(member.local, ())
    if not settle_replaced and any(_foreign(t, b) for t, b in zip(stored, before, strict=False)):
        raise PendingInit(
            f"{member.name} is another tensor than when the policy was attached (functional_call, or a conversion that "
            "replaces parameters): initialising would write into a tensor that is not the model's; call "
            "rnninit_hooks.materialize(model) first"
        )
    return "touched" if any(touched(t, b) for t, b in zip(stored, before, strict=False)) else "written"


def _foreign(tensor: Tensor, before: Snapshot) -> bool:
    """True when another tensor stands where the pending one stood; giving memory to a meta parameter is no such thing."""
    given_memory = before.total is None and isinstance(tensor, nn.Parameter)
    return before.ident not in (None, id(tensor)) and not given_memory


def _decided(ledger: Ledger, slots: Iterable[Slot]) -> Iterator[Decision]:
    rules = {rule.id: rule for rule in ledger.journal.policy.rules}
    for slot in slots:
        if rule_id := ledger.decided.get(slot.address):
            yield Decision(slot, rules[rule_id])
        for partner in (slot.single(piece) for piece in slot.pieces if len(slot.pieces) > 1):
            if rule_id := ledger.decided.get(partner.address):
                yield Decision(partner, rules[rule_id], within=None if rules[rule_id].literal else slot)


def _decided_late(ledger: Ledger, slots: Iterable[Slot]) -> Iterator[Decision]:
    """Slots of parameters that had no shape when the policy was attached."""
    late = [slot for slot in slots if slot.member.local in ledger.lazy]
    for decision in decide(ledger.journal.policy, late).decisions if late else ():
        ledger.journal.rows[decision.slot.address] = row_of(decision, "pending" if decision.rule else "untouched")
        if decision.rule and not isinstance(decision.rule.init, Keep):
            yield decision


def _refuse_meta(decision: Decision, states: dict[str, Status]) -> None:
    member = decision.slot.member
    if member.device.type == "meta" and states[member.local] == "written" and decision.rule:
        raise PendingInit(
            f"{decision.slot.address} is on the meta device and holds no memory (rule {decision.rule.id!r} is to initialise "
            "it); call rnninit_hooks.materialize(model, device='cpu') before the first forward"
        )


def _settle(journal: Journal, owners: list[Owner]) -> None:
    units = tuple(units_of(decision for owner in owners for decision in owner.decisions))
    kept = {m.key for owner in owners for m in _members(owner) if owner.states[m.local] != "written"}
    if problems := list(impossible(units)):
        raise PolicyError(problems)
    live = [unit for unit in units if not all(p.member.key in kept for slot in unit.slots for p in slot.pieces)]
    composed = list(compose(live, journal.policy.seed, open_to=lambda member: member.key not in kept))
    if problems := [finding for one in composed if (finding := not_finite(one))]:
        raise PolicyError(problems)
    _write(composed, owners)
    for owner in owners:
        _record(journal, owner, composed)
    announce(_touched(journal, owners), stacklevel=5)


def _write(composed: list[Composed], owners: list[Owner]) -> None:
    try:
        write_all(composed)
    except BaseException:
        for owner in owners:  # what was put back holds the old bits, but its version counters have moved
            owner.ledger.snapshots = {**owner.ledger.snapshots, **_shots(owner)}
        raise


def _shots(owner: Owner) -> dict[str, tuple[Snapshot, ...]]:
    fresh = (member for member in _members(owner) if owner.states[member.local] == "written")
    return {member.local: tuple(map(snapshot, member.door.stored(member.owner, member.local))) for member in fresh}


def _members(owner: Owner) -> Iterator[Member]:
    yield from {p.member.local: p.member for decision in owner.decisions for p in decision.slot.pieces}.values()


def _record(journal: Journal, owner: Owner, composed: Iterable[Composed]) -> None:
    values = {one.member.key: one.value for one in composed}
    for slot in (decision.slot for decision in owner.decisions):
        bits = [digest(piece.view(values[piece.member.key])) for piece in slot.pieces if piece.member.key in values]
        journal.settle(slot.address, owner.state(slot), digest="+".join(bits) or None)


def _touched(journal: Journal, owners: Iterable[Owner]) -> Iterator[Finding]:
    for owner in owners:
        for slot, rule in ((decision.slot, decision.rule) for decision in owner.decisions):
            if rule and owner.state(slot) == "touched":
                yield Finding(
                    "RNN115", f"somebody wrote it after the policy was attached: kept, rule {rule.id!r} not applied",
                    level="warning", address=slot.address, rule=rule.id, place=rule.origin,
                    fix="attach after the write if the policy should win, or call ri.apply(model, policy) now",
                )  # fmt: skip
