"""When things happen to whole modules: a checkpoint is loaded, everything is initialised, a name is bound anew."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from rnninit_hooks.lint.events import Moment
from rnninit_hooks.lint.outline import dotted

if TYPE_CHECKING:
    from rnninit_hooks.lint.frames import Frame

_NO_MODEL = re.compile(r"optim|opt\b|sched|scaler|ema|sampler|loader|criterion|loss", re.IGNORECASE)
_INIT = re.compile(
    r"_?(?:re)?(?:init|initiali[sz]e|weights?_init|reset)_?(?:all|net|network|model|module|weights?|params?|parameters)?"
    r"(?:_(?:normal|xavier|kaiming|orthogonal|uniform|weights?|rnn|lstm|gru))?_?\Z"
)
_METHOD = re.compile(r"_?(?:init|initiali[sz]e|reset)_?(?:weights?|params?|parameters)_?\Z")
_ASKS_CHECKPOINT = re.compile(r"pretrain|checkpoint|ckpt|resume|path|file", re.IGNORECASE)


def note_moment(node: ast.Call, name: str, frame: Frame) -> None:
    """Note a call that loads or initialises a whole object."""
    receiver = dotted(node.func.value) if isinstance(node.func, ast.Attribute) else ""
    if name == "load_state_dict" and receiver and not _NO_MODEL.search(receiver):
        _add(node, "load", receiver, frame)
    elif receiver and _initialises(name, receiver, node):
        _add(node, "init", receiver, frame)
    elif _INIT.match(name) and _of_this_file(receiver, frame) and _names_one(node) and not _asks(node):
        _add(node, "init", dotted(node.args[0]), frame)


def _of_this_file(receiver: str, frame: Frame) -> bool:
    """A function, of this module or of another, or a method of `self`; what other objects do to a model they know best."""
    head = receiver.partition(".")[0]
    return receiver in ("", "self", "cls") or (head != "self" and head in frame.outline.imports)


def _names_one(node: ast.Call) -> bool:
    return len(node.args) == 1 and bool(dotted(node.args[0]))


def _initialises(name: str, receiver: str, node: ast.Call) -> bool:
    """`model.apply(init)`, `model.init_weights()`; what a module does to itself is its own affair."""
    if name == "apply":
        return len(node.args) == 1 and _is_init(node.args[0])
    return receiver != "self" and bool(_METHOD.match(name)) and not node.args and not _asks(node)


def _is_init(node: ast.expr) -> bool:
    name = dotted(node).rpartition(".")[2]
    return bool(_INIT.match(name) or _METHOD.match(name))


def _asks(node: ast.Call) -> bool:
    return any(word.arg is None or _ASKS_CHECKPOINT.search(word.arg) for word in node.keywords)


def _add(node: ast.AST, kind: str, key: str, frame: Frame) -> None:
    frame.journal.add(Moment(node, kind, f"{len(frame.calls)}:{frame.scope}:{key}", frame.path, key))


def note_binding(node: ast.AST, text: str, frame: Frame) -> None:
    """A name bound anew is another object; only worth noting after a load."""
    if frame.journal.has_moments:
        _add(node, "bind", text, frame)
