"""Branches: both sides of an undecided `if` are followed, each with what its condition says, and joined again."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from rnninit_hooks.lint.conditions import judge
from rnninit_hooks.lint.core import executes, run
from rnninit_hooks.lint.values import Tensor, Text, joined

if TYPE_CHECKING:
    from rnninit_hooks.lint.class_tests import Verdict
    from rnninit_hooks.lint.frames import Frame
    from rnninit_hooks.lint.values import Value

_CELL_WORDS = ("lstm", "gru", "rnn", "bilstm", "bigru")


@executes(ast.If)
def _if(node: ast.If, frame: Frame) -> bool:
    """A chain of `elif` is followed in a loop: a thousand of them are no deeper than one."""
    branches: list[tuple[Frame, bool]] = []
    current, rest = frame, node
    while True:
        verdict = judge(rest.test, current)
        if verdict.truth is not False:
            taken = _side(rest, verdict, current, side=True) if verdict.truth is None else current
            _learn(taken, verdict.yes)
            branches.append((taken, run(rest.body, taken)))
        if verdict.truth is True:
            break
        current = _side(rest, verdict, current, side=False) if verdict.truth is None else current
        if len(rest.orelse) == 1 and isinstance(rest.orelse[0], ast.If):
            rest = rest.orelse[0]
            continue
        branches.append((current, run(rest.orelse, current)))
        break
    return merge(frame, branches)


def _learn(frame: Frame, known: dict[str, Value]) -> None:
    frame.names.update({key: value for key, value in known.items() if key})


def _side(node: ast.If, verdict: Verdict, frame: Frame, *, side: bool) -> Frame:
    """One branch of an undecided `if`, with what its condition says there."""
    kinds = verdict.kinds if side else verdict.unkinds
    narrowed = frame.narrowed if kinds is None else (kinds if frame.narrowed is None else kinds & frame.narrowed)
    guarded = frame.guarded | ({"bias"} if frame.outline.mentions(node.test).bias else set())
    inner = frame.branch(id(node), side, narrowed=narrowed, guarded=frozenset(guarded))
    inner.doubt = frame.doubt or _about_parameter(node.test, frame) or (len(frame.calls) > 1 and _dispatches(node.test))
    if not side:
        _learn(inner, verdict.no)
    return inner


def _dispatches(test: ast.expr) -> bool:
    """`if kind == "orthogonal"` in a helper: which branch its caller means is not known."""
    if not isinstance(test, ast.Compare):
        return False
    texts = [one.value for one in test.comparators if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return any(text.lower() not in _CELL_WORDS for text in texts)

def _about_parameter(test: ast.expr, frame: Frame) -> bool:
    """Whether what is undecided in a condition asks something of a parameter's name or shape."""
    if isinstance(test, ast.BoolOp):
        return any(judge(one, frame).truth is None and _about_parameter(one, frame) for one in test.values)
    held = [frame.names.get(name) for name in frame.outline.mentions(test).names]
    if any(isinstance(value, Text) and value.owner is not None for value in held):
        return True
    return any(isinstance(value, Tensor) and value.looped for value in held) and "requires_grad" not in ast.unparse(test)[:200]


def merge(frame: Frame, branches: list[tuple[Frame, bool]]) -> bool:
    """Go on with what the branches that do not end agree on; a single one carries its path along."""
    alive = [inner for inner, ended in branches if not ended]
    if not alive:
        return bool(branches)
    if any(inner is frame for inner in alive) and len(alive) == 1:
        return False
    names = dict(alive[0].names)
    for inner in alive[1:]:
        frame.budget.spend(len(names) // 8)
        names = {key: joined(names.get(key), inner.names.get(key)) for key in names.keys() | inner.names.keys()}
    frame.names.clear()
    frame.names.update(names)
    if len(alive) == 1:
        frame.path, frame.narrowed, frame.guarded = alive[0].path, alive[0].narrowed, alive[0].guarded
        frame.doubt = alive[0].doubt
    return False
