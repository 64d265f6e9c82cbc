"""The hook that sees a module's own first arguments and settles there what waits for a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from rnninit_hooks.announcing import announce
from rnninit_hooks.composition import not_finite
from rnninit_hooks.errors import PendingInit, PolicyError
from rnninit_hooks.hooks import removal
from rnninit_hooks.hooks.flush import LOCK, ready_units, record, touched, write
from rnninit_hooks.hooks.ledger import Ledger, ledger_of
from rnninit_hooks.hooks.owners import Owner, examine, refuse_meta
from rnninit_hooks.hooks.surroundings import calm, faked, hostile, several_ranks
from rnninit_hooks.hooks.watch import eager
from rnninit_hooks.settling import Settlement, settle
from rnninit_hooks.trials import Given


@eager
def pre_batch(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None) -> None:
    """Settle what waits for a batch in the module that is called, from the arguments that it is called with.

    Torch looks up whether a hook wants `kwargs` as it calls it: one that another thread has just taken off gets none.
    """
    with LOCK:  # of threads that call it at once the first settles it, and the others find nothing to do
        ledger = ledger_of(module)
        if ledger is None or faked():
            return
        if reason := hostile(module) or several_ranks() or _not_last(module):
            raise PendingInit(f"{ledger.path or 'the model'} waits for its first batch and cannot be measured here: {reason}")
        with calm():
            owner = _settle(module, ledger, args, kwargs or {})
        removal.clear(module)
    announce(touched([owner]), stacklevel=5)


def _not_last(module: nn.Module) -> str | None:
    """Hooks that run after ours may still change the arguments; from the next call on ours is the last."""
    if removal.is_last(module):
        return None
    removal.put_last(module)
    return "forward pre-hooks that were registered after the policy was attached may change its input; run the forward again"


def _settle(module: nn.Module, ledger: Ledger, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Owner:
    owner = examine(module, ledger, at_rest=False)
    refuse_meta(owner)
    found = _measured(owner, args, kwargs)
    if problems := [finding for one in found.composed if (finding := not_finite(one))]:
        raise PolicyError(problems)
    write(list(found.composed), [owner])
    record(owner, found.composed, found.figures)
    return owner


def _measured(owner: Owner, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Settlement:
    ready = ready_units(owner.ledger.journal, [owner])
    given = Given.of(args, kwargs)
    return settle(ready.units, given, owner.ledger.journal.policy.seed, open_to=ready.open_to, born=ready.born)


removal.known(pre_batch)
