"""The recipe that takes values from a file: safetensors, or a checkpoint of torch that holds tensors alone. Wakes no torch."""

from __future__ import annotations

import re
import string
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, field_validator, model_validator

from rnninit_hooks.recipes.base import Block, Breach, Draw, Recipe
from rnninit_hooks.recipes.checkpoints import SAFETENSORS, TORCH, Unusable, numbers, tensor
from rnninit_hooks.recipes.laws import demand, unfit
from rnninit_hooks.recipes.registry import recipe
from rnninit_hooks.recipes.targets import matches, roundings

if TYPE_CHECKING:
    from torch import Tensor
    from typing_extensions import Self

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_WORDS = ("name", "parent", "leaf")


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else (value,) if isinstance(value, str) else value


@recipe("pretrained")
class Pretrained(Recipe):
    """Values from a file on this machine: whole parameters, as they are stored there, rounded to the parameter's dtype.

    `path` ends in .safetensors, or in .pt, .pth, .bin or .ckpt for a checkpoint of torch, which is read with
    `weights_only=True`: code is never unpickled, nothing is fetched. In a rule file a relative path starts at the file's
    folder, in Python at the working folder. `key` names the tensor; in it `{name}` is the parameter's qualified name,
    `{parent}` the module's and `{leaf}` the last part, after the prefix `strip` is taken away. `inside` names the
    mappings to go through first, such as `state_dict`.

    A gate's block is not looked for in a file: say `whole: true` for fused parameters, and `literal: true` as well for
    their biases. A missing file or key, another shape, other numbers than real ones, nan: each is a finding of the plan
    (RNN105), before anything is written.

    >>> import tempfile, torch, rnninit_hooks as ri
    >>> file = tempfile.mkdtemp() + "/old.pt"
    >>> torch.save({"state_dict": {"net.fc.weight": torch.eye(2)}}, file)
    >>> init = Pretrained(path=file, key="net.{name}", inside="state_dict")
    >>> model = torch.nn.ModuleDict({"fc": torch.nn.Linear(2, 2)})
    >>> rule = ri.Rule(id="old", match=ri.Match(parameter="weight"), init=init)
    >>> _ = ri.apply(model, ri.Policy(rules=[rule]))
    >>> model.fc.weight.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    formula: ClassVar[str] = "W = the tensor of that key in the file"
    source: ClassVar[str] = "safetensors, or torch.load(weights_only=True)"
    constant: ClassVar[bool] = True

    path: str = Field(min_length=1, description="A .safetensors, .pt, .pth, .bin or .ckpt file; never a URL.")
    key: str = Field(default="{name}", min_length=1, description="The tensor's name, with {name}, {parent}, {leaf}.")
    strip: str = Field(default="", description="Prefix taken from the parameter's name before `key` uses it.")
    inside: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = Field(
        default=(), description="Mappings to go through first, in a checkpoint of torch."
    )

    @field_validator("path")
    @classmethod
    def _names_a_file(cls, value: str) -> str:
        if _URL.match(value):
            raise ValueError(f"path {value!r} is a URL, and values are never fetched from a network; download the file first")
        if Path(value).suffix not in (*SAFETENSORS, *TORCH):
            raise ValueError(f"path {value!r} does not end in one of {', '.join((*SAFETENSORS, *TORCH))}")
        return value

    @field_validator("key")
    @classmethod
    def _is_a_template(cls, value: str) -> str:
        for _, word, form, conversion in string.Formatter().parse(value):
            if word is not None and (word not in _WORDS or form or conversion):
                raise ValueError(f"key {value!r} may hold {{name}}, {{parent}} and {{leaf}}, found {{{word}}}")
        return value

    @model_validator(mode="after")
    def _fits_the_format(self) -> Self:
        if self.inside and Path(self.path).suffix in SAFETENSORS:
            raise ValueError(f"inside {'.'.join(self.inside)!r} says nothing for safetensors, whose tensors are in no mapping")
        return self

    def located(self, folder: Path) -> Recipe:
        """With an absolute path, taken from this folder; one that starts at a home stays."""
        if self.path.startswith("~"):
            return self
        return self.model_copy(update={"path": str((folder / self.path).absolute())})

    def refuse(self, block: Block) -> str | None:
        """A gate's block, and whatever the file does not give."""
        if block.gate is not None:
            return "a file holds whole parameters, and this is one gate's block; say `whole: true`, for a bias `literal: true`"
        try:
            self._value(block)
        except Unusable as error:
            return f"the values cannot be taken: {error}"
        return None

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """The file's values."""
        demand(self, block)
        return self._value(block)

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """Every element is the file's up to rounding; an embedding may come without its padding row."""
        if breaches := unfit(block, value):
            return breaches
        target = self._stored(block)
        if len(block.shape) == 2 and tuple(target.shape) == (block.shape[0] + 1, block.shape[1]):
            target = _without_odd_row(block, value, target)
        if target.shape != value.shape:
            return (Breach("shape", str(block.shape), f"{tuple(target.shape)} in the file"),)
        return matches(block, value, target)

    def _value(self, block: Block) -> Tensor:
        value = self._stored(block)
        if tuple(value.shape) != block.shape:
            raise Unusable(f"{self._key(block)!r} has shape {tuple(value.shape)} there, and {block.shape} here")
        return value

    def _stored(self, block: Block) -> Tensor:
        """What the file holds, in the block's orientation, whatever its shape."""
        key = self._key(block)
        value = numbers(tensor(self.path, key, self.inside), key)
        return value.mT.contiguous() if block.transposed and value.dim() == 2 else value

    def _key(self, block: Block) -> str:
        name = block.address.removesuffix("[]")
        if not name.startswith(self.strip):
            raise Unusable(f"the name {name!r} does not begin with {self.strip!r}, which `strip` takes away")
        name = name[len(self.strip) :]
        parent, _, leaf = name.rpartition(".")
        return self.key.format_map({"name": name, "parent": parent, "leaf": leaf})


def _without_odd_row(block: Block, value: Tensor, target: Tensor) -> Tensor:
    """The target without the row that the value lacks: the first that differs, or the last."""
    import torch

    differ = ((value - target[:-1]).abs() > roundings(block, target[:-1])).flatten(1).any(1).nonzero()
    row = int(differ[0]) if len(differ) else len(value)
    return torch.cat([target[:row], target[row + 1 :]])
