"""A copy of a module to experiment on: float64, on the CPU, in eval mode, with none of our hooks."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from rnninit_hooks.marks import GUEST, PENDING

NORMS = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
HOOKS = ("_forward_pre_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks")


@contextmanager
def quiet() -> Iterator[None]:
    """Leave the random streams and the caller's modes as they are."""
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(torch.device("cpu"))
        stack.enter_context(torch.autocast("cpu", enabled=False))
        yield


def copied(module: nn.Module) -> nn.Module:
    """A private copy of a module whose parameters can be overwritten; raises whatever `copy.deepcopy` raises."""
    memo: dict[int, Any] = {}
    for part in module.modules():
        for name, value in part.__dict__.items():
            if name in (PENDING, GUEST):
                memo[id(value)] = None
            elif isinstance(value, Tensor) and not value.is_leaf:  # a state kept between calls, which torch cannot copy
                memo[id(value)] = value.detach().clone()
    twin = copy.deepcopy(module, memo)
    for part in twin.modules():
        _unhook(part)
    twin = twin.to(device="cpu", dtype=torch.float64).eval()
    _widen_keras(twin)
    for parameter in twin.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    _flatten_batch_norms(twin)
    return twin


def _widen_keras(twin: Any) -> None:
    """Layers of Keras cast whatever they are given, and their variables remember a dtype of their own."""
    if hasattr(twin, "dtype_policy"):
        twin.dtype_policy = "float64"
        for variable in getattr(twin, "variables", ()):
            if str(getattr(variable, "_dtype", "")).startswith("float"):
                variable._dtype = "float64"


def _flatten_batch_norms(twin: nn.Module) -> None:
    """In eval mode a batch norm is a scale and a shift: let the scale be 1, so that the shift is a bias like others."""
    for part in twin.modules():
        if isinstance(part, _BatchNorm) and part.running_var is not None and part.running_mean is not None:
            part.running_mean.zero_()
            part.running_var.fill_(1 - part.eps)
            if part.weight is not None:
                part.weight.requires_grad_(False).data.fill_(1.0)


def free(module: nn.Module) -> list[nn.Parameter]:
    """The parameters that an experiment may set: floating point, and no scale of a batch norm."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def _unhook(part: nn.Module) -> None:
    for registry in HOOKS:
        found = getattr(part, registry)
        for key in [key for key, hook in found.items() if _is_ours(hook)]:
            del found[key]


def _is_ours(hook: Any) -> bool:
    function = getattr(hook, "hook", hook)
    return str(getattr(function, "__module__", "")).startswith("rnninit_hooks.")


def gains(module: nn.Module) -> list[Tensor]:
    """What norms scale with: 1 lets through what goes in, and nothing where nothing does."""
    return [part.weight for part in module.modules() if isinstance(part, NORMS) and isinstance(part.weight, Tensor)]


class Noise:
    """Generic numbers that touch no global random stream."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator("cpu").manual_seed(seed)

    def like(self, tensor: Tensor, scale: float = 1.0) -> Tensor:
        """Normal numbers, float64; none of them is close to 0, so that one can divide by them."""
        return self.of(*tensor.shape, scale=scale)

    def of(self, *shape: int, scale: float = 1.0) -> Tensor:
        """The same, of a shape; every number is one of float32, which some modules round their input to."""
        drawn = torch.randn(shape, generator=self._generator, dtype=torch.float64)
        return (scale * (drawn + 0.2 * torch.where(drawn < 0, -1.0, 1.0))).float().double()
