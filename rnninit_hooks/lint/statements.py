"""What statements do to a frame: bindings, branches, loops, `with no_grad()`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from rnninit_hooks.lint.arithmetic import calculate
from rnninit_hooks.lint.branches import merge
from rnninit_hooks.lint.conditions import judge
from rnninit_hooks.lint.core import evaluate, executes, run
from rnninit_hooks.lint.events import Rebind, Unpack
from rnninit_hooks.lint.iteration import MOST, bind, members
from rnninit_hooks.lint.moments import note_binding
from rnninit_hooks.lint.outline import dotted
from rnninit_hooks.lint.trees import as_attribute
from rnninit_hooks.lint.values import Draw, Function, Layer, Num, Opaque, Tensor, Text, Tree
from rnninit_hooks.lint.writing import note_assignment, note_replacement

if TYPE_CHECKING:
    from rnninit_hooks.lint.frames import Frame
    from rnninit_hooks.lint.values import Value

_LAYERS = 4
_NO_GRAD = ("no_grad", "inference_mode")


@executes(ast.Expr)
def _expression(node: ast.Expr, frame: Frame) -> bool:
    frame.journal.statement = node.value
    evaluate(node.value, frame)
    frame.journal.statement = None
    return False


@executes(ast.Return)
def _return(node: ast.Return, frame: Frame) -> bool:
    frame.returned.append(evaluate(node.value, frame))
    return True


@executes(ast.Raise, ast.Continue, ast.Break)
def _leave(node: ast.stmt, frame: Frame) -> bool:
    return True


@executes(ast.FunctionDef, ast.AsyncFunctionDef)
def _define(node: ast.FunctionDef | ast.AsyncFunctionDef, frame: Frame) -> bool:
    frame.names[node.name] = Function(node)
    return False


@executes(ast.Assign, ast.AnnAssign)
def _assign(node: ast.Assign | ast.AnnAssign, frame: Frame) -> bool:
    if node.value is None:
        return False
    value = evaluate(node.value, frame)
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        _store(node, target, value, frame)
    return False


def _store(node: ast.stmt, target: ast.expr, value: Value, frame: Frame) -> None:
    if isinstance(target, ast.Subscript):
        _store_item(node, target, value, frame)
    elif isinstance(target, ast.Attribute) and _stored_attribute(node, target, value, frame):
        return
    else:
        held = frame.names.get(target.id) if isinstance(target, ast.Name) else None
        if isinstance(held, Tensor) and held.looped and held.whole and isinstance(value, Draw):
            frame.journal.add(Rebind(node, dotted(target), held))
        note_binding(node, dotted(target), frame)
        bind(target, value, frame)


def _store_item(node: ast.stmt, target: ast.Subscript, value: Value, frame: Frame) -> None:
    own = evaluate(target, frame)
    if isinstance(own, Tensor):
        note_assignment(node, _written(target, own, frame), value, frame, how="item")


def _written(target: ast.Subscript, own: Tensor, frame: Frame) -> Tensor:
    """`x[[0, 1]] = v` writes to x itself, though `x[[0, 1]]` alone would be a copy."""
    base = evaluate(target.value, frame)
    if isinstance(base, Tensor) and own.copied and not base.copied:
        return Tensor(base.parameter, whole=False, tracked=base.tracked, looped=base.looped)
    return own


def _stored_attribute(node: ast.stmt, target: ast.Attribute, value: Value, frame: Frame) -> bool:
    base = evaluate(target.value, frame)
    if isinstance(base, Tensor) and target.attr == "data":
        if not (isinstance(value, Tensor) and value.parameter == base.parameter):
            note_assignment(node, _untracked(base), value, frame, how="data")
        return True
    if isinstance(base, Layer) and dotted(target) not in frame.names:
        note_replacement(base, Text(target.attr), value, node, frame)
    if isinstance(base, Tree) and isinstance(value, Draw | Layer):
        bind(target, as_attribute(target.attr, value), frame)
        return True
    return False


def _untracked(tensor: Tensor) -> Tensor:
    return Tensor(tensor.parameter, tensor.whole, tensor.extent, False, tensor.copied, tensor.looped, tensor.strided)


@executes(ast.AugAssign)
def _augment(node: ast.AugAssign, frame: Frame) -> bool:
    value = evaluate(node.value, frame)
    before = evaluate(node.target, frame)
    if isinstance(before, Tensor):
        adds = isinstance(node.op, ast.Add)
        note_assignment(node, before, value if adds else Opaque(), frame, how="item", added=True)
    elif isinstance(node.target, ast.Name):
        bind(node.target, calculate(type(node.op).__name__, before, value), frame)
    return False


@executes(ast.For, ast.AsyncFor)
def _for(node: ast.For | ast.AsyncFor, frame: Frame) -> bool:
    found = members(node.iter, node, frame)
    _note_unpack(node, frame)
    before = (frame.path, frame.narrowed, frame.doubt, frame.guarded)
    outer, items = frame.rounds, _bearable(found.items, frame)
    for member in items:
        bind(node.target, member, frame)
        run(node.body, frame)
        frame.path, frame.narrowed, frame.doubt, frame.guarded = before
    frame.rounds = outer
    run(node.orelse, frame)
    return False


def _bearable(items: tuple[Value, ...], frame: Frame) -> tuple[Value, ...]:
    """Fewer and fewer rounds of counting loops inside each other: batches of epochs of seeds, and not gates of layers."""
    if not all(isinstance(one, Num) for one in items):
        return items
    kept = items[: max(_LAYERS, MOST // frame.rounds)]
    frame.rounds *= max(1, len(kept))
    return kept


def _note_unpack(node: ast.For | ast.AsyncFor, frame: Frame) -> None:
    """`for w_ih, w_hh, b_ih, b_hh in rnn.all_weights`."""
    if not (isinstance(node.target, ast.Tuple) and isinstance(node.iter, ast.Attribute) and node.iter.attr == "all_weights"):
        return
    owner = evaluate(node.iter.value, frame)
    if any(isinstance(one, ast.Starred) for one in node.target.elts):
        return
    layer = owner if isinstance(owner, Layer) else Layer(frozenset({"LSTM", "GRU", "RNN"}), dotted(node.iter.value), sure=False)
    if layer.recurrent:
        frame.journal.add(Unpack(node.iter, layer, len(node.target.elts)))


@executes(ast.While)
def _while(node: ast.While, frame: Frame) -> bool:
    judge(node.test, frame)
    inner = frame.branch(id(node), True)
    run(node.body, inner)
    merge(frame, [(frame.branch(id(node), False), False), (inner, False)])
    return False


@executes(ast.With, ast.AsyncWith)
def _with(node: ast.With | ast.AsyncWith, frame: Frame) -> bool:
    quiet = any(_is_no_grad(one.context_expr, frame) for one in node.items)
    for one in node.items:
        value = evaluate(one.context_expr, frame)
        if one.optional_vars is not None:
            bind(one.optional_vars, value, frame)
    before, frame.no_grad = frame.no_grad, frame.no_grad or quiet
    ended = run(node.body, frame)
    frame.no_grad = before
    return ended


def _is_no_grad(node: ast.expr, frame: Frame) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = dotted(node.func).rpartition(".")[2]
    return name in _NO_GRAD or (name == "set_grad_enabled")


@executes(ast.Try, getattr(ast, "TryStar", ast.Try))
def _try(node: ast.Try, frame: Frame) -> bool:
    before, frame.caught = frame.caught, frame.caught or bool(node.handlers)
    ended = run(node.body, frame)
    frame.caught = before
    ended = run(node.orelse, frame) or ended
    for handler in node.handlers:
        run(handler.body, frame.branch(id(handler), True))
    return run(node.finalbody, frame) or (ended and not node.handlers)


@executes(ast.Match)
def _match(node: ast.Match, frame: Frame) -> bool:
    evaluate(node.subject, frame)
    for index, case in enumerate(node.cases):
        run(case.body, frame.branch(id(node) + index, True))
    return False


@executes(ast.Global, ast.Nonlocal, ast.Import, ast.ImportFrom, ast.Pass, ast.Assert, ast.Delete)
def _nothing(node: ast.stmt, frame: Frame) -> bool:
    return False

