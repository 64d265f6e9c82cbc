"""What a recipe is: fields, `fill` and `law` side by side, and what it sees of a slot. Importing it wakes no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor


@dataclass(frozen=True)
class Block:
    """What a recipe sees of the slot that it fills: never the parameter, always one gate's own block.

    `shape` is in `W @ x` orientation, (out, in) for a matrix and (out, in, *kernel) for a convolution, whatever the
    storage. Fans count connections of this block alone; they are None where there is no matrix. `hidden_size` is None
    outside recurrent modules. `eps` is the machine epsilon of the dtype that the value is stored in.
    `polarity` is +1 where the gate keeps the old state when open, -1 where it overwrites it, 0 elsewhere.
    `group` is the same text for every slot of one kind in one layer and direction of one recurrent module, None
    elsewhere: what several slots draw together is keyed by it. `peers` are the gates of that module. `transposed` says
    that the parameter stores the transpose of this block. `joint_in` counts the columns of a gate's input and recurrent
    matrices side by side, None where the block is neither.
    """

    address: str
    shape: tuple[int, ...]
    fan_in: int | None = None
    fan_out: int | None = None
    kind: str | None = None
    gate: str | None = None
    layer: int | None = None
    direction: str | None = None
    hidden_size: int | None = None
    eps: float = 2.0**-23
    polarity: int = 0
    group: str | None = None
    peers: tuple[str, ...] = ()
    transposed: bool = False
    joint_in: int | None = None


@dataclass(frozen=True)
class Breach:
    """A law that a value does not obey: what was measured, what was found, what was expected."""

    law: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.law}: found {self.found}, expected {self.expected}"


class Trial(Protocol):
    """The module that a slot belongs to and its first batch: what the module would do with a value in the slot.

    Values are `Block.shape`; what comes back is float64 on the batch's device. Nothing is written; see `trials/`.
    """

    def response(self, value: Tensor) -> Tensor:
        """W x of a gate's input block, or all that a plain layer gives."""

    def states(self, value: Tensor) -> Tensor:
        """The hidden states of the slot's layer and direction at every step of every sequence."""

    def echo(self, value: Tensor, steps: int, draw: Draw) -> float:
        """Size of the gradient of a drawn direction of the hidden state with respect to the state `steps` steps before."""


@dataclass(frozen=True)
class Settled:
    """What a batch made of a start: the value to write, and what was measured on the way."""

    value: Tensor
    figures: Mapping[str, float]


class Draw(Protocol):
    """Random and constant CPU tensors for one slot, float64 unless told, keyed by (policy seed, address); see `draws.py`."""

    def uniform(self, *shape: int) -> Tensor:
        """Uniform on the open interval (0, 1)."""

    def normal(self, *shape: int) -> Tensor:
        """Standard normal."""

    def between(self, low: float, high: float, *shape: int) -> Tensor:
        """Uniform from low to high, in float32 where the parameter is no wider."""

    def around(self, mean: float, std: float, *shape: int) -> Tensor:
        """Normal with this mean and standard deviation, in float32 where the parameter is no wider."""

    def haar(self, rows: int, columns: int) -> Tensor:
        """A Haar-distributed matrix with orthonormal rows or columns, whichever are fewer; float32 as above."""

    def full(self, *shape: int, value: float) -> Tensor:
        """A constant."""

    def eye(self, size: int) -> Tensor:
        """The identity."""

    def of(self, address: str) -> Draw:
        """The draws of another address under the same seed: of a `Block.group`, they are the same for all its slots."""


class Recipe(BaseModel):
    """One kind of initialisation: fields from the rule file, `fill` that draws it, `law` that recognises it.

    Subclasses are registered with `@recipe("kind")`, which sets `kind`. `formula` and `source` are one line each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    kind: ClassVar[str] = ""
    formula: ClassVar[str] = ""
    source: ClassVar[str] = ""
    constant: ClassVar[bool] = False
    """True when the value does not depend on the draw, so that `law` is an equality."""
    asks: ClassVar[Literal["response", "states", "echo"] | None] = None
    """What of a `Trial` the value is measured by: `fill` gives the start, `settle` ends it on the first batch."""
    divisible: ClassVar[bool] = True
    """False when no row can be left out, as the padding row of an embedding is."""
    joint: ClassVar[bool] = False
    """True when the slots of one layer and direction belong together: `refuse_together` and `law_together` are asked."""

    def located(self, folder: Path) -> Recipe:
        """The recipe with the paths that it names taken from the folder of the rule file that it stands in."""
        return self

    def claims(self, block: Block) -> bool:
        """Whether this recipe writes this slot where its rule matches; one that it does not claim is left to other rules."""
        return True

    def refuse_together(self, blocks: tuple[Block, ...]) -> str | None:
        """Why the blocks of one layer and direction, all that a rule decides there, cannot be filled together, or None."""
        return None

    def law_together(self, blocks: tuple[Block, ...], values: tuple[Tensor, ...]) -> tuple[Breach, ...]:
        """What the values of one layer and direction break as a whole; each alone has been judged by `law`."""
        return ()

    def refuse(self, block: Block) -> str | None:
        """Why this recipe cannot hold on a block of this shape, or None."""
        return None

    def fill(self, block: Block, draw: Draw) -> Tensor:
        """A new float64 or float32 CPU tensor of `block.shape`."""
        raise NotImplementedError

    def settle(self, block: Block, start: Tensor, trial: Trial, draw: Draw) -> Settled:
        """The value that a batch asks for; raises `PendingInit` when this batch cannot tell. Asked where `asks` is set."""
        raise NotImplementedError

    def fill_many(self, blocks: Sequence[Block], draws: Sequence[Draw]) -> list[Tensor]:
        """What `fill` gives for each block, bit for bit; for recipes that take less time together."""
        return [self.fill(block, draw) for block, draw in zip(blocks, draws, strict=True)]

    def law(self, block: Block, value: Tensor) -> tuple[Breach, ...]:
        """What `value` (float64, CPU, `block.shape`) breaks; empty when it obeys. Allows for rounding to `block.eps`."""
        raise NotImplementedError

    def __str__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in type(self).model_fields)
        return f"{self.kind}({fields})"

    @model_serializer(mode="wrap")
    def _with_kind(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"kind": self.kind, **handler(self)}
