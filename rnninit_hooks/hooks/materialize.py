"""Settle now what is pending; give memory to what is on the meta device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from rnninit_hooks.announcing import announce
from rnninit_hooks.doors import put
from rnninit_hooks.errors import PendingInit
from rnninit_hooks.hooks.flush import LOCK, flush
from rnninit_hooks.hooks.guests import ledgers_about
from rnninit_hooks.hooks.owners import refuse_strays
from rnninit_hooks.hooks.snapshots import snapshot
from rnninit_hooks.hooks.waiting import batch_awaited


def materialize(model: nn.Module, device: torch.device | str | None = None) -> nn.Module:
    """Write whatever is pending, now; returns the model.

    With `device`, parameters and buffers on the meta device get memory there first, ties kept. What no rule decides
    is filled by the owner's own `reset_parameters()`; `PendingInit` is raised, and nothing changed, when a module has
    undecided tensors on meta and no such method. Without `device`, a pending meta tensor raises `PendingInit`, and so does
    a rule that measures a batch; with `device`, that one stays pending until the first forward, with a warning.

    >>> import torch, rnninit_hooks as ri
    >>> with torch.device("meta"):
    ...     lstm = torch.nn.LSTM(3, 4)
    >>> _ = ri.attach(lstm, "lstm-classic")
    >>> ri.materialize(lstm, device="cpu").bias_hh_l0.device.type
    'cpu'
    """
    with LOCK:
        refuse_strays(model)
        if device is not None:
            _give_memory(model, torch.device(device))
        flush(model, at_rest=True, patient=device is not None)
    announce(batch_awaited(model))
    return model


def _give_memory(model: nn.Module, device: torch.device) -> None:
    owners = [module for module in model.modules() if any(True for _ in _on_meta(module))]
    for module in owners:
        if trouble := _unfillable(module):
            raise PendingInit(trouble)
    memo: dict[int, Tensor] = {}
    with torch.random.fork_rng(devices=[]):  # one for all: layers drawn from the same state would be equal
        given = {module: _fill(module, device, memo) for module in owners}
    for module, names in given.items():
        _remember(module, names)


def _fill(module: nn.Module, device: torch.device, memo: dict[int, Tensor]) -> list[str]:
    undecided = _undecided(module)
    real = [tensor for _, tensor in _tensors(module) if not tensor.is_meta]
    names = [name for name, _ in _on_meta(module)]
    for name, tensor in list(_on_meta(module)):
        _replace(module, name, memo.setdefault(id(tensor), _empty_like(tensor, device)))
    if undecided:
        _reset(module, real)
    return names


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for registry in (module._parameters, module._buffers):
        for name, tensor in registry.items():
            if tensor is not None and not is_lazy(tensor):
                yield name, tensor


def _on_meta(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    return ((name, tensor) for name, tensor in _tensors(module) if tensor.is_meta)


def _undecided(module: nn.Module) -> list[str]:
    """Tensors on meta that no pending rule fills completely."""
    decided = {name for ledger, above in ledgers_about(module) for name in _names(set(ledger.snapshots) - ledger.partly, above)}
    return [name for name, _ in _on_meta(module) if name not in decided]


def _names(locals_: Iterable[str], above: str) -> set[str]:
    return {local.removeprefix(above) for local in locals_ if local.startswith(above)}


def _resetter(module: nn.Module) -> object:
    return getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)


def _unfillable(module: nn.Module) -> str | None:
    undecided = _undecided(module)
    if undecided and not callable(_resetter(module)):
        names = ", ".join(undecided)
        return (
            f"{type(module).__name__} has {names} on the meta device, no rule decides them and the class has no "
            "reset_parameters(): add a rule for them, or build this module on a real device"
        )
    return None


def _reset(module: nn.Module, real: list[Tensor]) -> None:
    """Let the module fill itself; what was real before, such as a loaded part, is put back."""
    reset = _resetter(module)
    assert callable(reset)  # _unfillable refused the others
    before = [tensor.detach().clone() for tensor in real]
    reset()
    with torch.no_grad():
        for tensor, value in zip(real, before, strict=True):
            put(tensor, value)


def _remember(module: nn.Module, names: list[str]) -> None:
    """What was given memory holds something from now on, which is nobody's writing."""
    for ledger, above in ledgers_about(module):
        known = [name for name in names if above + name in ledger.snapshots]
        now = {above + name: (snapshot(module._parameters[name]),) for name in known}  # type: ignore[arg-type]
        ledger.snapshots = {**ledger.snapshots, **now}


def _empty_like(tensor: Tensor, device: torch.device) -> Tensor:
    empty = torch.empty(tensor.shape, dtype=tensor.dtype, device=device)
    return nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty


def _replace(module: nn.Module, name: str, value: Tensor) -> None:
    """By setattr, so that recurrent modules keep their list of flat weights in step."""
    setattr(module, name, value)
    for ledger, above in ledgers_about(module):
        ledger.replaced.discard(above + name)
