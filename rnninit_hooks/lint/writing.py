"""Initialisations, as they are written: `nn.init` functions, in-place methods, assignments."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from rnninit_hooks.lint.attributes import of_layer
from rnninit_hooks.lint.core import evaluate
from rnninit_hooks.lint.events import Write
from rnninit_hooks.lint.values import UNKNOWN, Draw, Layer, Num, Tensor, Text, Tree

if TYPE_CHECKING:
    from rnninit_hooks.lint.frames import Frame
    from rnninit_hooks.lint.values import Value

INITS = {
    "orthogonal": "orthogonal", "xavier_uniform": "xavier", "xavier_normal": "xavier", "glorot_uniform": "xavier",
    "kaiming_uniform": "kaiming", "kaiming_normal": "kaiming", "eye_": "eye", "constant": "constant", "zeros_": "constant",
    "ones_": "constant", "normal_": "normal", "uniform_": "uniform", "trunc_normal": "normal", "sparse_": "sparse",
    "dirac_": "sparse",
}  # fmt: skip
METHODS = {
    "fill_": "constant", "zero_": "constant", "copy_": "copy", "normal_": "normal", "uniform_": "uniform", "add_": "add",
    "sub_": "add", "mul_": "other", "div_": "other", "clamp_": "other", "exponential_": "other", "random_": "other",
    "fill_diagonal_": "other", "index_fill_": "other", "masked_fill_": "other", "set_": "other",
}  # fmt: skip


def note_init(name: str, node: ast.Call, frame: Frame) -> Value:
    """`nn.init.name(tensor, ...)`; a fresh tensor that it fills becomes a draw of that kind."""
    op = INITS.get(name) or INITS[name.rstrip("_")]
    words = {word.arg: word.value for word in node.keywords if word.arg}
    args = [one for one in node.args if not isinstance(one, ast.Starred)]
    first = args[0] if args else words.pop("tensor", None)
    target = evaluate(first, frame) if first is not None else UNKNOWN
    if isinstance(target, Draw):
        return Draw(op, target.shape)
    if not isinstance(target, Tensor):
        return target
    value = _constant(name, [evaluate(one, frame) for one in args[1:]], words, frame)
    options = tuple((key, evaluate(one, frame)) for key, one in words.items())
    options += tuple((f"#{index}", evaluate(one, frame)) for index, one in enumerate(args[1:], 1))
    note(node, op, target, frame, value=value, how="init", options=options)
    return target


def _constant(name: str, args: list[Value], words: dict[str, ast.expr], frame: Frame) -> Value | None:
    if name.startswith("zeros"):
        return Num(0.0)
    if name.startswith("ones"):
        return Num(1.0)
    if not name.startswith("constant"):
        return None
    return args[0] if args else (evaluate(words["val"], frame) if "val" in words else UNKNOWN)


def note_method(tensor: Tensor, name: str, node: ast.Call, frame: Frame) -> Value:
    """`tensor.fill_(1)` and its kin."""
    values = [evaluate(one, frame) for one in node.args]
    words = {word.arg: evaluate(word.value, frame) for word in node.keywords if word.arg}
    op, value = METHODS[name], Num(0.0) if name == "zero_" else (values[0] if values else words.get("value"))
    if op == "copy":
        op, value = _copied(value)
    options = (*words.items(), *((f"#{index}", one) for index, one in enumerate(values, 1)))
    note(node, op, tensor, frame, value=value, how="method", options=options)
    return tensor


def _copied(value: Value | None) -> tuple[str, Value | None]:
    """What a tensor becomes when it takes over another one."""
    if isinstance(value, Draw):
        fixed = {"zeros": 0.0, "ones": 1.0}.get(value.kind)
        return ("constant", Num(fixed)) if fixed is not None else ({"randn": "normal"}.get(value.kind, value.kind), value)
    return "other", value


def note(
    node: ast.AST, op: str, target: Tensor, frame: Frame, *, value: Value | None, how: str,
    options: tuple[tuple[str, Value], ...] = (),
) -> None:  # fmt: skip
    """Note a write; where a condition about the parameter was undecided, nothing is noted."""
    if frame.doubt:
        return
    frame.journal.add(
        Write(
            node, op, target, value, frame.path, how, grad=target.tracked and not frame.no_grad, caught=frame.caught,
            scope=frame.scope, options=options, narrowed=frame.narrowed, calls=frame.calls,
        )
    )


def note_assignment(node: ast.AST, target: Tensor, value: Value, frame: Frame, *, how: str, added: bool = False) -> None:
    """`x[a:b] = v`, `x.data = v`, `x[a:b] += v`."""
    if added:
        note(node, "add", target, frame, value=value, how=how)
        return
    op, found = _copied(value) if isinstance(value, Draw | Tensor) else ("constant", value)
    note(node, op, target, frame, value=found, how=how)


def note_replacement(subject: Value, key: Value, value: Value, node: ast.AST, frame: Frame) -> None:
    """`setattr(lstm, name, nn.Parameter(...))`, `lstm.weight_hh_l0 = nn.Parameter(...)`."""
    if not isinstance(subject, Layer | Tree) or not isinstance(key, Text):
        return
    own = of_layer(subject, key.value, node, frame) if isinstance(subject, Layer) else UNKNOWN
    if isinstance(own, Tensor):
        op, found = _copied(value) if isinstance(value, Draw) else ("other", value)
        note(node, op, own, frame, value=found, how="replace")
