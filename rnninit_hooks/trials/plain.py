"""Trials of plain layers: the layer's own forward, run on a private twin that holds the candidate."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from rnninit_hooks.errors import PendingInit
from rnninit_hooks.recipes.base import Draw
from rnninit_hooks.trials.given import Given, widened

Hold = Callable[[Tensor | None], dict[str, Tensor]]


class PlainTrial:
    """A layer with one weight; only its whole output can be asked for."""

    def __init__(self, module: nn.Module, hold: Hold, given: Given) -> None:
        self._module, self._hold, self._given = module, hold, given

    def response(self, value: Tensor) -> Tensor:
        """Everything that the layer gives; should it draw, then the numbers that its own forward is going to draw."""
        device = self._given.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            found: Any = twin(self._module, self._hold(value)).forward(*self._given.args, **self._given.kwargs)
        if not isinstance(found, Tensor):
            raise PendingInit(f"{type(self._module).__name__} gives {type(found).__name__} and no tensor to be measured")
        return found

    def states(self, value: Tensor) -> Tensor:
        """A plain layer has none; a plan refuses such a rule."""
        raise NotImplementedError

    def echo(self, value: Tensor, steps: int, draw: Draw) -> float:
        """A plain layer has none; a plan refuses such a rule."""
        raise NotImplementedError


def twin(module: nn.Module, held: Mapping[str, Tensor]) -> nn.Module:
    """A module of the same class and settings that holds other values, for its `forward` alone.

    Not built by its constructor, so that no random number is drawn and no registration hook sees it. Buffers are copies;
    parametrizations are left out, since `held` has what they give, and so are hooks, since a forward may call itself.
    """
    cls: type[nn.Module] = parametrize.type_before_parametrizations(module)
    copy = cls.__new__(cls)
    absent = {name: None for name, value in module._parameters.items() if value is None}
    facts = {name: value for name, value in module.__dict__.items() if name not in held and not name.startswith("_rnninit")}
    copy.__dict__ |= {name: OrderedDict() if "_hooks" in name else value for name, value in facts.items()}
    copy.__dict__ |= {
        "_parameters": {**absent, **held},
        "_buffers": {name: widened(value) for name, value in module._buffers.items()},
        "_modules": {name: child for name, child in module._modules.items() if name != "parametrizations"},
    }
    return copy
