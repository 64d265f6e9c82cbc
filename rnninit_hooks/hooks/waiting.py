"""What cannot be written before a batch is seen: told apart from the rest, left pending with its owner, or refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from torch import nn

from rnninit_hooks.decisions import Decision
from rnninit_hooks.errors import PendingInit
from rnninit_hooks.findings import Finding
from rnninit_hooks.hooks.ledger import Ledger, pending
from rnninit_hooks.hooks.owners import Owner
from rnninit_hooks.measuring import WAY_OUT
from rnninit_hooks.recipes.fills import Keep

Key = tuple[int, ...]
NO_FORWARD = (
    f"this is no forward and brings none; {WAY_OUT} first, or remove() the handle and call "
    "rnninit_hooks.calibrate(model, policy, batch)"
)


def can_wait(ledger: Ledger) -> bool:
    """True when the owner may have to see its own batch; what has no shape yet may be decided so later."""
    rules = {rule.id: rule for rule in ledger.journal.policy.rules}
    decided = rules.values() if ledger.lazy else (rules[rule_id] for rule_id in ledger.decided.values())
    return any(rule.init.asks for rule in decided)


def parted(owner: Owner) -> tuple[Owner, Owner]:
    """The same owner twice: with what can be settled now, and with what waits for a batch.

    A parameter is written once, so that every slot that shares one with a waiting slot waits with it.
    """
    waits = _waiting_keys(owner)
    later = tuple(decision for decision in owner.decisions if waits & _keys(decision))
    now = tuple(decision for decision in owner.decisions if not waits & _keys(decision))
    return replace(owner, decisions=now), replace(owner, decisions=later)


def _waiting_keys(owner: Owner) -> set[Key]:
    waits: set[Key] = set()
    while added := {key for d in owner.decisions if _asks(owner, d) or waits & _keys(d) for key in _keys(d)} - waits:
        waits |= added
    return waits


def _asks(owner: Owner, decision: Decision) -> bool:
    return bool(decision.rule and decision.rule.init.asks) and owner.state(decision.slot) == "written"


def _keys(decision: Decision) -> set[Key]:
    return {piece.member.key for piece in decision.slot.pieces}


def refuse_waiting(owners: Iterable[Owner], reason: str) -> None:
    """Raise when something waits for a batch, and say why there is none that could be used."""
    waiting = [(d.slot.address, d.rule) for owner in owners for d in owner.decisions if _asks(owner, d)]
    if waiting:
        (address, rule), more = waiting[0], f" and {len(waiting) - 1} more slots" if len(waiting) > 1 else ""
        raise PendingInit(
            f"{address}{more} waits for its first batch (rule {rule.id if rule else ''!r} asks for "
            f"{rule.init if rule else ''}), and nothing was written now: {reason}"
        )


def wait(later: Owner) -> None:
    """Leave with the owner what waits, and nothing else: the rest was settled."""
    ledger = later.ledger
    if later.waiting or not later.decisions:
        return
    local = {member.local for member in later.members()}
    ledger.decided = {
        decision.slot.address: decision.rule.id
        for decision in later.decisions
        if decision.rule and not isinstance(decision.rule.init, Keep)
    }
    ledger.snapshots = {name: shots for name, shots in ledger.snapshots.items() if name in local}
    ledger.lazy = frozenset()


def batch_awaited(root: nn.Module) -> Iterator[Finding]:
    """What is still pending below `root` because it waits for a batch."""
    for _, ledger in pending(root):
        rules = {rule.id: rule for rule in ledger.journal.policy.rules}
        for address, rule in ((address, rules[rule_id]) for address, rule_id in ledger.decided.items()):
            if rule.init.asks:
                yield Finding(
                    "RNN120", f"stays pending: rule {rule.id!r} asks for {rule.init}, which is measured on a batch",
                    level="warning", address=address, rule=rule.id, place=rule.origin, fix=WAY_OUT,
                )  # fmt: skip
