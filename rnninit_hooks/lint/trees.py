"""Classes as trees of what their methods assign: those of this file, and those of other files of the project."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from rnninit_hooks.lint.building import own_parameter
from rnninit_hooks.lint.core import evaluate
from rnninit_hooks.lint.events import Journal
from rnninit_hooks.lint.frames import Budget, Purse, Spent
from rnninit_hooks.lint.iteration import MOST, note_append
from rnninit_hooks.lint.neighbours import Home, lineage
from rnninit_hooks.lint.outline import dotted, statements
from rnninit_hooks.lint.values import RECURRENT, UNKNOWN, Draw, Klass, Layer, Opaque, Scheme, Seq, Tensor, Tree, joined

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rnninit_hooks.lint.frames import Frame
    from rnninit_hooks.lint.outline import ClassOutline
    from rnninit_hooks.lint.values import Value

_NO_BASE = frozenset({"nn.Module", "torch.nn.Module", "Module"})
_KNOWN = (Layer, Tensor, Tree, Klass, Seq, Scheme)
_BUILDS = re.compile(r"_*(?:init|build|make|create|setup|set_up|set_|add|define|reset|get|construct)")


def tree(home: Home, frame: Frame) -> Tree | Layer:
    """An object of a class: a torch layer where it derives from one, else what its methods and those of its bases assign."""
    line = lineage(home)
    for one in line:
        for kinds in (one.outline.kinds(base) for base in one.own.node.bases):
            if kinds is not None and kinds <= RECURRENT:
                return Layer(kinds, "self")
    children: dict[str, Value] = {}
    for one in reversed(line):
        children.update(_attributes(one, frame))
    closed = all(base in _NO_BASE for base in home.own.bases) and bool(home.own.bases)
    return Tree("self", tuple(children.items()), closed, home)


def _attributes(home: Home, frame: Frame) -> Mapping[str, Value]:
    """What the methods of one class assign, followed once; a class that holds itself must come to an end."""
    if not home.own.attributes:
        home.own.attributes = {"": Opaque()}
        if home.outline is frame.outline:
            home.own.attributes = _assigned(home.own, frame)
        elif home.own.bases:
            home.own.attributes = _assigned_abroad(home, frame)
    return home.own.attributes


def _assigned_abroad(home: Home, frame: Frame) -> dict[str, Value]:
    """A neighbour's class, with the names of its own file, and at a cost of its own, whoever asks."""
    budget = Budget(Purse())
    there = frame.inside(
        outline=home.outline, names={}, owner=None, path=(), calls=(), scope="", budget=budget,
        journal=Journal("", budget=budget),
    )  # fmt: skip
    try:
        return _assigned(home.own, there)
    except Spent:
        return {"": Opaque()}


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
    if isinstance(node, ast.AugAssign):
        _note_more(node, local, found)
    if not (isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None):
        return
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        text = dotted(target)
        if text.startswith("self.") and text.count(".") == 1:
            name = text.removeprefix("self.")
            value = as_attribute(name, evaluate(node.value, local))
            if isinstance(value, _KNOWN) or (isinstance(value, Opaque) and "(" in value.text):
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


def _note_more(node: ast.AugAssign, local: Frame, found: dict[str, Value]) -> None:
    """`self.layers += [nn.LSTM(...)]`."""
    text = dotted(node.target)
    held, name = local.names.get(text), text.removeprefix("self.")
    if isinstance(held, Seq) and name in found and isinstance(node.op, ast.Add):
        more = evaluate(node.value, local)
        items = tuple(UNKNOWN if isinstance(one, Seq) else one for one in more.items) if isinstance(more, Seq) else (UNKNOWN,)
        found[name] = local.names[text] = Seq((*held.items, *items)[:MOST], held.rest)


def as_attribute(name: str, value: Value) -> Value:
    """What `self.name = value` holds: a layer goes by its attribute's name, a fresh tensor is a parameter."""
    if isinstance(value, Draw):
        return own_parameter(name, value) or Opaque("Parameter()")
    return replace(value, key=name) if isinstance(value, Layer) else value
