"""What calls do: build layers, take tensors apart, initialise them, enter functions of the same file."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from rnninit_hooks.lint.arithmetic import text_of, whole
from rnninit_hooks.lint.attributes import attribute
from rnninit_hooks.lint.building import construct
from rnninit_hooks.lint.core import evaluate, evaluates
from rnninit_hooks.lint.entering import enter, enter_each, send
from rnninit_hooks.lint.events import Chunk
from rnninit_hooks.lint.iteration import members, note_append
from rnninit_hooks.lint.moments import note_moment
from rnninit_hooks.lint.neighbours import class_named
from rnninit_hooks.lint.outline import dotted
from rnninit_hooks.lint.schemes import note_scheme
from rnninit_hooks.lint.tensors import COPIES, equal_parts, part, shape, size, split, viewed
from rnninit_hooks.lint.trees import tree
from rnninit_hooks.lint.values import (
    MOVED,
    UNKNOWN,
    Draw,
    Function,
    Klass,
    Num,
    Opaque,
    Scaled,
    Scheme,
    Seq,
    Tensor,
    Text,
)  # fmt: skip
from rnninit_hooks.lint.writing import INITS, METHODS, note_init, note_method, note_replacement

if TYPE_CHECKING:
    from rnninit_hooks.lint.frames import Frame
    from rnninit_hooks.lint.values import Value

_DRAWS = frozenset({"eye", "rand", "randn", "zeros", "ones", "empty", "full", "Tensor", "FloatTensor", "eye_like"})
_SHAPED = frozenset({"chunk", "split", "unbind", "tensor_split"})
_AS_IT_IS = frozenset({"detach", "contiguous", "requires_grad_", "squeeze", "list", "tuple", "next", "iter", "int", "float"})
_ITERABLES = frozenset({
    "parameters", "named_parameters", "modules", "named_modules", "range", "zip", "enumerate", "filter", "reversed",
})  # fmt: skip
_SIZES = frozenset({"size", "dim", "ndimension", "numel", "nelement"})


@evaluates(ast.Call)
def _call(node: ast.Call, frame: Frame) -> Value:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else dotted(node.func)
    note_moment(node, name, frame)
    receiver = evaluate(node.func.value, frame) if isinstance(node.func, ast.Attribute) else None
    if isinstance(receiver, Text) and name in ("format", "lower", "upper", "strip"):
        return _formatted(receiver, name, [evaluate(one, frame) for one in node.args])
    if isinstance(receiver, Tensor):
        return _method(receiver, name, node, frame)
    if isinstance(receiver, Scheme | Klass) and name == "get":
        return receiver
    if isinstance(receiver, Seq) and name == "append":
        note_append(node, frame)
        return UNKNOWN
    return _by_name(name, receiver, node, frame)


def _formatted(text: Text, name: str, values: list[Value]) -> Value:
    """`'bias_hh_l{}'.format(i)`, `name.lower()`; other fields than `{}` and `{0}` are unknown."""
    if name != "format":
        return Text(getattr(text.value, name)(), text.owner)
    pattern = text.value
    for index, value in enumerate(values):
        pattern = pattern.replace("{}", text_of(value) or "{", 1).replace(f"{{{index}}}", text_of(value) or "{")
    return UNKNOWN if "{" in pattern else Text(pattern[:200])


def _by_name(name: str, receiver: Value | None, node: ast.Call, frame: Frame) -> Value:
    if name in INITS or name.rstrip("_") in INITS:
        return note_init(name, node, frame)
    if name in ("getattr", "__getattr__", "setattr", "eval", "len", "str"):
        return _builtin(name, receiver, node, frame)
    first = evaluate(node.args[0], frame) if node.args else UNKNOWN
    if name in _SHAPED and isinstance(first, Tensor):
        return _parts(first, name, node, node.args[1:], frame)
    if _itself(name, first):
        return first
    if name in _DRAWS:
        return Draw(name, tuple(evaluate(one, frame) for one in node.args))
    if name == "Parameter":
        return first if isinstance(first, Draw | Tensor) else Opaque(MOVED if _moved(first) else "Parameter()")
    if name == "apply" and node.args:
        return enter_each(first, receiver, node, frame)
    if name in _ITERABLES:
        found = members(node, node, frame)
        return found if not found.rest else UNKNOWN
    if name in ("list", "tuple", "sorted", "dict", "next", "iter") and node.args:
        found = members(node.args[0], node, frame)
        return found if not found.rest else UNKNOWN
    return _callee(name, node, frame)


def _itself(name: str, first: Value) -> bool:
    """`int(width)`, and `partial(nn.init.orthogonal_, gain=2)`, which does the same to a matrix."""
    return isinstance(first, Num | Scaled) if name == "int" else name == "partial" and isinstance(first, Scheme)


def _moved(value: Value) -> bool:
    """A parameter of another recurrent layer: weights are carried over, as exporters do, and nothing is initialised."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return isinstance(value, Opaque) and value.text.rpartition(".")[2].startswith(names)


def _callee(name: str, node: ast.Call, frame: Frame) -> Value:
    function = evaluate(node.func, frame)
    if isinstance(function, Klass):
        return construct(function, node, frame)
    if name == "ModuleList":
        return evaluate(node.args[0], frame) if node.args else Seq(())
    if name == "Sequential" and node.args:
        return Seq(tuple(one for each in node.args for one in _spread(each, frame)))
    if isinstance(function, Scheme):
        return note_scheme(function, node, frame) or UNKNOWN
    if isinstance(function, Function):
        return enter(function, node, frame)
    home = class_named(dotted(node.func), frame.outline)
    if home is not None:
        return tree(home, frame)
    send(function, node, frame)
    return Opaque(f"{dotted(node.func)}()")


def _spread(node: ast.expr, frame: Frame) -> tuple[Value, ...]:
    if not isinstance(node, ast.Starred):
        return (evaluate(node, frame),)
    found = evaluate(node.value, frame)
    return found.items if isinstance(found, Seq) else (UNKNOWN,)


def _builtin(name: str, receiver: Value | None, node: ast.Call, frame: Frame) -> Value:
    values = [evaluate(one, frame) for one in node.args]
    if name == "len" and values:
        return size(values[0], 0) if isinstance(values[0], Tensor) else _length(values[0])
    if name == "str" and values:
        digits = whole(values[0])
        return values[0] if isinstance(values[0], Text) else (Text(str(digits)) if digits is not None else UNKNOWN)
    if name == "eval":
        return _evaluated(values, frame)
    subject, key = (receiver, values[:1]) if name == "__getattr__" else (values[0] if values else None, values[1:2])
    if name == "setattr" and len(values) == 3:
        note_replacement(values[0], values[1], values[2], node, frame)
        return UNKNOWN
    if subject is None or not key:
        return UNKNOWN
    if not isinstance(key[0], Text):
        return Klass(frozenset({"LSTM", "GRU", "RNN"})) if subject in (Opaque("nn"), Opaque("torch.nn")) else UNKNOWN
    return _got(subject, key[0].value, node, frame)


def _got(subject: Value, name: str, node: ast.Call, frame: Frame) -> Value:
    if subject in (Opaque("nn"), Opaque("torch.nn")):
        kinds = frame.outline.kinds(ast.Attribute(value=ast.Name(id="nn", ctx=ast.Load()), attr=name, ctx=ast.Load()))
        return Klass(kinds) if kinds else UNKNOWN
    return attribute(subject, name, node, frame) if name.isidentifier() else UNKNOWN


def _length(value: Value) -> Value:
    return Num(len(value.items)) if isinstance(value, Seq) and not value.rest else UNKNOWN


def _evaluated(values: list[Value], frame: Frame) -> Value:
    """`eval("lstm.bias_ih_l0")`: the text is read as source here, and never run."""
    if not values or not isinstance(values[0], Text) or len(values[0].value) > 80:
        return UNKNOWN
    try:
        return evaluate(ast.parse(values[0].value.strip(), mode="eval").body, frame)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return UNKNOWN


def _method(tensor: Tensor, name: str, node: ast.Call, frame: Frame) -> Value:
    if name in _SIZES:
        return _sizes(tensor, name, node, frame)
    if name in _SHAPED:
        return _parts(tensor, name, node, node.args, frame)
    if name in METHODS:
        return note_method(tensor, name, node, frame)
    if name in ("view", "reshape", "view_as"):
        return viewed(tensor, tuple(evaluate(one, frame) for one in node.args))
    if name in ("t", "transpose", "permute", "swapaxes"):
        return replace(tensor, strided=True)
    if name == "narrow" and len(node.args) == 3:
        return part(tensor)
    if name == "contiguous" and tensor.strided:
        return replace(tensor, copied="contiguous")
    if name in _AS_IT_IS:
        return replace(tensor, tracked=tensor.tracked and name != "detach")
    if name in COPIES:
        return replace(tensor, copied=name)
    return UNKNOWN


def _sizes(tensor: Tensor, name: str, node: ast.Call, frame: Frame) -> Value:
    if name in ("dim", "ndimension"):
        return Num(tensor.parameter.dims) if tensor.parameter.dims is not None else UNKNOWN
    axis = whole(evaluate(node.args[0], frame)) if node.args else None
    if name == "size" and axis is None:
        return shape(tensor)
    return size(tensor, axis)


def _parts(tensor: Tensor, name: str, node: ast.Call, args: list[ast.expr], frame: Frame) -> Value:
    words = {word.arg: evaluate(word.value, frame) for word in node.keywords if word.arg}
    given = [evaluate(one, frame) for one in args]
    axis = whole(given[1]) if len(given) > 1 else (whole(words["dim"]) if "dim" in words else 0)
    first = given[0] if given else words.get("chunks") or words.get("split_size_or_sections") or words.get("split_size")
    if first is None or name == "unbind":
        return UNKNOWN
    if name == "split":
        return split(tensor, first, strided=axis != 0)
    count = whole(first)
    if count is None:
        return Seq((part(tensor),), rest=True)
    if tensor.whole and axis == 0:
        frame.journal.add(Chunk(node, tensor, count, frame.narrowed))
    return equal_parts(tensor, count, strided=axis != 0)


