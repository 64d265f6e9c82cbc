"""The plain door to a parameter, and what every door offers: read, write, read back, put back."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn


def put(target: Tensor, value: Tensor) -> None:
    """Copy in place; a tensor born under inference mode may be written only under it."""
    with torch.inference_mode() if target.is_inference() else nullcontext():
        target.copy_(value)


@dataclass(frozen=True)
class Door:
    """A plain parameter: copied in place, so that identity, dtype, device and aliasing stay."""

    kind: str = "plain"

    def stored(self, owner: nn.Module, local: str) -> list[Tensor]:
        """The tensors that really hold the value."""
        found = owner._parameters[local]
        assert found is not None  # logical_names lists no empty parameter
        return [found]

    def everything(self, owner: nn.Module, local: str) -> list[Tensor]:
        """All that a write may change, to be put back when it fails."""
        return self.stored(owner, local)

    def shape(self, owner: nn.Module, local: str) -> tuple[int, ...]:
        """The shape of the logical value."""
        return tuple(self.stored(owner, local)[0].shape)

    def read(self, owner: nn.Module, local: str) -> Tensor:
        """The logical value, detached."""
        return self.stored(owner, local)[0].detach()

    def write(self, owner: nn.Module, local: str, value: Tensor) -> None:
        """Put a whole logical value in."""
        put(self.stored(owner, local)[0], value)

    def difference(self, owner: nn.Module, local: str, value: Tensor) -> str | None:
        """Why what is now held is not what was written, or None: bit for bit."""
        found = self.read(owner, local).to("cpu")
        return None if torch.equal(found, value.to(found.dtype)) else "holds something else than what was written"
