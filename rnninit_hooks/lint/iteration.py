"""What a loop goes over, member by member, and how loop targets are bound."""

from __future__ import annotations

import ast
from itertools import zip_longest
from typing import TYPE_CHECKING

from rnninit_hooks.lint.arithmetic import whole
from rnninit_hooks.lint.core import evaluate
from rnninit_hooks.lint.frames import NAMES_OF_A_STEP
from rnninit_hooks.lint.hints import guess
from rnninit_hooks.lint.outline import dotted
from rnninit_hooks.lint.parameters import members_tree, named
from rnninit_hooks.lint.values import UNKNOWN, Function, Layer, Num, Opaque, Seq, Tensor, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.lint.frames import Frame
    from rnninit_hooks.lint.values import Value

MOST = 64
_WRAPPERS = frozenset({"list", "tuple", "sorted", "reversed", "iter", "set", "tqdm", "chain"})
_PARAMETERS = frozenset({"named_parameters", "parameters"})
_MODULES = frozenset({"modules", "children", "named_modules", "named_children"})
UNSEEN = Seq((UNKNOWN,), rest=True)


def members(iterable: ast.expr, loop: ast.AST, frame: Frame) -> Seq:
    """What a loop meets, in order; one unknown member where nothing is known."""
    if isinstance(iterable, ast.Call):
        found = _of_call(iterable, loop, frame)
        if found is not None:
            return found
    value = evaluate(iterable, frame)
    if isinstance(value, Opaque) and isinstance(iterable, ast.Attribute) and iterable.attr in ("_all_weights", "all_weights"):
        return _weights(iterable, loop, frame)
    return Seq(value.items[:MOST], value.rest) if isinstance(value, Seq) and value.items else UNSEEN


def _weights(node: ast.Attribute, loop: ast.AST, frame: Frame) -> Seq:
    from rnninit_hooks.lint.attributes import of_layer

    for layer in guess(dotted(node.value) or "?", loop, frame):
        found = of_layer(layer, node.attr, node, frame)
        if isinstance(found, Seq):
            return found
    return UNSEEN


def _of_call(call: ast.Call, loop: ast.AST, frame: Frame) -> Seq | None:
    name = dotted(call.func).rpartition(".")[2] or (call.func.attr if isinstance(call.func, ast.Attribute) else "")
    if isinstance(call.func, ast.Attribute) and name in _PARAMETERS:
        return _parameters(call.func.value, name, loop, frame)
    if isinstance(call.func, ast.Attribute) and name in _MODULES:
        return _modules(_as_module(evaluate(call.func.value, frame)), name)
    if isinstance(call.func, ast.Attribute) and name in ("items", "values") and isinstance(call.func.value, ast.Call):
        return _of_call(call.func.value, loop, frame) if _is_dict(call.func.value) else None
    if name == "dir" and len(call.args) == 1:
        return _directory(evaluate(call.args[0], frame), loop, frame)
    if name == "range":
        return _range([whole(evaluate(one, frame)) for one in call.args])
    if name in _WRAPPERS and call.args:
        inner = members(call.args[0], loop, frame)
        return Seq(inner.items[::-1], inner.rest) if name == "reversed" else inner
    return _combined(name, call, loop, frame)


def _directory(module: Value, loop: ast.AST, frame: Frame) -> Seq:
    """`dir(lstm)` holds the names of its parameters among others."""
    layers = (module,) if isinstance(module, Layer) else guess(getattr(module, "text", "") or "?", loop, frame)
    return Seq(tuple(text for layer in layers for text, _ in named(layer)) or (UNKNOWN,), rest=not layers)


def _is_dict(call: ast.Call) -> bool:
    return dotted(call.func) in ("dict", "OrderedDict", "collections.OrderedDict")


def _combined(name: str, call: ast.Call, loop: ast.AST, frame: Frame) -> Seq | None:
    if name == "enumerate" and call.args:
        inner = members(call.args[0], loop, frame)
        return Seq(tuple(Seq((Num(i), one)) for i, one in enumerate(inner.items)), inner.rest)
    if name == "zip" and call.args:
        columns = [members(one, loop, frame).items for one in call.args]
        return Seq(tuple(Seq(row) for row in zip_longest(*columns, fillvalue=UNKNOWN)))
    if name == "filter" and len(call.args) == 2:
        return _filtered(evaluate(call.args[0], frame), members(call.args[1], loop, frame), frame)
    if name == "dict" and call.args:
        return members(call.args[0], loop, frame)
    return None


def _filtered(test: Value, found: Seq, frame: Frame) -> Seq:
    if not (isinstance(test, Function) and isinstance(test.node, ast.Lambda) and len(test.node.args.args) == 1):
        return UNSEEN
    from rnninit_hooks.lint.conditions import judge

    kept: list[Value] = []
    for member in found.items:
        inner = frame.inside(names=frame.own_names({test.node.args.args[0].arg: member}))
        truth = judge(test.node.body, inner).truth
        if truth is None:
            return UNSEEN
        kept += [member] if truth else []
    return Seq(tuple(kept), found.rest)


def _range(bounds: list[int | None]) -> Seq:
    """Every number of a short range; the first two of one whose length is unknown, as the depth of a network is, or long.

    A range of thousands counts episodes or batches: no code about gates needs each of them.
    """
    known = [bound for bound in bounds if bound is not None]
    if len(known) != len(bounds) or len(known) > 2 or not known:
        start = known[0] if len(bounds) == 2 and bounds[0] is not None else 0
        return Seq((Num(start), Num(start + 1)), rest=True)
    start, stop = (0, known[0]) if len(known) == 1 else known
    long = stop - start > MOST
    return Seq(tuple(Num(i) for i in range(start, start + 2 if long else stop)), long)


def _parameters(node: ast.expr, name: str, loop: ast.AST, frame: Frame) -> Seq:
    module = _as_module(evaluate(node, frame))
    known = isinstance(module, Layer | Tree) and any(True for _ in named(module))
    sources: tuple[Layer | Tree, ...] = (module,) if known else ()  # type: ignore[assignment]
    if not known and isinstance(module, Opaque | Tree):
        sources = guess(dotted(node) or "", loop, frame)
    pairs = [pair for source in sources for pair in named(source)]
    if not pairs:
        return UNSEEN
    return Seq(tuple(Seq(pair) if name == "named_parameters" else pair[1] for pair in pairs))


def _as_module(value: Value) -> Value:
    return members_tree(value) if isinstance(value, Seq) else value


def _modules(module: Value, name: str) -> Seq:
    found: list[Value] = [UNKNOWN]
    if isinstance(module, Tree):
        found = [child for _, child in module.children if isinstance(child, Layer)] + found
    elif isinstance(module, Layer):
        found = [module]
    return Seq(tuple(Seq((UNKNOWN, one)) if name.startswith("named") else one for one in found), rest=True)


def note_append(call: ast.Call, frame: Frame) -> None:
    """`layers.append(nn.LSTM(...))`, on a list whose members are known."""
    if isinstance(call.func, ast.Attribute) and call.func.attr == "append" and call.args:
        text = dotted(call.func.value)
        held = frame.names.get(text)
        own = evaluate(call.args[0], frame)
        if isinstance(held, Seq) and len(held.items) < MOST:
            frame.names[text] = Seq((*held.items, UNKNOWN if isinstance(own, Seq) else own), held.rest)


def bind(target: ast.expr, value: Value, frame: Frame) -> None:
    """Bind names to a value, tuples member by member."""
    if isinstance(target, ast.Starred):
        bind(target.value, UNKNOWN, frame)
    elif isinstance(target, ast.Tuple | ast.List):
        for one, own in zip(target.elts, _unpacked(target.elts, value), strict=True):
            bind(one, own, frame)
    elif isinstance(target, ast.Name | ast.Attribute):
        _rename(dotted(target), value, frame)


def _rename(text: str, value: Value, frame: Frame) -> None:
    """What was known of a name's own attributes falls with its old value."""
    if not text:
        return
    beginning = f"{text}."
    frame.budget.spend(len(frame.names) // NAMES_OF_A_STEP)
    for name in [name for name in frame.names if name.startswith(beginning)]:
        del frame.names[name]
    plain = isinstance(value, Opaque) and not value.text
    frame.names[text] = Opaque(text) if plain else value


def _unpacked(elements: list[ast.expr], value: Value) -> Iterator[Value]:
    items = list(value.items) if isinstance(value, Seq) else []
    stars = [isinstance(one, ast.Starred) for one in elements]
    if isinstance(value, Tensor) or len(items) != len(elements) or any(stars):
        ahead = stars.index(True) if any(stars) else 0
        items = items[:ahead] + [UNKNOWN] * (len(elements) - ahead) if items else [UNKNOWN] * len(elements)
        items = (items + [UNKNOWN] * len(elements))[: len(elements)]
    yield from items
