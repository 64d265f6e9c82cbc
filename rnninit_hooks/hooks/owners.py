"""A pending module at the moment of settling: what each of its parameters has become, and what is to be drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from rnninit_hooks.anatomy import Member, organ
from rnninit_hooks.decisions import Decision, decide
from rnninit_hooks.dissection import dissect_organ
from rnninit_hooks.errors import PendingInit
from rnninit_hooks.hooks.guests import guest_of
from rnninit_hooks.hooks.ledger import Ledger, is_live, pending
from rnninit_hooks.hooks.loads import claims
from rnninit_hooks.hooks.snapshots import Snapshot, touched
from rnninit_hooks.marks import marked
from rnninit_hooks.planning import row_of
from rnninit_hooks.recipes.fills import Keep
from rnninit_hooks.rows import Status
from rnninit_hooks.slots import Slot

REMEDY = "call rnninit_hooks.materialize(model) first"


@dataclass(frozen=True, eq=False)
class Owner:
    """One pending module: `states` says what becomes of each parameter, by its name in the module."""

    module: nn.Module
    ledger: Ledger
    states: dict[str, Status]
    decisions: tuple[Decision, ...]
    waiting: bool

    def state(self, slot: Slot) -> Status:
        """What becomes of a slot: written, unless everything that it is made of is kept."""
        states = [self.states[piece.member.local] for piece in slot.pieces]
        return "written" if "written" in states else states[0]

    def members(self) -> Iterator[Member]:
        """Every parameter of which something is to be decided."""
        yield from {p.member.local: p.member for decision in self.decisions for p in decision.slot.pieces}.values()


def examine(module: nn.Module, ledger: Ledger, *, at_rest: bool) -> Owner:
    """Look at one pending module; raises `PendingInit` when nobody could tell what should become of it.

    `at_rest` says that this is no forward, so that a tensor which is another than at attach was really replaced.
    """
    body = organ(module, ledger.path)
    slots = dissect_organ(body).slots
    decisions = (*_decided(ledger, slots), *_decided_late(ledger, slots))
    concerned = {piece.member.local for decision in decisions for piece in decision.slot.pieces}
    _refuse_vanished(ledger, decisions)
    states = {m.local: _state(m, ledger, at_rest) for m in body.members if m.local in concerned}
    return Owner(module, ledger, states, decisions, any(member.lazy for member in body.members))


def refuse_strays(root: nn.Module) -> None:
    """Raise when a child below `root` has gates of a pending module that is not: nothing here could settle them."""
    here = {id(ledger) for _, ledger in pending(root)}
    for module in root.modules():
        guest = guest_of(module)
        if guest is not None and is_live(guest.ledger) and id(guest.ledger) not in here:
            raise PendingInit(
                f"a {type(module).__name__} holds gates of {guest.ledger.path or 'the model'}, whose initialisation is pending "
                f"and which is not part of this; {REMEDY} on the whole model, and copy children after that"
            )


def share(owners: Iterable[Owner]) -> None:
    """What is kept under one name of a tied tensor is kept under all of them.

    A name that was tied to another pending tensor after the attachment brings nothing of its own: the other's rule holds.
    """
    kept: dict[tuple[int, ...], Status] = {}
    for owner in (every := list(owners)):
        for member in owner.members():
            if owner.states[member.local] != "written" and member.local not in owner.ledger.replaced:
                kept[member.key] = owner.states[member.local]
    for owner in every:
        for member in owner.members():
            if owner.states[member.local] == "written" and member.key in kept:
                owner.states[member.local] = kept[member.key]


def refuse_meta(owner: Owner) -> None:
    """Raise when something is to be written where there is no memory."""
    for decision in owner.decisions:
        member = decision.slot.member
        if member.device.type == "meta" and owner.states[member.local] == "written" and decision.rule:
            raise PendingInit(
                f"{decision.slot.address} is on the meta device and holds no memory (rule {decision.rule.id!r} is to "
                "initialise it); call rnninit_hooks.materialize(model, device='cpu') before the first forward"
            )


def _state(member: Member, ledger: Ledger, at_rest: bool) -> Status:
    if mark := ledger.marked.get(member.local) or marked(member):
        return mark
    if member.local in ledger.loaded:
        return "loaded"
    _refuse_reshaped(member, ledger)
    if member.local in ledger.replaced:
        return "touched"
    stored = member.door.stored(member.owner, member.leaf)
    pairs = list(zip(stored, ledger.snapshots.get(member.local, ()), strict=False))
    if not at_rest and any(_foreign(tensor, before) for tensor, before in pairs):
        raise PendingInit(
            f"{member.name} is another tensor than when the policy was attached (functional_call, or a conversion that "
            f"replaces parameters): initialising would write into a tensor that is not the model's; {REMEDY}"
        )
    if any(touched(tensor, before) for tensor, before in pairs):
        return "loaded" if claims(ledger, member.local) else "touched"
    return "written"


def _refuse_reshaped(member: Member, ledger: Ledger) -> None:
    """A parametrization or sharding that came or went moved the values: nobody can tell whether somebody else did too."""
    before, now = ledger.doors.get(member.local, member.door.kind), member.door.kind
    if before != now:
        raise PendingInit(
            f"{member.name} was {before} when the policy was attached and is {now} now, so its values moved and cannot be "
            f"told from somebody's own; {REMEDY} before that. From here: remove() the handle, then "
            "rnninit_hooks.apply(model, policy) if the policy should win"
        )


def _refuse_vanished(ledger: Ledger, decisions: Iterable[Decision]) -> None:
    missing = sorted(set(ledger.decided) - {decision.slot.address for decision in decisions})
    if missing:
        raise PendingInit(
            f"{', '.join(missing)} was pending and is not there any more: the parameter was removed, renamed or given "
            f"another shape after the policy was attached; {REMEDY}, before that. From here: remove() the handle, then "
            "attach or apply the policy to the model as it is"
        )


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
