"""Children whose parameters a parent's layout claims: what happens to them is noted in the parent's ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import nn

from rnninit_hooks.anatomy import Member
from rnninit_hooks.hooks.ledger import Ledger, ledger_of
from rnninit_hooks.marks import GUEST


@dataclass(eq=False)
class Guest:
    """Left with a child: the ledger that speaks of its parameters, and the prefix under which it does."""

    ledger: Ledger
    prefix: str


def put(holder: nn.Module, ledger: Ledger, members: Iterable[Member]) -> list[nn.Module]:
    """Leave word with every child that really has one of a ledger's parameters; the children."""
    found = {id(m.owner): m for m in members if m.owner is not holder}
    for member in found.values():
        member.owner.__dict__[GUEST] = Guest(ledger, member.local.removesuffix(member.leaf))
    return [member.owner for member in found.values()]


def guest_of(module: nn.Module) -> Guest | None:
    """What was left with a child, or None."""
    found = module.__dict__.get(GUEST)
    return found if isinstance(found, Guest) else None


def drop(module: nn.Module) -> None:
    """Take it away."""
    module.__dict__.pop(GUEST, None)


def ledgers_about(module: nn.Module) -> Iterator[tuple[Ledger, str]]:
    """Every ledger that speaks of a module's own parameters, with the prefix that it gives their names."""
    if own := ledger_of(module):
        yield own, ""
    if guest := guest_of(module):
        yield guest.ledger, guest.prefix
