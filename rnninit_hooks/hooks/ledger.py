"""What is pending, kept as plain data in the module that owns it, so that copies, pickles and processes carry it along."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from torch import nn

from rnninit_hooks.hooks.snapshots import Snapshot
from rnninit_hooks.marks import PENDING
from rnninit_hooks.rows import Row, Status

if TYPE_CHECKING:
    from rnninit_hooks.rules.models import Policy

_live: weakref.WeakSet[Ledger] = weakref.WeakSet()
_on_birth: list[Callable[[], None]] = []


@dataclass(eq=False)
class Journal:
    """The rows of one attachment as they stand now; shared by its ledgers and its handle."""

    policy: Policy
    rows: dict[str, Row]

    def settle(self, address: str, status: Status, **facts: Any) -> None:
        """Record what became of a slot."""
        if address in self.rows:
            self.rows[address] = replace(self.rows[address], status=status, **facts)

    def give_up(self, why: str, addresses: Iterable[str] | None = None) -> None:
        """Nothing will be written any more, of these addresses or of all."""
        for address in list(self.rows if addresses is None else addresses):
            if address in self.rows and self.rows[address].status == "pending":
                self.settle(address, "untouched", note=why)


@dataclass(eq=False)
class Ledger:
    """The pending initialisation of one owner: its path, what was decided for its slots, what it held at attach.

    `decided` maps slot addresses to rule ids, `doors` parameters to the kind of their door. `partly` names
    parameters of which rules decide some elements only, `lazy` those whose shape was not known, decided later.
    `marked` are parameters that another library protects, `borrowed` addresses of pending tensors that this module
    holds under a second name. `loaded` names parameters that a checkpoint brought, `claimed` those of which the last
    checkpoint spoke, `replaced` those that were assigned anew.
    """

    journal: Journal
    path: str
    decided: Mapping[str, str]
    snapshots: Mapping[str, tuple[Snapshot, ...]]
    partly: frozenset[str] = frozenset()
    lazy: frozenset[str] = frozenset()
    doors: Mapping[str, str] = field(default_factory=dict)
    marked: Mapping[str, Status] = field(default_factory=dict)
    borrowed: frozenset[str] = frozenset()
    loaded: set[str] = field(default_factory=set)
    claimed: dict[str, tuple[tuple[int, int | None], ...]] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        _announce(self)

    @property
    def deep(self) -> bool:
        """True when it speaks of parameters of children too."""
        return any("." in local for local in self.snapshots)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        _announce(self)


def _announce(ledger: Ledger) -> None:
    _live.add(ledger)
    for callback in _on_birth:
        callback()


def on_birth(callback: Callable[[], None]) -> None:
    """Call back whenever a ledger comes to be, by attach, by copy or from a pickle."""
    _on_birth.append(callback)


def any_live() -> bool:
    """True while some module of this process has a pending initialisation."""
    return bool(_live)


def is_live(ledger: Ledger) -> bool:
    """True until the ledger is settled or dropped."""
    return ledger in _live


def ledger_of(module: nn.Module) -> Ledger | None:
    """The ledger of an owner, or None."""
    found = module.__dict__.get(PENDING)
    return found if isinstance(found, Ledger) else None


def put(module: nn.Module, ledger: Ledger) -> None:
    """Leave a ledger with its owner; not in the state dict, not a submodule."""
    module.__dict__[PENDING] = ledger


def is_pending_tensor(parameter: object) -> bool:
    """True when some ledger of this process waits to write this very tensor."""
    return any(shot.ident == id(parameter) for ledger in list(_live) for shots in ledger.snapshots.values() for shot in shots)


def drop(module: nn.Module) -> None:
    """Take the ledger away."""
    ledger = module.__dict__.pop(PENDING, None)
    if ledger is not None:
        _live.discard(ledger)


def pending(root: nn.Module) -> Iterator[tuple[nn.Module, Ledger]]:
    """Every owner below a module that is still pending."""
    for module in root.modules():
        if ledger := ledger_of(module):
            yield module, ledger
