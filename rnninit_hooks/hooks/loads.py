"""What a checkpoint brings: claimed before the load, believed after it, when it really took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from rnninit_hooks.anatomy import logical_names
from rnninit_hooks.hooks.guests import ledgers_about
from rnninit_hooks.hooks.ledger import Ledger
from rnninit_hooks.hooks.snapshots import version_of
from rnninit_hooks.writers import door_of, hidden_names

Seen = tuple[tuple[int, int | None], ...]


def pre_load(module: nn.Module, state: Mapping[str, Any], prefix: str, metadata: Mapping[str, Any], *_: Any) -> None:
    """Note what a checkpoint is about to bring to this owner, and what stood there before."""
    assigns = bool(metadata.get("assign_to_params_buffers", False))
    for found, above in ledgers_about(module):
        names = [local for local in logical_names(module) if brings(module, local, state, prefix, assigns=assigns)]
        others = {local: before for local, before in found.claimed.items() if above and not local.startswith(above)}
        found.claimed = {**others, **{above + local: seen(module, local) for local in names}}


def post_load(module: nn.Module, incompatible: object) -> None:
    """Believe the claims of which something is to be seen; a copy that torch refused leaves everything as it was."""
    for found, above in ledgers_about(module):
        claims_here = {local: found.claimed[above + local] for local in logical_names(module) if above + local in found.claimed}
        found.loaded |= {above + local for local, before in claims_here.items() if _took(module, local, before)}


def seen(module: nn.Module, local: str) -> Seen:
    """Identity and version of what holds a parameter."""
    stored = door_of(module, local).stored(module, local)
    return tuple((id(tensor), None if is_lazy(tensor) else version_of(tensor)) for tensor in stored)


def _took(module: nn.Module, local: str, before: Seen) -> bool:
    uncounted = any(version is None for _, version in before)
    swapped = torch.__future__.get_swap_module_params_on_conversion()  # keeps identity and may keep the count
    return swapped or uncounted or seen(module, local) != before


def brings(module: nn.Module, local: str, state: Mapping[str, Any], prefix: str, *, assigns: bool = False) -> bool:
    """True when a state dict has a value for one parameter of a module that torch will take."""
    targets = _targets(module, local)
    return any(_takes(state.get(prefix + name), target, assigns) for name, target in targets.items())


def _targets(module: nn.Module, local: str) -> dict[str, Tensor | None]:
    """Keys of a state dict, without the prefix, that hold one parameter."""
    stored = [name for name, logical in hidden_names(module).items() if logical == local] or [local]
    targets: dict[str, Tensor | None] = {}
    for name in stored:
        if name.startswith("parametrizations."):
            originals: Any = module.get_submodule(name)
            targets |= {f"{name}.{key}": value for key, value in originals._parameters.items()}
        else:
            targets[name] = module._parameters.get(name)
    return targets


def _takes(value: Any, target: Tensor | None, assigns: bool) -> bool:
    """Wrong shapes make torch raise; values without memory bring nothing, and nothing can be copied into meta."""
    if not isinstance(value, Tensor) or value.is_meta:
        return False
    if target is None or is_lazy(target):
        return True
    return value.shape == target.shape and (assigns or not target.is_meta)


def claims(ledger: Ledger, local: str) -> bool:
    """True when the last load spoke of this parameter, whether it ended well or not."""
    return local in ledger.claimed
