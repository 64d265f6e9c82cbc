"""RWKV's decay curves: fast and slow channels, slower ones in deeper layers. Wakes no torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from rnninit_hooks.recipes.base import Block
from rnninit_hooks.recipes.registry import recipe
from rnninit_hooks.recipes.targets import ClosedForm

if TYPE_CHECKING:
    from torch import Tensor
    from typing_extensions import Self


@recipe("rwkv_decay")
class RwkvDecay(ClosedForm):
    """The decay parameter of RWKV's time mixing, `time_decay` (v4, v5, v6) or `w0` (v7); a step keeps exp(-exp(W)) and like.

    Channel h of n, in row-major order whatever the shape, and r = layer / (layers - 1). Which layer it is stands in the
    parameter's name when that holds one whole number only (`blocks.3.att.time_decay`); otherwise say `layer`. v7 adds .5
    and a zigzag within each head of `head_size` channels, and clamps what it decays by in forward.

    >>> from rnninit_hooks.recipes.draws import Keyed
    >>> name = "blocks.0.att.time_decay"
    >>> RwkvDecay(version="v6", layers=2).fill(Block(name, (1, 1, 3)), Keyed(0, name))
    tensor([[[-6.0000, -2.9221, -1.0000]]], dtype=torch.float64)
    """

    formula: ClassVar[str] = "v4 -5 + 8x^(.7+1.3r); v5, v6 -6 + 5x^(.7+1.3r); v7 -5.5 + 6x^(1+r^.3) + 2.5 z|z|; x = h / (n - 1)"
    source: ClassVar[str] = "Peng et al. 2023, arXiv:2305.13048; BlinkDL/RWKV-LM src/model.py of v4, v5 (v5, v6) and v7"

    version: Literal["v4", "v5", "v6", "v7"]
    layers: int = Field(ge=2, description="How many layers the model has.")
    layer: int | None = Field(default=None, ge=0, description="Which layer this is, from 0; else the number in the name.")
    head_size: int | None = Field(default=None, ge=2, description="Channels of a head; v7 alone has and needs it.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.layer is not None and self.layer >= self.layers:
            raise ValueError(f"layer counts from 0 and stays below layers, found layer {self.layer} of {self.layers}")
        if (self.version == "v7") is not (self.head_size is not None):
            raise ValueError(f"head_size belongs to v7 alone and is needed there, found {self.head_size} with {self.version}")
        return self

    def refuse(self, block: Block) -> str | None:
        """At least two channels, whole heads, and a layer that is known."""
        count = math.prod(block.shape)
        if count < 2:
            return f"rwkv_decay is a curve over two channels or more, and this block of shape {block.shape} has {count}"
        if self.head_size and count % self.head_size:
            return f"rwkv_decay has heads of {self.head_size}, and this block of shape {block.shape} has {count} channels"
        layer = self._layer(block)
        if layer is None:
            return f"rwkv_decay finds no single layer number in the name {block.address!r}; say `layer`"
        return None if layer < self.layers else f"rwkv_decay of {self.layers} layers meets layer {layer} in {block.address!r}"

    def target(self, block: Block, ones: Tensor) -> Tensor:
        """The curve of this version and layer."""
        h = ones.flatten().cumsum(0) - 1.0
        x, depth = h / (h.numel() - 1), (self._layer(block) or 0) / (self.layers - 1)
        return self._curve(h, x, depth).reshape(block.shape)

    def _curve(self, h: Tensor, x: Tensor, depth: float) -> Tensor:
        if self.version == "v7":
            half = ((self.head_size or 2) - 1) / 2.0
            zigzag = (h % (self.head_size or 2) - half) / half
            return x.pow(1.0 + depth**0.3) * 6.0 - 5.5 + zigzag * zigzag.abs() * 2.5
        low, rise = (-5.0, 8.0) if self.version == "v4" else (-6.0, 5.0)
        return x.pow(0.7 + 1.3 * depth) * rise + low

    def _layer(self, block: Block) -> int | None:
        if self.layer is not None:
            return self.layer
        numbers = [part for part in block.address.split(".") if part.isdecimal()]
        return int(numbers[0]) if len(numbers) == 1 else None
