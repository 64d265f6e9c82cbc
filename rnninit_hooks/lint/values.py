"""What the lint knows of a value in somebody's source: numbers, names, recurrent layers, their tensors and views."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from rnninit_hooks.lint.neighbours import Home

STACKS = frozenset({"LSTM", "GRU", "RNN"})
CELLS = frozenset({"LSTMCell", "GRUCell", "RNNCell"})
RECURRENT = STACKS | CELLS
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1, "LSTMCell": 4, "GRUCell": 3, "RNNCell": 1}
Part = Literal["ih", "hh", "hr", "other"]


@dataclass(frozen=True)
class Opaque:
    """Something unknown, told apart by its source text: an argument, an attribute, the result of a call."""

    text: str = ""


@dataclass(frozen=True)
class Num:
    """A number, folded from constants; `True` and `False` are 1 and 0."""

    value: float


@dataclass(frozen=True)
class Text:
    """A string; `owner` is the layer whose parameter it names, where it came from `named_parameters()`."""

    value: str
    owner: Layer | Tree | None = None


@dataclass(frozen=True)
class Scaled:
    """`factor` times an unknown number; the rows of a parameter have the key `ROWS`."""

    key: str
    factor: Fraction


ROWS, COLUMNS = "#rows", "#columns"
DEEPEST = 5
MOVED = "#moved"  # the text of an Opaque: a new Parameter that holds another layer's


@dataclass(frozen=True)
class Klass:
    """A class of modules, or one of several: `nn.LSTM if lstm else nn.GRU`."""

    kinds: frozenset[str]


@dataclass(frozen=True)
class Layer:
    """A module with parameters of its own. None stands for "the source does not say".

    `sure` is true when its construction or an isinstance test is in sight, false when only names speak for it.
    """

    kinds: frozenset[str]
    key: str = ""
    sure: bool = True
    prefix: str = ""
    layers: int | None = None
    bidirectional: bool | None = None
    bias: bool | None = None
    proj: bool | None = None
    gates: int | None = None
    built: bool = False
    widths: Fraction | None = None
    """The input's width as a share of the hidden state's, of a layer of which both are in sight."""

    @property
    def recurrent(self) -> bool:
        """True for torch's recurrent layers and cells."""
        return bool(self.kinds) and self.kinds <= RECURRENT

    @property
    def stacked(self) -> bool:
        """True when a parameter can hold the blocks of several gates."""
        return any(GATES.get(kind, 0) > 1 for kind in self.kinds)


@dataclass(frozen=True)
class Tree:
    """A module that holds others: `self` of a class in this file; children by attribute name."""

    key: str
    children: tuple[tuple[str, Value], ...] = ()
    closed: bool = False
    """True when the class has no base but nn.Module, so that no parameter comes from elsewhere."""
    home: Home | None = field(default=None, compare=False, repr=False)
    """The class, where its methods are looked up."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a layer; `gates` counts its blocks where the source shows them."""

    owner: Layer
    name: str
    bias: bool
    part: Part
    layer: int = 0
    reverse: bool = False
    dims: int | None = None
    gates: int | None = None


@dataclass(frozen=True)
class Extent:
    """Rows of a parameter: from `low` to `high`, in shares of the stack, or in blocks of one gate."""

    low: Fraction
    high: Fraction
    of_stack: bool

    def gate(self, gates: int) -> int | None:
        """The gate whose block it is, in a stack of some gates; None when it is no block."""
        size = Fraction(1, gates) if self.of_stack else self.high - self.low
        if size <= 0 or self.high - self.low != size or (self.low / size).denominator != 1:
            return None
        return int(self.low / size)


@dataclass(frozen=True)
class Tensor:
    """A parameter, or a part of it: `extent` where the rows are known, `whole` when it is all of it.

    `tracked` is false behind `.data` and `.detach()`; `copied` names the call that made a copy of it.
    """

    parameter: Parameter
    whole: bool = True
    extent: Extent | None = None
    tracked: bool = True
    copied: str | None = None
    looped: bool = False
    strided: bool = False


@dataclass(frozen=True)
class Seq:
    """A tuple or list whose members are known; `rest` says that it may go on.

    Nested deeper than code about weights ever is, its members are forgotten: a list may hold itself, twice, and so on.
    """

    items: tuple[Value, ...]
    rest: bool = False
    depth: int = field(default=1, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        depth = 1 + max((one.depth for one in self.items if isinstance(one, Seq)), default=0)
        if depth > DEEPEST:
            object.__setattr__(self, "items", ())
            object.__setattr__(self, "rest", True)
        object.__setattr__(self, "depth", min(depth, DEEPEST))


@dataclass(frozen=True)
class Draw:
    """A fresh tensor: `eye`, `rand`, `randn`, `zeros`, `ones`, `orthogonal`, or `other`."""

    kind: str
    shape: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Function:
    """A function of this file; `bound` is what its first parameter receives."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    bound: Value | None = None


@dataclass(frozen=True)
class Scheme:
    """A function of torch.nn.init that is not called yet, or one of several: `init.ones_ if b else init.zeros_`."""

    names: frozenset[str]


@dataclass(frozen=True)
class Abroad:
    """A function in another file of the project, by its name there; `bound` is what its first parameter receives."""

    file: str
    name: str
    bound: Value | None = None


Value: TypeAlias = (
    Opaque | Num | Text | Scaled | Klass | Layer | Tree | Tensor | Seq | Draw | Function | Abroad | Scheme
)
UNKNOWN = Opaque()


def joined(one: Value | None, other: Value | None) -> Value:
    """What is known when either of two values holds: classes and layers of several kinds, else nothing."""
    if one is None or other is None:
        return one or other or UNKNOWN
    if one == other:
        return one
    if isinstance(one, Klass) and isinstance(other, Klass):
        return Klass(one.kinds | other.kinds)
    if isinstance(one, Scheme) and isinstance(other, Scheme):
        return Scheme(one.names | other.names)
    if isinstance(one, Layer) and isinstance(other, Layer):
        mixed = one.recurrent != other.recurrent and one.kinds and other.kinds
        return Tree("", (("", one), ("", other))) if mixed else _both(one, other)
    if isinstance(one, Layer | Tensor) and isinstance(other, Opaque) and other.text in ("", "None"):
        return one
    if isinstance(other, Layer | Tensor) and isinstance(one, Opaque) and one.text in ("", "None"):
        return other
    if _holds_layers(one) and _holds_layers(other):
        return Tree("", (("0", one), ("1", other)))  # only good for asking after parameters, which both may have
    return UNKNOWN


def _holds_layers(value: Value) -> bool:
    """No alternatives of alternatives: a hundred branches would make a tree of 2**100 leaves."""
    if isinstance(value, Seq):
        return any(isinstance(one, Layer | Tree) and _holds_layers(one) for one in value.items)
    return isinstance(value, Layer) or (isinstance(value, Tree) and bool(value.key))


def _both(one: Layer, other: Layer) -> Layer:
    def same(name: str) -> bool:
        return bool(getattr(one, name) == getattr(other, name))

    return Layer(
        one.kinds | other.kinds, one.key, one.sure and other.sure, one.prefix,
        one.layers if same("layers") else None, one.bidirectional if same("bidirectional") else None,
        one.bias if same("bias") else None, one.proj if same("proj") else None,
        one.gates if same("gates") else None, one.built and other.built, one.widths if same("widths") else None,
    )  # fmt: skip
