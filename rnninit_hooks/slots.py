"""Slots: the block of a parameter that one gate owns, or the bias that one gate feels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor, nn

from rnninit_hooks.address import Address
from rnninit_hooks.anatomy import Member, Organ, join
from rnninit_hooks.layouts.model import Layout
from rnninit_hooks.memo import lazily
from rnninit_hooks.recipes.base import Block

Region = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, eq=False)
class Piece:
    """The part of one parameter that belongs to a slot: (start, stop, step) along every axis.

    `dropped` axes hold one index only and are left out of the piece's shape; `whole` is the region that all gates of the
    parameter share, from the same source.
    """

    member: Member
    region: Region
    partner: str | None = None
    sign: int = 1
    dropped: tuple[int, ...] = ()
    whole: Region | None = None

    @property
    def stack(self) -> Piece:
        """The piece that this one is one gate of."""
        return replace(self, region=self.whole or self.region)

    @property
    def name(self) -> str:
        """The qualified name of what is left of the parameter when the dropped axes are gone, such as `cell.bias:1`."""
        several = any((self.member.shape or ())[axis] > 1 for axis in self.dropped)
        return self.member.name + "".join(f":{self.region[axis][0]}" for axis in self.dropped if several)

    @lazily
    def shape(self) -> tuple[int, ...]:
        """The piece's shape as stored."""
        return tuple(len(range(*bounds)) for axis, bounds in enumerate(self.region) if axis not in self.dropped)

    def view(self, whole: Tensor) -> Tensor:
        """The piece of a tensor that has the parameter's shape; a view, so that it can be written."""
        return whole[tuple(b[0] if axis in self.dropped else slice(*b) for axis, b in enumerate(self.region))]


@dataclass(frozen=True, eq=False)
class Slot:
    """One block that rules decide about.

    `name` is the qualified name without the gate: of the parameter, or of the sum where several biases add up
    (`rnn.bias_l0`). `pieces` has one entry per partner. `constant` is what `forward` adds to the gate, `polarity` +1
    where an open gate keeps the old state, -1 where it overwrites it, 0 elsewhere. `stack` is the piece that all gates
    of the parameter share, from the same source. `joint_in` counts the columns of all that feeds the gate.
    """

    name: str
    gate: str | None
    pieces: tuple[Piece, ...]
    organ: Organ
    layout: Layout | None = None
    kind: str | None = None
    layer: int | None = None
    direction: str | None = None
    transposed: bool = False
    constant: float = 0.0
    polarity: int = 0
    stack: Piece | None = None
    joint_in: int | None = None

    @lazily
    def address(self) -> str:
        """The slot's name, the same string everywhere."""
        return self.name if self.gate is None and _simple(self.name) else str(Address(self.name, self.gate))

    @property
    def member(self) -> Member:
        """The parameter of the first piece."""
        return self.pieces[0].member

    @lazily
    def names(self) -> tuple[str, ...]:
        """Every name that a rule's regex is searched in: those of the parameters, then that of their sum."""
        if len(self.pieces) == 1 and self.pieces[0].member.name == self.name:
            return (self.name,)
        return tuple(dict.fromkeys([*(piece.member.name for piece in self.pieces), self.name]))

    @property
    def shape(self) -> tuple[int, ...]:
        """The slot's shape as stored."""
        return self.pieces[0].shape

    @property
    def block_shape(self) -> tuple[int, ...]:
        """The slot's shape in `W @ x` orientation."""
        return self.shape[::-1] if self.transposed else self.shape

    @lazily
    def key(self) -> tuple[tuple[tuple[int, ...], Region], ...]:
        """What tells two names of one block from two blocks."""
        return tuple((piece.member.key, piece.region) for piece in self.pieces)

    @property
    def hidden_size(self) -> int | None:
        """How many units a gate of the recurrent module has."""
        if self.layout is None or not self.layout.recurrent or self.layout.size is None:
            return None
        return int(getattr(self.organ.module, self.layout.size))

    @property
    def group(self) -> str | None:
        """One text for the slots of one kind in one layer and direction of a recurrent module, and no slot's address."""
        if self.layout is None or not self.layout.recurrent or self.kind is None:
            return None
        layer = "" if self.layer is None else f"_l{self.layer}"
        local = self.kind + layer + ("_reverse" if self.direction == "reverse" else "")
        return f"{join(self.organ.path, local)}[*]"

    @property
    def padding(self) -> int | None:
        """The row of an embedding that stays as it is."""
        module = self.organ.module
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and self.member.local == "weight":
            return module.padding_idx
        return None

    @lazily
    def block(self) -> Block:
        """What a recipe sees."""
        shape = self.block_shape
        fan_in, fan_out = fans(shape)
        peers = self.layout.gates if self.group and self.layout else ()
        return Block(
            self.address, shape, fan_in, fan_out, self.kind, self.gate, self.layer, self.direction,
            self.hidden_size, epsilon(self.member.dtype), self.polarity, self.group, peers, self.transposed,
            self.joint_in,
        )  # fmt: skip

    def single(self, piece: Piece) -> Slot:
        """One partner as a slot of its own, as its parameter stores it: neither sign nor what `forward` adds."""
        name = self.name if len(self.pieces) == 1 else piece.name
        return replace(self, name=name, pieces=(replace(piece, sign=1),), constant=0.0, stack=piece.stack)

    def value(self) -> Tensor:
        """What the slot effectively holds now, float64 on the CPU, in `W @ x` orientation."""
        parts = [piece.sign * to_double(piece.view(piece.member.read())) for piece in self.pieces]
        total = torch.stack(parts).sum(0) + self.constant
        return total.mT if self.transposed else total


def _simple(name: str) -> bool:
    return bool(name) and name[0] != "." and name[-1] not in ".]"


def to_double(tensor: Tensor) -> Tensor:
    """A float64 copy on the CPU."""
    return tensor.detach().to(device="cpu", dtype=torch.float64)


def epsilon(dtype: torch.dtype) -> float:
    """Machine epsilon; 0 for types that are no floating point."""
    return float(torch.finfo(dtype).eps) if dtype.is_floating_point else 0.0


def fans(shape: tuple[int, ...]) -> tuple[int, int] | tuple[None, None]:
    """Fan-in and fan-out of a block (out, in, *kernel); None for vectors."""
    if len(shape) < 2:
        return None, None
    kernel = prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel
