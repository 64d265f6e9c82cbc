"""The door to a sharded parameter (DTensor: FSDP2, tensor parallel): drawn whole on every rank, written shard by shard.

A slice of a DTensor is a new tensor, so that writing a gate into it is lost without a word (pytorch/pytorch#139735). Here
the whole value is drawn on the CPU from (seed, address), which is the same on every rank, and each rank copies the part
that it holds. Writing and reading back talk to no other rank; reading the whole value does (`full_tensor`).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from rnninit_hooks.doors import Door, put


def is_sharded(tensor: Tensor | None) -> bool:
    """True for a DTensor, told without importing torch.distributed."""
    return tensor is not None and hasattr(tensor, "placements") and hasattr(tensor, "device_mesh")


class ShardedDoor(Door):
    """A DTensor parameter; shapes and fans are those of the whole."""

    def everything(self, owner: nn.Module, local: str) -> list[Tensor]:
        """The shard that lies here."""
        return [_shard(self.stored(owner, local)[0])]

    def read(self, owner: nn.Module, local: str) -> Tensor:
        """The whole value; every rank of the mesh must ask for it."""
        parameter: Any = self.stored(owner, local)[0]
        whole: Tensor = parameter.detach().full_tensor()
        return whole

    def write(self, owner: nn.Module, local: str, value: Tensor) -> None:
        """Copy the part of a whole value that this rank holds."""
        parameter = self.stored(owner, local)[0]
        put(_shard(parameter), _part(parameter, value))

    def difference(self, owner: nn.Module, local: str, value: Tensor) -> str | None:
        """Why the shard that lies here is not the part of the value that belongs here, or None."""
        parameter = self.stored(owner, local)[0]
        same = _shard(parameter).detach().cpu().equal(_part(parameter, value).cpu())
        return None if same else "holds something else than what was written to its shard"


def _shard(parameter: Tensor) -> Tensor:
    sharded: Any = parameter
    local: Tensor = sharded.to_local()
    return local.wait() if hasattr(local, "wait") else local


def _part(parameter: Tensor, value: Tensor) -> Tensor:
    """What this rank holds of a whole value, by the mesh alone: no rank sends anything."""
    from torch.distributed.tensor import distribute_tensor  # a model without shards need not wake it

    sharded: Any = parameter
    mesh = sharded.device_mesh
    whole = value.to(device=mesh.device_type, dtype=parameter.dtype)
    return distribute_tensor(whole, mesh, sharded.placements, src_data_rank=None).to_local()
