"""Modules as their constructors make them, and classes of this file as trees of what `__init__` assigns."""

from __future__ import annotations

import ast
from fractions import Fraction
from typing import TYPE_CHECKING

from rnninit_hooks.lint.arithmetic import as_scaled, number, whole
from rnninit_hooks.lint.core import evaluate
from rnninit_hooks.lint.outline import statements
from rnninit_hooks.lint.values import (
    RECURRENT,
    STACKS,
    Draw,
    Klass,
    Layer,
    Parameter,
    Seq,
    Tensor,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.lint.frames import Frame
    from rnninit_hooks.lint.outline import AnyFunction
    from rnninit_hooks.lint.values import Part, Value



def construct(klass: Klass, call: ast.Call, frame: Frame) -> Layer:
    """A layer built by a call of its class."""
    given = {word.arg: evaluate(word.value, frame) for word in call.keywords if word.arg}
    spread = any(word.arg is None for word in call.keywords) or any(isinstance(one, ast.Starred) for one in call.args)
    args = [evaluate(one, frame) for one in call.args if not isinstance(one, ast.Starred)]
    key = f"{frame.outline.source.file}:{call.lineno}"
    if not klass.kinds <= RECURRENT:
        bare = any(name in given for name in ("affine", "elementwise_affine"))
        bias = _flag(given | dict(zip(("", "", "bias"), args, strict=False)), "bias", True, spread)
        gates = _fused(args, given)
        kinds = frozenset({"Gates"}) if klass.kinds == {"Linear"} and _taken_apart(gates, frame) else klass.kinds
        return Layer(frozenset({"Bare"}) if bare else kinds, key, gates=gates, built=True, bias=bias)
    places = ("input_size", "hidden_size", "num_layers") if klass.kinds & STACKS else ("input_size", "hidden_size", "bias")
    given = dict(zip(places, args, strict=False)) | given
    cell = not klass.kinds & STACKS
    built = Layer(
        klass.kinds, key, built=True,
        layers=1 if cell else _whole_or(given, "num_layers", 1, spread),
        bidirectional=False if cell else _flag(given, "bidirectional", False, spread),
        bias=_flag(given, "bias", True, False),  # `**options` alone is no hint of layers without biases
        proj=_flag(given, "proj_size", False, False), widths=_widths(given),
    )  # fmt: skip
    frame.outline.built.add(built)
    return built


def _widths(given: dict[str, Value]) -> Fraction | None:
    """How wide the input is against the hidden state, where both are numbers or shares of one size."""
    wide, hidden = given.get("input_size"), given.get("hidden_size")
    if wide is None or hidden is None:
        return None
    one, other = whole(wide), whole(hidden)
    if one is not None and other:
        return Fraction(one, other)
    left, right = as_scaled(wide), as_scaled(hidden)
    shared = left is not None and right is not None and left.key == right.key and right.factor
    return left.factor / right.factor if shared and left is not None and right is not None else None


def _whole_or(given: dict[str, Value], name: str, usual: int, spread: bool) -> int | None:
    if name not in given:
        return None if spread else usual
    return whole(given[name])


def _flag(given: dict[str, Value], name: str, usual: bool, spread: bool) -> bool | None:
    if name not in given:
        return None if spread else usual
    found = number(given[name])
    return None if found is None else bool(found)


def _fused(args: list[Value], given: dict[str, Value]) -> int | None:
    """The gates that a Linear(H, k * H) computes at once, or a Linear(I + H, 4 * H)."""
    sizes = [*args, *(given[name] for name in ("in_features", "out_features")[len(args) :] if name in given)]
    if len(sizes) < 2:
        return None
    rows = _told_by_rows(sizes[1])
    return _blocks(sizes[1], sizes[0]) or (rows if rows == 4 else None)  # three may be query, key and value


def _taken_apart(gates: int | None, frame: Frame) -> bool:
    """Whether the class around cuts something into as many parts as the Linear computes gates at once."""
    if gates is None or gates < 3 or frame.owner is None:
        return False
    methods = frame.owner.methods.values()
    return any(_unpacks(node, method, gates) for method in methods for node in statements(method.body))


def _unpacks(node: ast.stmt, method: AnyFunction, count: int) -> bool:
    """`i, f, g, o = gates.chunk(4, dim=-1)`, or `parts = gates.split(size, 1)` of which `parts[3]` is the last one used."""
    if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)):
        return False
    called, target = node.value.func, node.targets[0]
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    if name not in ("chunk", "split", "tensor_split", "unbind"):
        return False
    if isinstance(target, ast.Name):
        return max(_indices(target.id, method), default=-1) + 1 == count
    return isinstance(target, ast.Tuple) and len(target.elts) == count


def _indices(name: str, method: AnyFunction) -> Iterator[int]:
    """The numbers by which members of a name are taken in a method."""
    for one in ast.walk(method):
        if isinstance(one, ast.Subscript) and isinstance(one.value, ast.Name) and one.value.id == name:
            index = one.slice.value if isinstance(one.slice, ast.Constant) else None
            yield from [index] if isinstance(index, int) else []


def _blocks(tall: Value, wide: Value) -> int | None:
    high, low = as_scaled(tall), as_scaled(wide)
    if high is None or low is None or high.key != low.key or not low.factor:
        return None
    share = high.factor / low.factor
    if low.factor > 1 and share > 1:
        share = high.factor  # (5 * H, 2 * H): five gates, fed by two states
    return int(share) if share.denominator == 1 and 1 <= share <= 8 else None


def own_parameter(name: str, draw: Draw) -> Tensor | None:
    """`self.weight_hh = nn.Parameter(torch.empty(4 * H, H))`: a parameter of the class itself."""
    shape = draw.shape[0].items if len(draw.shape) == 1 and isinstance(draw.shape[0], Seq) else draw.shape
    if not shape:
        return None
    part: Part = "hh" if "hh" in name else ("ih" if "ih" in name else "other")
    gates = _blocks(shape[0], shape[1]) if len(shape) == 2 else _matrices(shape)
    gates = gates or (_told_by_rows(shape[0]) if part == "ih" else None)
    owner = Layer(frozenset({"Custom"}), name, gates=gates)
    return Tensor(Parameter(owner, name, len(shape) == 1, part, dims=len(shape), gates=gates))


def _told_by_rows(tall: Value) -> int | None:
    """The gates of a weight (4 * H, I), whose columns tell nothing."""
    rows = as_scaled(tall)
    return int(rows.factor) if rows is not None and rows.factor in (3, 4) else None


def _matrices(shape: tuple[Value, ...]) -> int | None:
    """The gates of a parameter that holds a matrix for each along an axis of its own: (4, I, H)."""
    count = whole(shape[0]) if len(shape) == 3 else None
    return count if count is not None and 1 < count <= 8 else None
