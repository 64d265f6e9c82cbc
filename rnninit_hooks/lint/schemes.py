"""Functions of torch.nn.init as values: kept in a name, a table or an attribute, and called from there."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from rnninit_hooks.lint.core import evaluate
from rnninit_hooks.lint.outline import dotted
from rnninit_hooks.lint.values import Scheme
from rnninit_hooks.lint.writing import INITS, note_init

if TYPE_CHECKING:
    from rnninit_hooks.lint.frames import Frame
    from rnninit_hooks.lint.values import Value

NAMES = frozenset(INITS) | {f"{name}_" for name in INITS if not name.endswith("_")}
_STACK_BLIND = ("orthogonal", "xavier")  # wrong on a stack, whichever of them it is


def scheme(node: ast.Name | ast.Attribute, frame: Frame) -> Scheme | None:
    """`nn.init.orthogonal_` as it stands, or a name imported from torch.nn.init."""
    head, _, rest = dotted(node).partition(".")
    origin = frame.outline.imports.get(head, head if head in ("nn", "torch", "init") else "")
    module, _, name = (f"{origin}.{rest}" if rest else origin).rpartition(".")
    return Scheme(frozenset({name})) if name in NAMES and module.rpartition(".")[2] == "init" else None


def table(name: str, frame: Frame) -> Scheme | None:
    """What a table at the top of the file holds, where all of it are initialisers."""
    found = frame.outline.tables.get(name)
    value = evaluate(found, frame) if found is not None else None
    return value if isinstance(value, Scheme) else None


def note_scheme(chosen: Scheme, node: ast.Call, frame: Frame) -> Value | None:
    """A call of an initialiser by another name; of several, something is only said where all do the same harm."""
    schemes = {INITS.get(name) or INITS[name.rstrip("_")]: name for name in sorted(chosen.names)}
    if len(schemes) == 1:
        return note_init(next(iter(schemes.values())), node, frame)
    return note_init(schemes["orthogonal"], node, frame) if schemes.keys() <= set(_STACK_BLIND) else None
