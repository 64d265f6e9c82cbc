"""Install and remove the hooks of a pending model. Hooks are module-level functions, found by value, so copies carry them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin

from rnninit_hooks.hooks import guests, scripting
from rnninit_hooks.hooks.ledger import drop

Hook = Callable[..., Any]
_REGISTRIES = ("_forward_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks", "_state_dict_pre_hooks")
_known: set[Hook] = set()
_after_clear: list[Callable[[], None]] = []


def known(*hooks: Hook) -> None:
    """Name the functions that count as ours."""
    _known.update(hooks)


def after_clear(callback: Callable[[], None]) -> None:
    """Call back when something pending was settled."""
    _after_clear.append(callback)


def has(module: nn.Module, registry: str, hook: Hook) -> bool:
    """True when a module already carries this hook."""
    return any(_function(found) is hook for found in getattr(module, registry).values())


def _function(found: Any) -> Any:
    """The function itself; torch wraps load hooks that ask for the module."""
    return getattr(found, "hook", found)


def install(module: nn.Module, pre_forward: Hook, pre_state_dict: Hook) -> None:
    """Put the hooks on that settle a subtree: in front, unless the module must first find out its own shapes."""
    if not has(module, "_forward_pre_hooks", pre_forward):
        module.register_forward_pre_hook(pre_forward, prepend=not isinstance(module, LazyModuleMixin))
    if not has(module, "_state_dict_pre_hooks", pre_state_dict):
        module.register_state_dict_pre_hook(pre_state_dict)  # type: ignore[no-untyped-call]


def install_batch(module: nn.Module, pre_batch: Hook) -> None:
    """Put the hook on that sees what the module itself is called with, behind all others."""
    if not has(module, "_forward_pre_hooks", pre_batch):
        module.register_forward_pre_hook(pre_batch, with_kwargs=True)


def is_last(module: nn.Module) -> bool:
    """True when no forward pre-hook runs after the one that sees the arguments."""
    return _of_batch(module) == list(module._forward_pre_hooks)[-1:]


def put_last(module: nn.Module) -> None:
    """Move the hook that sees the arguments behind all others; a call that runs already keeps its order."""
    for key in _of_batch(module):
        module._forward_pre_hooks[key] = module._forward_pre_hooks.pop(key)


def _of_batch(module: nn.Module) -> list[int]:
    hooks = module._forward_pre_hooks
    return [key for key in module._forward_pre_hooks_with_kwargs if key in hooks and hooks[key] in _known]


def install_load(module: nn.Module, pre_load: Hook, post_load: Hook | None = None) -> None:
    """Put the hooks on that see what a checkpoint brings. The public name hands over no module in older torch."""
    if not has(module, "_load_state_dict_pre_hooks", pre_load):
        module._register_load_state_dict_pre_hook(pre_load, with_module=True)  # type: ignore[no-untyped-call]
    if post_load and not has(module, "_load_state_dict_post_hooks", post_load):
        module.register_load_state_dict_post_hook(post_load)  # type: ignore[no-untyped-call]


def clear(root: nn.Module, *, keep: Iterable[int] = ()) -> None:
    """Take every hook and ledger of ours off a subtree, but for the modules whose ids are to be kept."""
    spared = set(keep)
    for module in root.modules():
        if id(module) not in spared:
            _take_off(module, _known)
            scripting.withdraw(module)
            drop(module)
            guests.drop(module)
    for callback in _after_clear:
        callback()


def remove(module: nn.Module, hook: Hook) -> None:
    """Take one hook off one module."""
    _take_off(module, {hook})


def _take_off(module: nn.Module, hooks: set[Hook]) -> None:
    for registry in _REGISTRIES:
        _remove(getattr(module, registry), hooks)
    for key in module._forward_pre_hooks_with_kwargs.keys() - module._forward_pre_hooks.keys():
        del module._forward_pre_hooks_with_kwargs[key]


def _remove(registry: MutableMapping[int, Any], hooks: set[Hook]) -> None:
    for key in [key for key, found in registry.items() if _function(found) in hooks]:
        del registry[key]
