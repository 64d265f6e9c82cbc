"""The two tables of the interpreter: how an expression becomes a value, how a statement changes a frame."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from rnninit_hooks.lint.frames import DEEPEST
from rnninit_hooks.lint.outline import dotted
from rnninit_hooks.lint.values import UNKNOWN, Opaque, Value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rnninit_hooks.lint.frames import Frame

T = TypeVar("T")
_VALUES: dict[type[ast.AST], Callable[[Any, Frame], Value]] = {}
_EFFECTS: dict[type[ast.AST], Callable[[Any, Frame], bool]] = {}


def evaluates(*kinds: type[ast.AST]) -> Callable[[Callable[[Any, Frame], Value]], Callable[[Any, Frame], Value]]:
    """Register how expressions of some kinds are read."""

    def register(reader: Callable[[Any, Frame], Value]) -> Callable[[Any, Frame], Value]:
        _VALUES.update(dict.fromkeys(kinds, reader))
        return reader

    return register


def executes(*kinds: type[ast.AST]) -> Callable[[Callable[[Any, Frame], bool]], Callable[[Any, Frame], bool]]:
    """Register what statements of some kinds do; the result says whether the block ends there."""

    def register(runner: Callable[[Any, Frame], bool]) -> Callable[[Any, Frame], bool]:
        _EFFECTS.update(dict.fromkeys(kinds, runner))
        return runner

    return register


def evaluate(node: ast.AST | None, frame: Frame) -> Value:
    """The value of an expression, as far as it is known; code deeper than people write is unknown."""
    reader = None if node is None else _VALUES.get(type(node))
    frame.budget.spend()
    if node is None or reader is None or frame.budget.depth >= DEEPEST:
        return UNKNOWN
    return _deeper(reader, node, frame)


def run(body: Iterable[ast.stmt], frame: Frame) -> bool:
    """Follow a block; true when it ends early, by `return`, `raise`, `continue` or `break`."""
    for node in body:
        runner = _EFFECTS.get(type(node))
        frame.budget.spend()
        if runner is not None and frame.budget.depth < DEEPEST and _deeper(runner, node, frame):
            return True
    return False


def _deeper(handler: Callable[[Any, Frame], T], node: ast.AST, frame: Frame) -> T:
    frame.budget.depth += 1
    try:
        return handler(node, frame)
    finally:
        frame.budget.depth -= 1


def unknown(node: ast.AST) -> Opaque:
    """An unknown value that keeps its own text, so that two readings of one name are equal."""
    return Opaque(dotted(node))
