"""The doors through which a whole parameter is read and written: plain, parametrized, weight-normed, pruned.

A slice written into a parametrized weight is lost without a word (pytorch/pytorch#180968), and so is a write to a weight
that an older weight norm recomputes. So values go in whole, through the door that `forward` reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from rnninit_hooks.doors import Door, put
from rnninit_hooks.sharded import ShardedDoor, is_sharded

PLAIN, PARTITIONED, SHARDED = Door("plain"), Door("partitioned"), ShardedDoor("sharded")


class CloseDoor(Door):
    """A door behind which the value is computed anew, so that it comes back up to rounding."""

    def difference(self, owner: nn.Module, local: str, value: Tensor) -> str | None:
        """How far what is read is from what was written, where that is more than rounding."""
        found, scale = self.read(owner, local).to("cpu").double(), value.abs().max().item() or 1.0
        gap = (found - value.double()).abs().max().item()
        if gap <= 64 * torch.finfo(value.dtype).eps * scale:
            return None
        return f"reads back with a difference of {gap:.3g}: what {self.kind} allows is not what the recipe asks for"


class ParametrizedDoor(CloseDoor):
    """A parametrized weight: assigned whole, which goes through `right_inverse`."""

    def stored(self, owner: nn.Module, local: str) -> list[Tensor]:
        """Every original that the parametrization computes the value from."""
        return list(_parametrization(owner, local).parameters(recurse=False))

    def everything(self, owner: nn.Module, local: str) -> list[Tensor]:
        """The originals, and buffers such as the base of an orthogonal map."""
        return [*self.stored(owner, local), *_parametrization(owner, local).buffers()]

    def shape(self, owner: nn.Module, local: str) -> tuple[int, ...]:
        """The shape of what the parametrization gives."""
        return tuple(self.read(owner, local).shape)

    def read(self, owner: nn.Module, local: str) -> Tensor:
        """What `forward` would read, computed without touching buffers such as those of spectral norm."""
        with torch.no_grad(), _in_eval(_parametrization(owner, local)):
            value: Tensor = getattr(owner, local)
            return value.detach()

    def write(self, owner: nn.Module, local: str, value: Tensor) -> None:
        """Assign through `right_inverse`."""
        like = self.stored(owner, local)[0]
        setattr(owner, local, value.to(device=like.device, dtype=like.dtype))


class WeightNormDoor(CloseDoor):
    """A weight under the older `torch.nn.utils.weight_norm`: written as direction and norm."""

    def _hook(self, owner: nn.Module, local: str) -> WeightNorm:
        return next(hook for hook in owner._forward_pre_hooks.values() if isinstance(hook, WeightNorm) and hook.name == local)

    def stored(self, owner: nn.Module, local: str) -> list[Tensor]:
        """Direction first, norm second."""
        return [owner._parameters[f"{local}_v"], owner._parameters[f"{local}_g"]]  # type: ignore[list-item]

    def read(self, owner: nn.Module, local: str) -> Tensor:
        """The weight that the next forward will compute."""
        with torch.no_grad():
            value: Tensor = self._hook(owner, local).compute_weight(owner)
            return value.detach()

    def write(self, owner: nn.Module, local: str, value: Tensor) -> None:
        """Set the direction to the value and the norm to its norm."""
        direction, norm = self.stored(owner, local)
        put(direction, value)
        put(norm, torch.norm_except_dim(direction, 2, self._hook(owner, local).dim))
        stale = getattr(owner, local)
        if isinstance(stale, Tensor) and stale.shape == direction.shape:
            setattr(owner, local, self._hook(owner, local).compute_weight(owner))


class PrunedDoor(CloseDoor):
    """A pruned weight: the value goes to `_orig`; what the mask cuts stays cut."""

    def stored(self, owner: nn.Module, local: str) -> list[Tensor]:
        """The tensor before the mask."""
        return [owner._parameters[f"{local}_orig"]]  # type: ignore[list-item]

    def read(self, owner: nn.Module, local: str) -> Tensor:
        """The value that the next forward will compute."""
        mask: Tensor = getattr(owner, f"{local}_mask")
        return self.stored(owner, local)[0].detach() * mask


class RawDoor(CloseDoor):
    """A weight that a weight-drop keeps as `_raw` and computes anew in every forward."""

    def stored(self, owner: nn.Module, local: str) -> list[Tensor]:
        """The tensor before the drop."""
        return [owner._parameters[f"{local}_raw"]]  # type: ignore[list-item]


class SpectralDoor(CloseDoor):
    """A weight under the older `torch.nn.utils.spectral_norm`: stored as `_orig`, read divided by its norm."""

    def stored(self, owner: nn.Module, local: str) -> list[Tensor]:
        """The tensor before the division."""
        return [owner._parameters[f"{local}_orig"]]  # type: ignore[list-item]

    def read(self, owner: nn.Module, local: str) -> Tensor:
        """The weight of the next forward in eval mode; the estimates of the norm stay as they are."""
        with torch.no_grad():
            value: Tensor = _spectral(owner, local).compute_weight(owner, do_power_iteration=False)  # type: ignore[union-attr]
            return value.detach()


def _spectral(owner: nn.Module, local: str) -> SpectralNorm | None:
    hooks = owner._forward_pre_hooks.values()
    return next((hook for hook in hooks if isinstance(hook, SpectralNorm) and hook.name == local), None)


def _dropped(module: nn.Module, name: str) -> bool:
    """True for `weight_raw` where `weight` is still read, but is no parameter any more."""
    if not name.endswith("_raw"):
        return False
    logical = name.removesuffix("_raw")
    known = logical in getattr(module, "_flat_weights_names", ()) or hasattr(module, logical)
    return logical not in module._parameters and known


def _parametrization(owner: nn.Module, local: str) -> nn.Module:
    parametrizations: Any = owner.parametrizations
    found: nn.Module = parametrizations[local]
    return found


@contextmanager
def _in_eval(module: nn.Module) -> Iterator[None]:
    modes = [(child, child.training) for child in module.modules()]
    try:
        for child, _ in modes:
            child.training = False
        yield
    finally:
        for child, training in modes:
            child.training = training


def hidden_names(module: nn.Module) -> dict[str, str]:
    """Stored local name -> logical local name, for parameters that `forward` does not read as they are stored."""
    names: dict[str, str] = {}
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, WeightNorm):
            names |= {f"{hook.name}_g": hook.name, f"{hook.name}_v": hook.name}
    for name in module._parameters:
        if name.endswith("_orig") and (f"{name[:-5]}_mask" in module._buffers or _spectral(module, name[:-5])):
            names[name] = name[:-5]
        if _dropped(module, name):
            names[name] = name[:-4]
    if "parametrizations" in module._modules and parametrize.is_parametrized(module):
        parametrizations: Any = module.parametrizations
        names |= {f"parametrizations.{name}": name for name in parametrizations}
    return names


def door_of(module: nn.Module, local: str) -> Door:
    """The door of one logical parameter."""
    found = module._parameters.get(local)
    if found is not None:
        return SHARDED if is_sharded(found) else PARTITIONED if _partitioned(found) else PLAIN
    if parametrize.is_parametrized(module, local):
        return ParametrizedDoor("parametrized")
    if any(isinstance(hook, WeightNorm) and hook.name == local for hook in module._forward_pre_hooks.values()):
        return WeightNormDoor("weight_norm")
    if f"{local}_orig" in module._parameters and f"{local}_mask" in module._buffers:
        return PrunedDoor("pruned")
    if _spectral(module, local):
        return SpectralDoor("spectral_norm")
    if local not in module._parameters and _dropped(module, f"{local}_raw") and f"{local}_raw" in module._parameters:
        return RawDoor("weight_drop")
    return PLAIN


def _partitioned(parameter: Tensor) -> bool:
    """True for the empty placeholder that DeepSpeed ZeRO-3 leaves outside of `GatheredParameters`."""
    return hasattr(parameter, "ds_id") and parameter.numel() == 0
