"""A copy of a module to experiment on: float64, on the CPU, in eval mode, with none of our hooks."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from rnninit_hooks.marks import GUEST, PENDING

HOOKS = ("_forward_pre_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks")


@contextmanager
def quiet() -> Iterator[None]:
    """Leave the random streams and the caller's modes as they are."""
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng())
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
    return twin.requires_grad_(True)


def _unhook(part: nn.Module) -> None:
    for registry in HOOKS:
        found = getattr(part, registry)
        for key in [key for key, hook in found.items() if _is_ours(hook)]:
            del found[key]


def _is_ours(hook: Any) -> bool:
    function = getattr(hook, "hook", hook)
    return str(getattr(function, "__module__", "")).startswith("rnninit_hooks.")


class Noise:
    """Generic numbers that touch no global random stream."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator("cpu").manual_seed(seed)

    def like(self, tensor: Tensor, scale: float = 1.0) -> Tensor:
        """Normal numbers, float64; none of them is close to 0, so that one can divide by them."""
        return self.of(*tensor.shape, scale=scale)

    def of(self, *shape: int, scale: float = 1.0) -> Tensor:
        """The same, of a shape."""
        drawn = torch.randn(*shape, generator=self._generator, dtype=torch.float64)
        return scale * (drawn + 0.2 * torch.where(drawn < 0, -1.0, 1.0))
