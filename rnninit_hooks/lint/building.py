"""Modules as their constructors make them, and classes of this file as trees of what `__init__` assigns."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from rnninit_hooks.lint.arithmetic import as_scaled, number, whole
from rnninit_hooks.lint.core import evaluate
from rnninit_hooks.lint.events import Journal
from rnninit_hooks.lint.frames import Budget, Purse, Spent
from rnninit_hooks.lint.iteration import note_append
from rnninit_hooks.lint.neighbours import Home, class_named
from rnninit_hooks.lint.outline import dotted, statements
from rnninit_hooks.lint.values import (
    RECURRENT,
    STACKS,
    Draw,
    Klass,
    Layer,
    Opaque,
    Parameter,
    Seq,
    Tensor,
    Tree,
    joined,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.lint.frames import Frame
    from rnninit_hooks.lint.outline import AnyFunction, ClassOutline
    from rnninit_hooks.lint.values import Part, Value

_NO_BASE = frozenset({"nn.Module", "torch.nn.Module", "Module"})
_DEEPEST = 3
_BUILDS = re.compile(r"_*(?:init|build|make|create|setup|set_up|set_|add|define|reset|get|construct)")


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
        proj=_flag(given, "proj_size", False, False),
    )  # fmt: skip
    frame.outline.built.add(built)
    return built


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


def tree(outline: ClassOutline, frame: Frame, depth: int = 0) -> Tree | Layer:
    """`self` inside a class: a torch layer where the class derives from one, else what its methods assign."""
    for base in outline.node.bases:
        kinds = frame.outline.kinds(base)
        if kinds is not None and kinds <= RECURRENT:
            return Layer(kinds, "self")
    if not outline.attributes and depth <= _DEEPEST:
        outline.attributes = {"": Opaque()}  # a class that holds itself must come to an end
        outline.attributes = _assigned(outline, frame)
    children = dict(_inherited(outline, frame, depth)) | outline.attributes
    closed = all(base in _NO_BASE for base in outline.bases) and bool(outline.bases)
    return Tree("self", tuple(children.items()), closed, Home(frame.outline, outline))


def instance(home: Home, frame: Frame) -> Tree | Layer:
    """An object of a class of this file or of another one of the project, which is read with the names of its own file."""
    return tree(home.own, frame, 1) if home.outline is frame.outline else _abroad(home, frame, 1)


def _abroad(home: Home, frame: Frame, depth: int) -> Tree | Layer:
    """A neighbour's class, at a cost that is its own: each is followed once, whoever asks."""
    budget = Budget(Purse())
    there = frame.inside(
        outline=home.outline, names={}, owner=None, path=(), calls=(), scope="", budget=budget,
        journal=Journal("", budget=budget),
    )  # fmt: skip
    try:
        return tree(home.own, there, depth) if home.own.bases else Tree("self")
    except Spent:
        return Tree("self")


def _inherited(outline: ClassOutline, frame: Frame, depth: int) -> tuple[tuple[str, Value], ...]:
    found: tuple[tuple[str, Value], ...] = ()
    for name in outline.bases:
        base = class_named(name, frame.outline)
        if base is not None and base.own is not outline and depth < _DEEPEST:
            above = tree(base.own, frame, depth + 1) if base.outline is frame.outline else _abroad(base, frame, depth + 1)
            found += above.children if isinstance(above, Tree) else ()
    return found


def _assigned(outline: ClassOutline, frame: Frame) -> dict[str, Value]:
    found: dict[str, Value] = {}
    methods = outline.methods.values()
    for method in [one for one in methods if _BUILDS.match(one.name)] if frame.outline.neighbour else methods:
        local = frame.inside(names=_arguments(method), scope=f"{outline.node.name}.{method.name}", owner=outline)
        for node in statements(method.body):
            _note(node, local, found)
    return found


def _arguments(method: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, Value]:
    """Arguments as unknown values; `self` as the class itself, so that methods which build layers are followed."""
    names = [one.arg for one in [*method.args.args, *method.args.kwonlyargs]]
    return {name: Tree("self") if name == "self" else Opaque(name) for name in names}


def _note(node: ast.stmt, local: Frame, found: dict[str, Value]) -> None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        _note_member(node.value, local, found)
    if not (isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None):
        return
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        text = dotted(target)
        if text.startswith("self.") and text.count(".") == 1:
            name = text.removeprefix("self.")
            value = as_attribute(name, evaluate(node.value, local))
            if isinstance(value, Layer | Tensor | Tree | Klass | Seq) or (isinstance(value, Opaque) and "(" in value.text):
                found[name] = joined(found[name], value) if name in found else value
            local.names.update({text: value} if isinstance(value, Seq) else {})
        elif isinstance(target, ast.Name):
            local.names[target.id] = evaluate(node.value, local)


def _note_member(call: ast.Call, local: Frame, found: dict[str, Value]) -> None:
    """`self.cells.append(nn.LSTMCell(...))`."""
    note_append(call, local)
    text = dotted(call.func).removesuffix(".append")
    name = text.removeprefix("self.")
    if text in local.names and name in found and name != text:
        found[name] = local.names[text]


def as_attribute(name: str, value: Value) -> Value:
    """What `self.name = value` holds: a layer goes by its attribute's name, a fresh tensor is a parameter."""
    if isinstance(value, Draw):
        return own_parameter(name, value) or Opaque("Parameter()")
    return replace(value, key=name) if isinstance(value, Layer) else value
