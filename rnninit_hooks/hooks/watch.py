"""The hooks themselves: before a forward, a state dict, a script; and when a wrapper takes a pending model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.modules import module as registry

from rnninit_hooks.errors import PendingInit
from rnninit_hooks.hooks import guests, removal
from rnninit_hooks.hooks import ledger as ledgers
from rnninit_hooks.hooks.flush import LOCK, flush
from rnninit_hooks.hooks.loads import post_load, pre_load
from rnninit_hooks.hooks.owners import REMEDY, refuse_strays
from rnninit_hooks.hooks.surroundings import faked, hostile

F = TypeVar("F", bound=Callable[..., Any])
_WRAPPERS = ("DistributedDataParallel", "DataParallel", "AveragedModel", "OptimizedModule")
_REASON = "rnninit_hooks: an initialisation is pending; call rnninit_hooks.materialize(model) first"
_handles: list[Any] = []
_busy: list[bool] = []


def eager(function: F) -> F:
    """Keep the compiler out of a hook, and let its complaint say what to do."""
    disable: Any = torch.compiler.disable
    guarded: F = disable(function, reason=_REASON)
    return guarded


@eager
def pre_forward(module: nn.Module, args: Any) -> None:
    """Settle the subtree of the module that is called."""
    with LOCK:  # another thread may be taking the very same hooks away
        if not faked():
            refuse_strays(module)
        if not any(True for _ in ledgers.pending(module)):
            if not faked():
                removal.clear(module)
            return
        if reason := hostile(module):
            raise PendingInit(f"a pending initialisation cannot run here: {reason}; {REMEDY}")
        if not faked():
            flush(module, patient=True)


@eager
def pre_state_dict(module: nn.Module, prefix: str, keep_vars: bool) -> None:
    """Settle before anybody copies values that are not there yet; a model without memory yet has none to copy."""
    if not faked() and not _without_memory(module):
        flush(module)


def _without_memory(module: nn.Module) -> bool:
    """True when something pending below, of a module's own or of a cell above, has no memory."""
    owned = (p for owner, ledger in ledgers.pending(module) for p in owner.parameters(recurse=ledger.deep))
    held = (p for part in module.modules() if guests.guest_of(part) for p in part.parameters(recurse=False))
    return any(p.is_meta for p in chain(owned, held))


def pre_script(module: nn.Module) -> None:
    """Settle before `torch.jit.script` reads the module."""
    flush(module)


def _on_module(parent: nn.Module, name: str, child: nn.Module | None) -> None:
    """A wrapper takes a model: settle before it broadcasts, replicates, copies or traces."""
    if child is not None and any(base.__name__ in _WRAPPERS for base in type(parent).__mro__):
        with _registering():
            flush(child)


def _on_parameter(owner: nn.Module, name: str, parameter: Any) -> None:
    """Somebody assigns a new parameter where one was pending: theirs is kept. A graph must take none that is pending."""
    if any(base.__name__ == "GraphModule" for base in type(owner).__mro__) and ledgers.is_pending_tensor(parameter):
        raise PendingInit(f"{name} is pending and is being taken into a traced graph, which never initialises it; {REMEDY}")
    for found, above in guests.ledgers_about(owner):
        if parameter is not None and above + name in found.snapshots and parameter is not owner._parameters.get(name):
            found.replaced.add(above + name)


def _start() -> None:
    with LOCK:
        if not _handles:
            _handles.append(registry.register_module_module_registration_hook(_on_module))
            _handles.append(registry.register_module_parameter_registration_hook(_on_parameter))


def _stop() -> None:
    with LOCK:
        while _handles and not ledgers.any_live() and not _busy:
            _handles.pop().remove()


@contextmanager
def _registering() -> Iterator[None]:
    """Torch iterates over these hooks right now, so they must not be removed; the next settling does it."""
    with LOCK:
        _busy.append(True)
        try:
            yield
        finally:
            _busy.pop()


removal.known(pre_forward, pre_state_dict, pre_load, post_load)
removal.after_clear(_stop)
ledgers.on_birth(_start)
