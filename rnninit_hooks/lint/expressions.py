"""How expressions become values: names, attributes, constants, operators, subscripts, comprehensions."""

from __future__ import annotations

import ast
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING

from rnninit_hooks.lint.arithmetic import calculate, number, text_of, whole
from rnninit_hooks.lint.attributes import attribute, of_layer
from rnninit_hooks.lint.core import evaluate, evaluates, unknown
from rnninit_hooks.lint.iteration import bind, members
from rnninit_hooks.lint.outline import dotted
from rnninit_hooks.lint.schemes import NAMES, scheme, table
from rnninit_hooks.lint.tensors import indexed, part, rows
from rnninit_hooks.lint.values import (
    UNKNOWN,
    Function,
    Klass,
    Layer,
    Num,
    Opaque,
    Scheme,
    Seq,
    Tensor,
    Text,
    joined,
)  # fmt: skip

if TYPE_CHECKING:
    from rnninit_hooks.lint.frames import Frame
    from rnninit_hooks.lint.values import Value

_LONGEST = 200


@evaluates(ast.Name)
def _name(node: ast.Name, frame: Frame) -> Value:
    if node.id in frame.names:
        return frame.names[node.id]
    kinds = frame.outline.kinds(node)
    if kinds is not None:
        return Klass(kinds)
    function = frame.outline.functions.get(node.id)
    if function is not None:
        return Function(function)
    return (scheme(node, frame) if node.id in NAMES else table(node.id, frame)) or Opaque(node.id)


@evaluates(ast.Attribute)
def _attribute(node: ast.Attribute, frame: Frame) -> Value:
    text = dotted(node)
    if text in frame.names:
        return frame.names[text]
    kinds = frame.outline.kinds(node) if text else None
    if kinds is not None:
        return Klass(kinds)
    chosen = scheme(node, frame) if node.attr in NAMES else None
    return chosen or attribute(evaluate(node.value, frame), node.attr, node, frame)


@evaluates(ast.Constant)
def _constant(node: ast.Constant, frame: Frame) -> Value:
    if isinstance(node.value, str):
        return Text(node.value) if len(node.value) <= _LONGEST else UNKNOWN
    if isinstance(node.value, bool | float) or (isinstance(node.value, int) and abs(node.value) < 10**12):
        return Num(float(node.value))
    return Opaque("None") if node.value is None else UNKNOWN


@evaluates(ast.JoinedStr)
def _joined(node: ast.JoinedStr, frame: Frame) -> Value:
    parts = [text_of(evaluate(one.value if isinstance(one, ast.FormattedValue) else one, frame)) for one in node.values]
    known = [one for one in parts if one is not None]
    return Text("".join(known)[:_LONGEST]) if len(known) == len(parts) else UNKNOWN


@evaluates(ast.BinOp)
def _binary(node: ast.BinOp, frame: Frame) -> Value:
    left, right = evaluate(node.left, frame), evaluate(node.right, frame)
    operator = type(node.op).__name__
    if isinstance(left, Text) and isinstance(right, Text) and operator == "Add":
        return Text((left.value + right.value)[:_LONGEST])
    if isinstance(left, Text) and operator == "Mod":
        return _filled(left.value, right)
    if isinstance(left, Seq) and isinstance(right, Seq) and operator == "Add":
        every = left.items + right.items
        return Seq(every[:_LONGEST], left.rest or right.rest or len(every) > _LONGEST)
    return calculate(operator, left, right)


def _filled(pattern: str, values: Value) -> Value:
    pieces = pattern.replace("%i", "%d").replace("%d", "%s").split("%s")
    given = [text_of(one) for one in (values.items if isinstance(values, Seq) else (values,))]
    known = [one for one in given if one is not None]
    if len(pieces) != len(known) + 1 or "%" in "".join(pieces):
        return UNKNOWN
    return Text("".join(a + b for a, b in zip(pieces, [*known, ""], strict=True))[:_LONGEST])


@evaluates(ast.UnaryOp)
def _unary(node: ast.UnaryOp, frame: Frame) -> Value:
    value = evaluate(node.operand, frame)
    if isinstance(node.op, ast.USub):
        return calculate("Mult", value, Num(-1.0))
    found = number(value)
    return Num(float(not found)) if isinstance(node.op, ast.Not) and found is not None else UNKNOWN


@evaluates(ast.Tuple, ast.List, ast.Set)
def _sequence(node: ast.Tuple | ast.List | ast.Set, frame: Frame) -> Value:
    if len(node.elts) > 64:
        return UNKNOWN
    return Seq(tuple(evaluate(one, frame) for one in node.elts if not isinstance(one, ast.Starred)),
               any(isinstance(one, ast.Starred) for one in node.elts))  # fmt: skip


@evaluates(ast.Dict)
def _dict(node: ast.Dict, frame: Frame) -> Value:
    """A table of layer classes, or of initialisers, stands for any of them; other tables are unknown."""
    found = [evaluate(one, frame) for one in node.values[:16]]
    return _any_of(found)


def _any_of(found: list[Value]) -> Value:
    if not found or not (all(isinstance(one, Klass) for one in found) or all(isinstance(one, Scheme) for one in found)):
        return UNKNOWN
    return reduce(joined, found)


@evaluates(ast.IfExp)
def _choice(node: ast.IfExp, frame: Frame) -> Value:
    from rnninit_hooks.lint.conditions import judge

    verdict = judge(node.test, frame)
    if verdict.truth is not None:
        return evaluate(node.body if verdict.truth else node.orelse, frame)
    return joined(evaluate(node.body, frame), evaluate(node.orelse, frame))


@evaluates(ast.BoolOp, ast.Compare)
def _condition(node: ast.expr, frame: Frame) -> Value:
    from rnninit_hooks.lint.conditions import judge

    truth = judge(node, frame).truth
    return UNKNOWN if truth is None else Num(float(truth))


@evaluates(ast.Subscript)
def _subscript(node: ast.Subscript, frame: Frame) -> Value:
    value = evaluate(node.value, frame)
    if isinstance(value, Tensor):
        return _of_tensor(value, node.slice, frame)
    index = evaluate(node.slice, frame)
    at = whole(index)
    if isinstance(value, Seq) and at is not None and -len(value.items) <= at < len(value.items) and not value.rest:
        return _single(value.items[at], node.slice)
    if isinstance(value, Klass | Layer | Scheme):
        return UNKNOWN if isinstance(value, Layer) else value
    return _by_key(node, index, frame) or unknown(node)


def _single(member: Value, index: ast.expr) -> Value:
    """`all_weights[0][1]` is one parameter by its place, and no member of a loop."""
    return replace(member, looped=False) if isinstance(member, Tensor) and isinstance(index, ast.Constant) else member


def _by_key(node: ast.Subscript, key: Value, frame: Frame) -> Value | None:
    """`lstm._parameters["bias_hh_l0"]`, `lstm.state_dict()["bias_hh_l0"]`."""
    table = node.value.func if isinstance(node.value, ast.Call) and not node.value.args else node.value
    if not (isinstance(key, Text) and isinstance(table, ast.Attribute) and table.attr in ("_parameters", "state_dict")):
        return None
    layer = evaluate(table.value, frame)
    found = of_layer(layer, key.value, node, frame) if isinstance(layer, Layer) else None
    return replace(found, tracked=table.attr == "_parameters") if isinstance(found, Tensor) else None


def _of_tensor(tensor: Tensor, index: ast.expr, frame: Frame) -> Value:
    if isinstance(index, ast.Tuple) and index.elts:
        first, others = index.elts[0], index.elts[1:]
        narrow = any(not (isinstance(one, ast.Slice) and one.lower is None and one.upper is None) for one in others)
        inner = _of_tensor(tensor, first, frame)
        return part(inner, strided=True) if narrow and isinstance(inner, Tensor) else inner
    if not isinstance(index, ast.Slice):
        return indexed(tensor, evaluate(index, frame))
    low = evaluate(index.lower, frame) if index.lower else None
    high = evaluate(index.upper, frame) if index.upper else None
    return rows(tensor, low, high)


@evaluates(ast.ListComp, ast.GeneratorExp, ast.SetComp)
def _comprehension(node: ast.ListComp | ast.GeneratorExp | ast.SetComp, frame: Frame) -> Value:
    inner = frame.inside(names=frame.own_names())
    if len(node.generators) != 1:
        return UNKNOWN
    return _collected(node, node.generators[0], inner)


def _collected(node: ast.ListComp | ast.GeneratorExp | ast.SetComp, loop: ast.comprehension, frame: Frame) -> Value:
    from rnninit_hooks.lint.conditions import judge

    items: list[Value] = []
    found = members(loop.iter, node, frame)
    for member in found.items:
        bind(loop.target, member, frame)
        truths = [judge(test, frame).truth for test in loop.ifs]
        if None in truths:
            return UNKNOWN
        if all(truths):
            items.append(evaluate(node.elt, frame))
    return Seq(tuple(items), found.rest)


@evaluates(ast.Lambda)
def _lambda(node: ast.Lambda, frame: Frame) -> Value:
    return Function(node)


@evaluates(ast.NamedExpr)
def _walrus(node: ast.NamedExpr, frame: Frame) -> Value:
    value = evaluate(node.value, frame)
    bind(node.target, value, frame)
    return value


@evaluates(ast.Starred)
def _starred(node: ast.Starred, frame: Frame) -> Value:
    return evaluate(node.value, frame)
