"""What a module was called with, widened to float64; and what a recurrent one was called with, as padded sequences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from rnninit_hooks.errors import PendingInit


@dataclass(frozen=True, eq=False)
class Given:
    """The arguments of one call, private copies; floating point numbers are as wide as the device can."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    device: torch.device

    @classmethod
    def of(cls, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Given:
        """Copy what a hook was handed; raises `PendingInit` when there is no tensor in it."""
        device = next(_devices([*args, *kwargs.values()]), None)
        if device is None:
            raise PendingInit("the module was called without any tensor, so there is nothing to measure")
        return cls(tuple(map(widened, args)), {name: widened(value) for name, value in kwargs.items()}, device)

    def argument(self, index: int, name: str) -> Any:
        """One argument, however it was passed; None when it was not."""
        return self.args[index] if len(self.args) > index else self.kwargs.get(name)


def _devices(values: Any) -> Any:
    for value in values:
        if isinstance(value, Tensor):
            yield value.device
        elif isinstance(value, tuple | list):
            yield from _devices(value)
        elif isinstance(value, Mapping):
            yield from _devices(value.values())


def widened(value: Any) -> Any:
    """The same, with private float64 copies of every floating point tensor."""
    if isinstance(value, Tensor):
        return wide(value) if value.is_floating_point() else value.detach().clone()
    if isinstance(value, PackedSequence):
        return value._replace(data=wide(value.data))
    if isinstance(value, Mapping):
        return {name: widened(part) for name, part in value.items()}
    return type(value)(map(widened, value)) if type(value) in (tuple, list) else value


def wide(tensor: Tensor) -> Tensor:
    """A private copy in float64; in float32 on Apple's GPUs, which know no more."""
    widest = torch.float32 if tensor.device.type == "mps" else torch.float64
    return tensor.detach().to(widest, copy=True)


@dataclass(frozen=True, eq=False)
class Sequences:
    """Sequences side by side, (steps, batch, size), each with its length; behind it stands what counts for nothing."""

    steps: Tensor
    lengths: Tensor

    @classmethod
    def of(cls, value: Tensor | PackedSequence, *, batch_first: bool) -> Sequences:
        """What was passed to a layered recurrent module: packed, batched, or one sequence alone."""
        if isinstance(value, PackedSequence):
            steps, lengths = pad_packed_sequence(value)
            return cls(steps, lengths.to(steps.device))
        steps = value.unsqueeze(1) if value.dim() == 2 else value.transpose(0, 1) if batch_first else value
        return cls(steps, torch.full((steps.shape[1],), steps.shape[0], device=steps.device))

    def valid(self, values: Tensor) -> Tensor:
        """Those of (steps, batch, ...) that belong to a sequence, in one row each."""
        return values[self._places() < self.lengths]

    def turned(self, values: Tensor) -> Tensor:
        """(steps, batch, size) with every sequence backwards; what stands behind it stays there."""
        places = self._places()
        source = torch.where(places < self.lengths, self.lengths - 1 - places, places)
        return values.gather(0, source.unsqueeze(-1).expand_as(values))

    def _places(self) -> Tensor:
        steps, batch = self.steps.shape[:2]
        return torch.arange(steps, device=self.steps.device).unsqueeze(1).expand(steps, batch)
