"""Which parts a class adds to each other: the biases of both are felt as one."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from rnninit_hooks.lint.outline import dotted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.lint.outline import ClassOutline


def sums_of(owner: ClassOutline | None) -> frozenset[frozenset[str]]:
    """Pairs of attributes that some method calls and adds: `self.w_x(x) + self.w_h(h)` gives {w_x, w_h}."""
    return frozenset(_pairs(owner.node)) if owner is not None else frozenset()


def _pairs(node: ast.ClassDef) -> Iterator[frozenset[str]]:
    for one in ast.walk(node):
        if isinstance(one, ast.BinOp) and isinstance(one.op, ast.Add):
            left, right = _called(one.left), _called(one.right)
            if left and right and left != right:
                yield frozenset((left, right))


def _called(node: ast.expr) -> str:
    """The attribute of `self` that is called; the last one of a longer sum."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _called(node.right)
    text = dotted(node.func) if isinstance(node, ast.Call) else ""
    return text.removeprefix("self.") if text.startswith("self.") else ""
