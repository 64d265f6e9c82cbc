"""Attach a policy to a model: planned now, written when the model is first used, never over what was loaded."""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from torch import nn

from rnninit_hooks.anatomy import Member, Organ, organs
from rnninit_hooks.announcing import announce
from rnninit_hooks.errors import PendingInit, PolicyError
from rnninit_hooks.findings import Finding
from rnninit_hooks.hooks import first_batch, guests, loads, removal, scripting, watch
from rnninit_hooks.hooks.flush import LOCK
from rnninit_hooks.hooks.ledger import Journal, Ledger, ledger_of, pending, put
from rnninit_hooks.hooks.owners import refuse_strays
from rnninit_hooks.hooks.snapshots import snapshot
from rnninit_hooks.hooks.waiting import can_wait
from rnninit_hooks.marks import marked
from rnninit_hooks.planning import Plan, plan
from rnninit_hooks.recipes.fills import Keep
from rnninit_hooks.rows import Report, Row
from rnninit_hooks.slots import Slot

if TYPE_CHECKING:
    from rnninit_hooks.rules.models import Policy


class Handle:
    """What `attach` hands back: look at what is pending, or take it back.

    `status` maps slot addresses to `pending`, `written`, `loaded` (a checkpoint brought it), `touched` (somebody wrote
    it; kept), `keep` or `untouched`. The handle does not keep the model alive.
    """

    def __init__(self, model: nn.Module, decided: Plan, journal: Journal) -> None:
        self._model = weakref.ref(model)
        self._plan = decided
        self._journal = journal

    @property
    def status(self) -> Mapping[str, str]:
        """Address -> what became of the slot so far."""
        return MappingProxyType({address: row.status for address, row in self._journal.rows.items()})

    @property
    def pending(self) -> bool:
        """True while something is still to be written."""
        return any(row.status == "pending" for row in self._journal.rows.values())

    @property
    def report(self) -> Report:
        """The rows as they stand now, with the findings of the plan."""
        rows, decided = tuple(self._journal.rows.values()), self._plan
        return Report("attach", rows, decided.findings, decided.seed, decided.sampler, decided.allowed)

    def remove(self) -> None:
        """Take the pending initialisation back; what was written already stays. Calling it twice does nothing more."""
        model = self._model()
        with LOCK:
            if model is not None and any(ledger.journal is self._journal for _, ledger in pending(model)):
                removal.clear(model)
                self._journal.give_up("the attachment was taken back")

    def __repr__(self) -> str:
        states: dict[str, int] = defaultdict(int)
        for row in self._journal.rows.values():
            states[row.status] += 1
        return f"<rnninit_hooks.Handle {', '.join(f'{count} {state}' for state, count in states.items())}>"


def attach(model: nn.Module, policy: Policy | str | Path) -> Handle:
    """Leave a policy with a model, to be written at the first forward, `state_dict()`, wrapping or `materialize`.

    Planned at once: `PolicyError` is raised here when the plan has errors. What is loaded or written between now and
    then is kept, never overwritten. Afterwards no hook and no attribute is left. The values are those of `apply`, bit
    for bit. A rule that measures a batch is settled in that forward, module by module, on what each is called with;
    `state_dict`, wrapping and `materialize` bring none and raise `PendingInit` before they write. Attaching the same
    policy twice is one attachment; another policy while one is pending is refused with `PendingInit`.

    >>> import torch, rnninit_hooks as ri
    >>> lstm = torch.nn.LSTM(3, 4)
    >>> handle = ri.attach(lstm, "lstm-classic")
    >>> handle.status["bias_l0[forget]"]
    'pending'
    >>> _ = lstm(torch.zeros(5, 1, 3))
    >>> handle.status["bias_l0[forget]"], handle.pending
    ('written', False)
    """
    with LOCK:
        decided = _until_shaped(plan(model, policy))
        refuse_strays(model)
        if errors := (*decided.errors, *_lazy_children(decided)):
            raise PolicyError(errors)
        if journal := _same(model, decided.policy):
            return Handle(model, decided, journal)
        journal = Journal(decided.policy, {row.address: _pending(row) for row in decided.rows})
        _install(model, decided, journal)
    announce(decided.findings)
    return Handle(model, decided, journal)


def _until_shaped(decided: Plan) -> Plan:
    """A parameter without a shape is what attach is for, and a rule may match once there are shapes: no errors yet."""
    if not decided.lazy:
        return decided
    names = {member.name for member in decided.lazy}
    open_questions = ("RNN101", "RNN104")
    findings = (f.at_level("warning") if f.code in open_questions else f for f in decided.findings if f.address not in names)
    return replace(decided, findings=tuple(findings))


def _lazy_children(decided: Plan) -> Iterable[Finding]:
    """A child learns its shape inside the cell's forward: too late for the cell, whose layout tells its gates apart."""
    for member in (member for member in decided.lazy if member.owner is not member.holder):
        yield Finding(
            "RNN113", f"has no shape yet, and the layout of {type(member.holder).__name__} claims it as gates",
            address=member.name, fix="run one forward first, then attach or apply the policy",
        )  # fmt: skip


def _pending(row: Row) -> Row:
    return replace(row, status="pending") if row.status == "write" else row


def _same(model: nn.Module, policy: Policy) -> Journal | None:
    """The journal of an equal policy that is pending already; another policy is refused."""
    found = {id(ledger.journal): ledger.journal for _, ledger in pending(model)}
    for journal in found.values():
        if journal.policy != policy:
            raise PendingInit(
                "another policy is pending on this model; call rnninit_hooks.materialize(model) to settle it, or "
                "remove() of its handle to take it back, before attaching a new one"
            )
    whole = len(found) == 1 and ledger_covers(model)
    return next(iter(found.values())) if whole else None


def ledger_covers(model: nn.Module) -> bool:
    """True when what is pending was attached at this very root, so that its names are this model's names."""
    paths: dict[nn.Module, set[str]] = defaultdict(set)
    for organ in organs(model):
        paths[organ.module].add(organ.path)
    return all(ledger.path in paths[module] for module, ledger in pending(model))


def _install(model: nn.Module, decided: Plan, journal: Journal) -> None:
    owners = _owners(model, decided)
    ledgers = {id(module): (module, _ledger(journal, path, slots, lazy)) for path, (module, slots, lazy) in owners.items()}
    for organ, addresses in _borrowers(model, decided):
        module, ledger = ledgers.setdefault(id(organ.module), (organ.module, Ledger(journal, organ.path, {}, {})))
        ledger.borrowed |= addresses
    for module, ledger in ledgers.values():
        _take_over(module)
        put(module, ledger)
    children = [child for module, slots, _ in owners.values() for child in _guests(module, slots, ledgers)]
    for module in [*(module for module, _ in ledgers.values()), *children]:
        removal.install_load(module, loads.pre_load, loads.post_load)
    for module in _with_owners_below(model, {*ledgers, *map(id, children)}):
        removal.install(module, watch.pre_forward, watch.pre_state_dict)
        scripting.offer(module, watch.pre_script)
    for module in (module for module, ledger in ledgers.values() if can_wait(ledger)):
        removal.install_batch(module, first_batch.pre_batch)


def _guests(
    module: nn.Module, slots: list[tuple[Slot, str]], ledgers: Mapping[int, tuple[nn.Module, Ledger]]
) -> list[nn.Module]:
    return guests.put(module, ledgers[id(module)][1], [piece.member for slot, _ in slots for piece in slot.pieces])


def _take_over(module: nn.Module) -> None:
    """The last attachment wins, as the last `apply` would; the handle of the former one must not wait for ever."""
    if former := ledger_of(module):
        former.journal.give_up("a later attachment of the policy has it", former.decided)


def _borrowers(model: nn.Module, decided: Plan) -> Iterable[tuple[Organ, frozenset[str]]]:
    """Modules that hold a decided tensor under a second name, with the addresses that decide it."""
    homes: dict[tuple[int, ...], tuple[nn.Module, set[str]]] = {}
    for decision in decided.decisions:
        if decision.rule and not isinstance(decision.rule.init, Keep):
            for piece in decision.slot.pieces:
                homes.setdefault(piece.member.key, (piece.member.holder, set()))[1].add(decision.slot.address)
    for organ in organs(model):
        found = [homes[member.key] for member in organ.members if member.key in homes]
        if borrowed := {address for home, addresses in found if home is not organ.module for address in addresses}:
            yield organ, frozenset(borrowed)


def _ledger(journal: Journal, path: str, slots: list[tuple[Slot, str]], lazy: list[Member]) -> Ledger:
    members = {piece.member.local: piece.member for slot, _ in slots for piece in slot.pieces}
    shots = {local: tuple(map(snapshot, m.door.stored(m.owner, m.leaf))) for local, m in members.items()}
    addresses = {slot.address: rule_id for slot, rule_id in slots}
    partly = frozenset(local for local, member in members.items() if not _covered(member, slots))
    doors = {local: member.door.kind for local, member in members.items()}
    marks = {local: mark for local, member in members.items() if (mark := marked(member))}  # a deepcopy loses the marks
    return Ledger(journal, path, addresses, shots, partly, frozenset(member.local for member in lazy), doors, marks)


def _covered(member: Member, slots: list[tuple[Slot, str]]) -> bool:
    """True when rules decide every element of a parameter."""
    pieces = [piece for slot, _ in slots for piece in slot.pieces if piece.member.key == member.key and slot.padding is None]
    return sum(prod(piece.shape) for piece in pieces) == prod(member.shape or ())


def _owners(model: nn.Module, decided: Plan) -> dict[str, tuple[nn.Module, list[tuple[Slot, str]], list[Member]]]:
    owners: dict[str, tuple[nn.Module, list[tuple[Slot, str]], list[Member]]] = {}
    for decision in decided.decisions:
        if decision.rule and not isinstance(decision.rule.init, Keep):
            organ = decision.slot.organ
            owners.setdefault(organ.path, (organ.module, [], []))[1].append((decision.slot, decision.rule.id))
    for member in decided.lazy:
        owners.setdefault(member.path, (member.owner, [], []))[2].append(member)
    return owners


def _with_owners_below(model: nn.Module, owners: set[int]) -> Iterable[nn.Module]:
    """Every module from which an owner can be reached: it, and all above it."""
    found: dict[int, nn.Module] = {}

    def reaches(module: nn.Module, above: frozenset[int]) -> bool:
        if id(module) in above:
            return False
        below = [reaches(child, above | {id(module)}) for child in module.children()]
        if id(module) in owners or any(below):
            found[id(module)] = module
            return True
        return False

    reaches(model, frozenset())
    return found.values()
