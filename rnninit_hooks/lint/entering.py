"""Calls into functions: those of the same file are followed as seen from here, those of others are told what they are given."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from rnninit_hooks.lint.core import evaluate, run
from rnninit_hooks.lint.frames import CALLS
from rnninit_hooks.lint.neighbours import imported
from rnninit_hooks.lint.outline import INITIALISERS, Sent, dotted
from rnninit_hooks.lint.values import UNKNOWN, Abroad, Function, Layer, Opaque, Seq, Tensor, Tree, joined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rnninit_hooks.lint.frames import Frame
    from rnninit_hooks.lint.outline import AnyFunction
    from rnninit_hooks.lint.values import Value


def enter(function: Function, call: ast.Call, frame: Frame) -> Value:
    """Follow a call and give what it returns."""
    values = [evaluate(one, frame) for one in call.args if not isinstance(one, ast.Starred)]
    words = {word.arg: evaluate(word.value, frame) for word in call.keywords if word.arg}
    return follow(function, values, words, frame)


def follow(function: Function, values: list[Value], words: dict[str, Value], frame: Frame) -> Value:
    """Follow a function with known arguments; one that is being followed already, or lies too deep, is left alone."""
    node = function.node
    if isinstance(node, ast.Lambda):
        names = dict(zip([one.arg for one in node.args.args], values, strict=False))
        return evaluate(node.body, frame.inside(names=frame.own_names(names)))
    if id(node) in frame.calls or len(frame.calls) >= CALLS:
        return UNKNOWN
    if frame.no_grad:
        frame.journal.seen_no_grad.add(id(node))
    bound = [function.bound] if function.bound is not None and not _static(node) else []
    home = function.bound.home if isinstance(function.bound, Tree) else None
    inner = _frame(node, [*bound, *values], words, frame)
    inner.owner = home.own if home is not None and home.outline is frame.outline else frame.owner
    run(node.body, inner)
    return _returned(inner)


def _frame(node: AnyFunction, values: list[Value], words: dict[str, Value], frame: Frame) -> Frame:
    return frame.inside(
        names=filled(node, values, words, frame), scope=_scope(frame, node), calls=(*frame.calls, id(node)),
        no_grad=frame.no_grad or without_grad(node), returned=[],
    )  # fmt: skip


def filled(node: AnyFunction, values: Sequence[Value], words: Mapping[str, Value], frame: Frame) -> dict[str, Value]:
    """The arguments of a function by name: as they are given, else as they are declared."""
    names = given(node, frame)
    names.update(zip([one.arg for one in [*node.args.posonlyargs, *node.args.args]], values, strict=False))
    return names | {key: value for key, value in words.items() if key in names}


def _scope(frame: Frame, node: AnyFunction) -> str:
    return f"{frame.scope}.{node.name}"[-200:]


def given(node: AnyFunction, frame: Frame) -> dict[str, Value]:
    """Arguments nobody gave: unknown, or the layer that their annotation names."""
    names: dict[str, Value] = {}
    for one in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
        kinds = frame.outline.kinds(one.annotation) if one.annotation is not None else None
        names[one.arg] = Layer(kinds, one.arg, sure=len(kinds) == 1) if kinds else Opaque(one.arg)
    return names


def _static(node: AnyFunction) -> bool:
    return any(isinstance(one, ast.Name) and one.id == "staticmethod" for one in node.decorator_list)


def without_grad(node: AnyFunction) -> bool:
    """Whether a function is decorated with `no_grad` or `inference_mode`."""
    return any(_names_no_grad(one) for one in node.decorator_list)


def _names_no_grad(node: ast.expr) -> bool:
    core = node.func if isinstance(node, ast.Call) else node
    name = core.attr if isinstance(core, ast.Attribute) else getattr(core, "id", "")
    return name in ("no_grad", "inference_mode")


def _returned(frame: Frame) -> Value:
    if not frame.returned:
        return UNKNOWN
    found = frame.returned[0]
    for one in frame.returned[1:]:
        found = joined(found, one)
    return found


def enter_each(function: Value, receiver: Value | None, call: ast.Call, frame: Frame) -> Value:
    """`module.apply(f)`: f of every known layer inside, then of the module itself."""
    children = [child for _, child in receiver.children] if isinstance(receiver, Tree) else []
    for child in [*children, receiver]:
        if isinstance(child, Layer | Tree) and isinstance(function, Function):
            follow(function, [child], {}, frame)
        elif isinstance(child, Layer | Tree):
            _tell(function, call.args[0], [child], {}, call, frame)
    return receiver if receiver is not None else UNKNOWN


def send(function: Value, call: ast.Call, frame: Frame) -> None:
    """Note what a function of another file of the project is given, if anything is known of it."""
    values = [evaluate(one, frame) for one in call.args if not isinstance(one, ast.Starred)]
    words = {word.arg: evaluate(word.value, frame) for word in call.keywords if word.arg}
    _tell(function, call.func, values, words, call, frame)


def _target(function: Value, node: ast.expr, given: list[Value], frame: Frame) -> Abroad | None:
    """The function of another file; a whole model goes through many hands, of which few have a name that says more."""
    if isinstance(function, Abroad):
        return function
    text = dotted(node)
    origin = frame.outline.imports.get(text.partition(".")[0], "")
    layer = any(not isinstance(one, Tree) and _says_something(one) for one in given)
    likely = layer or (any(map(_says_something, given)) and INITIALISERS.search(f"{origin} {text}"))
    found = imported(text, frame.outline) if isinstance(function, Opaque) and likely else None
    return Abroad(found[0].source.file, found[1]) if found is not None and found[1] in found[0].functions else None


def _tell(
    function: Value, node: ast.expr, values: list[Value], words: dict[str, Value], call: ast.Call, frame: Frame
) -> None:
    target = _target(function, node, [*values, *words.values()], frame)
    if target is None or not any(_says_something(one) for one in [target.bound, *values, *words.values()]):
        return
    bound = (target.bound,) if target.bound is not None else ()
    place = frame.outline.source.place(call)
    told = tuple(_portable(one) for one in (*bound, *values))
    named = tuple((name, _portable(one)) for name, one in words.items())
    frame.outline.sent.append(Sent(target.file, target.name, told, named, place))


def _portable(value: Value) -> Value:
    """Without the file that it comes from, which would be kept in memory for the length of a run."""
    if isinstance(value, Seq):
        return replace(value, items=tuple(_portable(one) for one in value.items))
    if isinstance(value, Tree):
        return replace(value, children=tuple((name, _portable(one)) for name, one in value.children), home=None)
    return UNKNOWN if isinstance(value, Function | Abroad) else value


def _says_something(value: Value | None) -> bool:
    """Whether a recurrent layer, or a tensor of several gates, is in it."""
    if isinstance(value, Tree):
        return any(_says_something(child) for _, child in value.children)
    if isinstance(value, Seq):
        return any(_says_something(one) for one in value.items)
    if isinstance(value, Tensor):
        return _says_something(value.parameter.owner) or (value.parameter.gates or 1) > 1
    return isinstance(value, Layer) and (value.recurrent or (value.gates or 1) > 1)
