"""The parameters of a model under the names that rules speak of: wrappers stripped, parametrizations seen through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from rnninit_hooks.doors import Door
from rnninit_hooks.layouts.model import Layout
from rnninit_hooks.layouts.registry import layout_of
from rnninit_hooks.writers import PLAIN, door_of, hidden_names

_ALWAYS_WRAPPED = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
_WRAPPERS = frozenset({
    "DistributedDataParallel", "DataParallel", "AveragedModel", "FullyShardedDataParallel", "OptimizedModule",
    "CheckpointWrapper", "DeepSpeedEngine", "ExponentialMovingAverage",
})  # fmt: skip


@dataclass(frozen=True, eq=False)
class Member:
    """One parameter as a module knows it. `name` is canonical, `key` its identity.

    `leaf` is the name in `owner`, the module that really has it. `local` is the name in `holder`, the module whose layout
    speaks of it: another one only where a layout reaches into children, as in `input_map.weight`.
    """

    name: str
    local: str
    path: str
    holder: nn.Module
    owner: nn.Module
    leaf: str
    door: Door
    shape: tuple[int, ...] | None
    dtype: torch.dtype
    device: torch.device
    trainable: bool
    key: tuple[int, ...]

    @property
    def lazy(self) -> bool:
        """True while torch does not know the shape yet."""
        return self.shape is None

    def read(self) -> Tensor:
        """The logical value that `forward` uses, detached."""
        return self.door.read(self.owner, self.leaf)


@dataclass(frozen=True, eq=False)
class Organ:
    """One module under one canonical path, with its parameters by local name."""

    path: str
    module: nn.Module
    members: tuple[Member, ...]


def join(path: str, local: str) -> str:
    """A qualified name; the root's path is empty."""
    return f"{path}.{local}" if path else local


def is_wrapper_child(owner: nn.Module, name: str) -> bool:
    """True when `name` is the attribute under which a wrapper such as DDP keeps the real module."""
    if name in _ALWAYS_WRAPPED:
        return True
    return name == "module" and any(base.__name__ in _WRAPPERS for base in type(owner).__mro__)


def organs(model: nn.Module) -> Iterator[Organ]:
    """Every module of a model, once per name under which it can be reached, parents first.

    What a layout claims of a module's children stands with that module and no more with the children.
    """
    yield from _walk(model, "", (), frozenset())


def _walk(module: nn.Module, path: str, above: tuple[int, ...], claimed: frozenset[str]) -> Iterator[Organ]:
    if id(module) in above:
        return
    body = organ(module, path, claimed)
    yield body
    claimed = claimed | {member.name for member in body.members}
    for name, child in _children(module):
        child_path = path if is_wrapper_child(module, name) else join(path, name)
        yield from _walk(child, child_path, (*above, id(module)), claimed)


def _children(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, child in module._modules.items():
        if child is not None and not (name == "parametrizations" and parametrize.is_parametrized(module)):
            yield name, child


def organ(module: nn.Module, path: str, claimed: frozenset[str] = frozenset(), layout: Layout | None = None) -> Organ:
    """One module alone, under a given path, with what its layout (that of its class, or another) claims of its children."""
    own = [(module, local, local) for local in logical_names(module)]
    found = [*own, *_claims(module, layout or layout_of(module))]
    members = (_member(module, owner, path, local, leaf) for owner, local, leaf in found if join(path, local) not in claimed)
    return Organ(path, module, tuple(members))


def _claims(module: nn.Module, layout: Layout | None) -> Iterator[tuple[nn.Module, str, str]]:
    if layout is None or not layout.deep:
        return
    for name, child in module.named_modules():
        for leaf in logical_names(child) if name else ():
            if any(part.match(join(name, leaf)) for part in layout.parts):
                yield child, join(name, leaf), leaf


def logical_names(module: nn.Module) -> list[str]:
    """Local names of a module's own parameters, as `forward` reads them."""
    hidden = hidden_names(module)
    names = [name for name, value in module._parameters.items() if value is not None and name not in hidden]
    if not hidden:
        return names
    return list(dict.fromkeys([*names, *hidden.values()]))


def _member(holder: nn.Module, owner: nn.Module, path: str, local: str, leaf: str) -> Member:
    door = door_of(owner, leaf)
    name = join(path, local)
    if door is PLAIN:
        only = owner._parameters[leaf]
        assert only is not None  # logical_names lists no empty parameter
        shape = None if is_lazy(only) else tuple(only.shape)
        return Member(
            name, local, path, holder, owner, leaf, door, shape, only.dtype, only.device, only.requires_grad, (id(only),)
        )
    stored = door.stored(owner, leaf)
    first = stored[0]
    return Member(
        name=name, local=local, path=path, holder=holder, owner=owner, leaf=leaf, door=door,
        shape=_shape(door, owner, leaf), dtype=first.dtype, device=first.device,
        trainable=any(p.requires_grad for p in stored), key=tuple(id(p) for p in stored),
    )  # fmt: skip


def _shape(door: Door, module: nn.Module, local: str) -> tuple[int, ...] | None:
    if any(is_lazy(p) for p in door.stored(module, local)):
        return None
    return door.shape(module, local)
