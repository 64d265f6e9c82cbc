"""Settle what is pending below a module: keep what was loaded or touched, draw the rest, write it, leave no trace."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from rnninit_hooks.anatomy import Member
from rnninit_hooks.announcing import announce
from rnninit_hooks.applying import write_all
from rnninit_hooks.composition import Composed, compose, not_finite
from rnninit_hooks.errors import PendingInit, PolicyError
from rnninit_hooks.facts import written_facts
from rnninit_hooks.findings import Finding
from rnninit_hooks.hooks.ledger import Journal, pending
from rnninit_hooks.hooks.owners import Owner, examine, refuse_meta, refuse_strays, share
from rnninit_hooks.hooks.removal import clear, put_last
from rnninit_hooks.hooks.snapshots import Snapshot, snapshot
from rnninit_hooks.hooks.surroundings import calm, several_ranks
from rnninit_hooks.hooks.waiting import NO_FORWARD, parted, refuse_waiting, wait
from rnninit_hooks.objections import impossible
from rnninit_hooks.units import Unit, units_of

_FAULT = "this is a fault of rnninit_hooks: call rnninit_hooks.apply(model, policy) instead"
LOCK = threading.RLock()


def flush(root: nn.Module, *, at_rest: bool = False, patient: bool = False) -> None:
    """Initialise everything that is pending below `root`, once, and remove every trace of it.

    All values are drawn before the first is written. An exception leaves everything pending and unwritten. Other
    threads wait, and then find nothing to do. `at_rest` says that this is no forward, so that a parameter which is
    another object than at attach was really replaced; `patient` that a batch is to come, so that what waits for one stays
    pending with its owner. Otherwise `PendingInit` is raised for it, and nothing is written.
    """
    with LOCK:
        refuse_strays(root)
        with calm():
            owners = [examine(module, ledger, at_rest=at_rest) for module, ledger in pending(root)]
            settled, later = _settle(owners, patient=patient)
        clear(root, keep=[id(owner.module) for owner in (*later, *(owner for owner in owners if owner.waiting))])
        for module in (owner.module for owner in later if owner.module is not root):
            put_last(module)
    announce(touched(settled), stacklevel=5)  # last: where warnings are errors, all is settled when it is raised


def _settle(owners: list[Owner], *, patient: bool) -> tuple[list[Owner], list[Owner]]:
    """Settle what can be settled now; the owners with what was settled, and those with what waits for a batch."""
    _refuse_borrowed(owners)
    share(owners)
    for owner in owners:
        refuse_meta(owner)
    if reason := several_ranks() if patient else NO_FORWARD:
        refuse_waiting(owners, reason)
    now, later = zip(*map(parted, owners), strict=True) if owners else ((), ())
    _settle_now(list(now))
    for owner in later:
        wait(owner)
    return list(now), [owner for owner in later if owner.decisions]


def _settle_now(owners: list[Owner]) -> None:
    composed = {id(journal): list(_composed(journal, group)) for journal, group in _by_journal(owners)}
    everything = [one for group in composed.values() for one in group]
    if problems := [finding for one in everything if (finding := not_finite(one))]:
        raise PolicyError(problems)
    _refuse_forgotten(owners, everything)
    write(everything, owners)
    for owner in owners:
        record(owner, composed[id(owner.ledger.journal)])


def _refuse_borrowed(owners: list[Owner]) -> None:
    """A tensor tied to one outside of this subtree is decided under the other name, which is out of reach here."""
    due = {(id(owner.ledger.journal), address) for owner in owners for address in owner.ledger.decided}
    for owner in owners:
        rows, key = owner.ledger.journal.rows, id(owner.ledger.journal)
        for address in sorted(owner.ledger.borrowed):
            if rows[address].status == "pending" and (key, address) not in due:
                raise PendingInit(
                    f"{owner.ledger.path or 'this module'} shares the tensor of {address}, which is pending in another part "
                    "of the model; call rnninit_hooks.materialize(model) on the whole model first"
                )


def _refuse_forgotten(owners: list[Owner], composed: list[Composed]) -> None:
    """What is going to be called written must have been drawn."""
    drawn = {one.member.key for one in composed}
    for owner in owners:
        forgotten = [m.name for m in owner.members() if owner.states[m.local] == "written" and m.key not in drawn]
        if forgotten:
            raise PendingInit(f"nothing was drawn for {', '.join(forgotten)}, so nothing at all was written; {_FAULT}")


def _by_journal(owners: Iterable[Owner]) -> Iterable[tuple[Journal, list[Owner]]]:
    groups: dict[int, list[Owner]] = defaultdict(list)
    for owner in owners:
        groups[id(owner.ledger.journal)].append(owner)
    return [(group[0].ledger.journal, group) for group in groups.values()]


@dataclass(frozen=True, eq=False)
class Ready:
    """Units to be drawn, the parameters that are open to them, and the dtypes to round to first."""

    units: tuple[Unit, ...]
    open_to: Callable[[Member], bool]
    born: Callable[[Member], torch.dtype]


def _composed(journal: Journal, owners: list[Owner]) -> Iterator[Composed]:
    ready = ready_units(journal, owners)
    yield from compose(ready.units, journal.policy.seed, open_to=ready.open_to, born=ready.born)


def ready_units(journal: Journal, owners: list[Owner]) -> Ready:
    """What the owners' decisions ask to be drawn; raises `PolicyError` where a recipe cannot hold."""
    units = tuple(units_of(decision for owner in owners for decision in owner.decisions))
    if problems := list(impossible(units)):
        raise PolicyError(problems)
    free = {(id(owner.module), local) for owner in owners for local, state in owner.states.items() if state == "written"}
    born = {(id(owner.module), local): shots for owner in owners for local, shots in owner.ledger.snapshots.items()}

    def is_free(member: Member) -> bool:
        return (id(member.holder), member.local) in free

    def dtype_at_attach(member: Member) -> torch.dtype:
        shots = born.get((id(member.holder), member.local), ())
        return shots[0].dtype if shots else member.dtype

    live = tuple(unit for unit in units if any(is_free(p.member) for slot in unit.slots for p in slot.pieces))
    return Ready(live, is_free, dtype_at_attach)


def write(composed: list[Composed], owners: list[Owner]) -> None:
    """Write all values, or none."""
    try:
        write_all(composed)
    except BaseException:
        for owner in owners:  # what was put back holds the old bits, but its version counters have moved
            owner.ledger.snapshots = {**owner.ledger.snapshots, **_shots(owner)}
        raise


def _shots(owner: Owner) -> dict[str, tuple[Snapshot, ...]]:
    fresh = (member for member in owner.members() if owner.states[member.local] == "written")
    return {member.local: tuple(map(snapshot, member.door.stored(member.owner, member.leaf))) for member in fresh}


def record(owner: Owner, composed: Iterable[Composed], figures: Mapping[str, Mapping[str, float]] | None = None) -> None:
    """Note in the journal what became of every slot of an owner, and what a batch gave."""
    values = {one.member.key: one.value for one in composed}
    for slot in (decision.slot for decision in owner.decisions):
        state = owner.state(slot)
        facts = written_facts(slot, values) if state == "written" else {}
        if figures and slot.address in figures:
            facts |= {"measured": figures[slot.address]}
        owner.ledger.journal.settle(slot.address, state, **facts)


def touched(owners: Iterable[Owner]) -> Iterator[Finding]:
    """What somebody wrote after the attachment, and is kept."""
    for owner in owners:
        for slot, rule in ((decision.slot, decision.rule) for decision in owner.decisions):
            if rule and owner.state(slot) == "touched":
                yield Finding(
                    "RNN115", f"somebody wrote it after the policy was attached: kept, rule {rule.id!r} not applied",
                    level="warning", address=slot.address, rule=rule.id, place=rule.origin,
                    fix="attach after the write if the policy should win, or call ri.apply(model, policy) now",
                )  # fmt: skip
