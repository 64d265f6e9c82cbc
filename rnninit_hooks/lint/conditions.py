"""Conditions in three values: certainly true, certainly false, unknown; and what each side then knows."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from rnninit_hooks.lint.arithmetic import number
from rnninit_hooks.lint.class_tests import Verdict, class_name, instance, kinds_of_word, of_project, typed
from rnninit_hooks.lint.core import evaluate
from rnninit_hooks.lint.events import NameTest
from rnninit_hooks.lint.iteration import bind, members
from rnninit_hooks.lint.outline import dotted
from rnninit_hooks.lint.parameters import passes
from rnninit_hooks.lint.values import COLUMNS, ROWS, Klass, Layer, Opaque, Scaled, Seq, Text, joined

if TYPE_CHECKING:
    from rnninit_hooks.lint.frames import Frame
    from rnninit_hooks.lint.values import Value

_SAFE = re.compile(r"[\w\\.\[\]()|^$+*?-]{1,40}\Z")
_ORDER: dict[str, Callable[[float, float], bool]] = {
    "Eq": operator.eq, "NotEq": operator.ne, "Lt": operator.lt, "LtE": operator.le, "Gt": operator.gt, "GtE": operator.ge,
}  # fmt: skip


def judge(node: ast.expr, frame: Frame) -> Verdict:
    """Judge a condition; tests of parameter names are noted on the way."""
    frame.budget.spend()
    if isinstance(node, ast.BoolOp):
        parts = [judge(one, frame) for one in node.values]
        return _all(parts) if isinstance(node.op, ast.And) else _any(parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner = judge(node.operand, frame)
        return Verdict(None if inner.truth is None else not inner.truth, inner.no, inner.yes, inner.unkinds, inner.kinds)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return _compare(node, frame)
    if isinstance(node, ast.Call):
        return _call(node, frame)
    return _truthy(evaluate(node, frame))


def _truthy(value: Value) -> Verdict:
    found = number(value)
    if found is not None:
        return Verdict(bool(found))
    return Verdict(bool(value.value)) if isinstance(value, Text) else Verdict()


def _all(parts: list[Verdict]) -> Verdict:
    truths = [part.truth for part in parts]
    truth = False if False in truths else (None if None in truths else True)
    yes = {key: value for part in parts for key, value in part.yes.items()}
    kinds = [part.kinds for part in parts if part.kinds is not None]
    return Verdict(truth, yes, {}, frozenset.intersection(*kinds) if kinds else None)


def _any(parts: list[Verdict]) -> Verdict:
    truths = [part.truth for part in parts]
    truth = True if True in truths else (None if None in truths else False)
    shared = set.intersection(*(set(part.yes) for part in parts))
    yes = {key: _joined([part.yes[key] for part in parts]) for key in shared}
    kinds = [part.kinds for part in parts]
    union = frozenset().union(*(one or () for one in kinds)) if None not in kinds else None
    return Verdict(truth, yes, {key: value for part in parts for key, value in part.no.items()}, union)


def _joined(values: list[Value]) -> Value:
    found, *others = [one for one in values if isinstance(one, Layer)] or values[:1]  # of several own classes the first
    for value in others:
        found = joined(found, value)
    return found


def _compare(node: ast.Compare, frame: Frame) -> Verdict:
    if isinstance(node.left, ast.Call) and isinstance(node.left.func, ast.Attribute) and node.left.func.attr == "find":
        return _found(node.left, node.left.func, node, frame)
    left, right = evaluate(node.left, frame), evaluate(node.comparators[0], frame)
    how = type(node.ops[0]).__name__
    if how in ("In", "NotIn"):
        found = _contains(left, right, node, frame, asked=how == "In")
        return found if how == "In" else _negated(found)
    if how in ("Eq", "NotEq", "Is", "IsNot"):
        found = _same(left, right, node, frame)
        return _negated(found) if how in ("NotEq", "IsNot") else found
    one, other = number(left), number(right)
    if isinstance(left, Scaled) and left.key in (ROWS, COLUMNS) and left.factor > 0 and other == 0:
        return Verdict(how in ("Gt", "GtE"))  # a size is positive
    return Verdict(_ORDER[how](one, other)) if one is not None and other is not None and how in _ORDER else Verdict()


def _found(call: ast.Call, function: ast.Attribute, node: ast.Compare, frame: Frame) -> Verdict:
    """`name.find('LSTM') != -1`, which is `'LSTM' in name`."""
    limit, how = number(evaluate(node.comparators[0], frame)), type(node.ops[0]).__name__
    present = (how, limit) in {("NotEq", -1), ("Gt", -1), ("GtE", 0)}
    if len(call.args) != 1 or not (present or (how, limit) in {("Eq", -1), ("Lt", 0)}):
        return Verdict()
    found = _contains(evaluate(call.args[0], frame), evaluate(function.value, frame), node, frame, asked=present)
    return found if present else _negated(found)


def _negated(found: Verdict) -> Verdict:
    return Verdict(None if found.truth is None else not found.truth, found.no, found.yes, found.unkinds, found.kinds)


def _contains(left: Value, right: Value, node: ast.Compare, frame: Frame, *, asked: bool) -> Verdict:
    if isinstance(left, Text) and isinstance(right, Text):
        if right.owner is not None and asked:
            frame.journal.add(NameTest(node, left.value, "in", right.owner, frame.scope))
        return Verdict(left.value in right.value)
    if isinstance(right, Seq) and isinstance(left, Text) and not right.rest:
        texts = [one.value for one in right.items if isinstance(one, Text)]
        return Verdict(left.value in texts) if len(texts) == len(right.items) else Verdict()
    if isinstance(left, Text) and isinstance(right, Opaque):
        return class_name(right, left.value)
    if isinstance(right, Seq) and isinstance(left, Opaque):
        return _one_of(left, right, node, frame)
    return Verdict()


def _one_of(left: Opaque, right: Seq, node: ast.Compare, frame: Frame) -> Verdict:
    """`type(m) in (nn.LSTM, nn.GRU)`, `cell in ("LSTM", "GRU")`."""
    classes = [one for one in right.items if isinstance(one, Klass)]
    if classes and len(classes) == len(right.items):
        return typed(node.left, frozenset().union(*(one.kinds for one in classes)), frame)
    words = [kinds_of_word(one.value) for one in right.items if isinstance(one, Text)]
    if words and len(words) == len(right.items) and None not in words:
        return Verdict(kinds=frozenset().union(*(one or () for one in words)))
    return Verdict()


def _same(left: Value, right: Value, node: ast.Compare, frame: Frame) -> Verdict:
    for one, other, side in ((left, right, node.left), (right, left, node.comparators[0])):
        if isinstance(one, Text) and one.owner is not None and isinstance(other, Text):
            frame.journal.add(NameTest(node, other.value, "==", one.owner, frame.scope))
        if isinstance(other, Klass):
            return typed(side, other.kinds, frame)
        if isinstance(side, ast.Call) and dotted(side.func) == "type" and isinstance(other, Opaque) and len(side.args) == 1:
            return of_project(side.args[0], other, frame)
        if isinstance(one, Opaque) and isinstance(other, Text):
            return class_name(one, other.value)
    if isinstance(left, Text) and isinstance(right, Text):
        return Verdict(left.value == right.value)
    first, second = number(left), number(right)
    if first is not None and second is not None:
        return Verdict(first == second)
    return Verdict(False) if isinstance(right, Opaque) and right.text == "None" and not isinstance(left, Opaque) else Verdict()


def _call(node: ast.Call, frame: Frame) -> Verdict:
    name = dotted(node.func)
    if name == "isinstance" and len(node.args) == 2:
        classes = evaluate(node.args[1], frame)
        several = classes.items if isinstance(classes, Seq) else (classes,)
        kinds = [one.kinds if isinstance(one, Klass) else frozenset({"?"}) for one in several]
        union = frozenset().union(*kinds) - {"?"}
        return instance(node.args[0], union, frame) if union else of_project(node.args[0], classes, frame)
    if name in ("any", "all") and node.args and isinstance(node.args[0], ast.GeneratorExp | ast.ListComp):
        return _quantified(name, node.args[0], frame)
    if isinstance(node.func, ast.Attribute) and node.func.attr in ("startswith", "endswith") and len(node.args) == 1:
        return _affix(node, node.func, frame)
    if name in ("re.search", "re.match", "re.fullmatch", "search", "match") and len(node.args) >= 2:
        return _pattern(name.rpartition(".")[2], node, frame)
    return _truthy(evaluate(node, frame))


def _quantified(name: str, node: ast.GeneratorExp | ast.ListComp, frame: Frame) -> Verdict:
    if len(node.generators) != 1 or node.generators[0].ifs:
        return Verdict()
    inner = frame.inside(names=frame.own_names())
    found = members(node.generators[0].iter, node, frame)
    verdicts = []
    for member in found.items:
        bind(node.generators[0].target, member, inner)
        verdicts.append(Verdict(judge(node.elt, inner).truth))
    if found.rest or not verdicts:
        return Verdict()
    return _any(verdicts) if name == "any" else _all(verdicts)


def _affix(node: ast.Call, function: ast.Attribute, frame: Frame) -> Verdict:
    subject, argument = evaluate(function.value, frame), evaluate(node.args[0], frame)
    if not isinstance(subject, Text):
        return Verdict()
    words = [one.value for one in (argument.items if isinstance(argument, Seq) else (argument,)) if isinstance(one, Text)]
    for word in words if subject.owner is not None else ():
        frame.journal.add(NameTest(node, word, function.attr, subject.owner, frame.scope))  # type: ignore[arg-type]
    return Verdict(any(passes(word, function.attr, subject.value) for word in words)) if words else Verdict()


def _pattern(how: str, node: ast.Call, frame: Frame) -> Verdict:
    pattern, subject = evaluate(node.args[0], frame), evaluate(node.args[1], frame)
    if not (isinstance(pattern, Text) and isinstance(subject, Text) and _SAFE.match(pattern.value)):
        return Verdict()
    if sum(pattern.value.count(sign) for sign in "*+") > 3:
        return Verdict()  # somebody else's pattern must not cost exponential time
    try:
        return Verdict(getattr(re, how)(pattern.value, subject.value[:80]) is not None)
    except re.error:
        return Verdict()
