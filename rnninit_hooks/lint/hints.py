"""What names alone say: a variable called `lstm`, a test for `weight_hh`. Weak evidence, and marked as such."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from rnninit_hooks.lint.values import CELLS, STACKS, Layer

if TYPE_CHECKING:
    from rnninit_hooks.lint.frames import Frame
    from rnninit_hooks.lint.outline import Outline

_WORD = re.compile(r"(?<![a-z])(?:bi|bi_)?(lstm|gru|rnn)(s?_?cells?)?")
_SPECIFIC = re.compile(
    r"weight_(?:hh|ih)|bias_(?:hh|ih)|[\"']_?(?:hh|ih)_?(?:l\d)?[\"']|_all_weights|all_weights"
    r"|//\s*4\s*[:,]\s*\w+\s*//\s*2\b"  # the second quarter of something: the forget gate of an LSTM
)
_WORDS, _RECURRENT = r"[\"']([\w.]{3,80})[\"']", re.compile(r"lstm|gru|rnn")
_PREFIX = re.compile(rf"{_WORDS}\s*(?:not\s+)?in\b|startswith\(\s*{_WORDS}")


def kinds_of_name(text: str, outline: Outline, inside: str = "") -> frozenset[str] | None:
    """The layers that a variable of that name is likely to hold; None for the result of a call, or a name that says nothing.

    `inside` is the class around, which does not hold itself: `self.rnn` of `class ActorRNN`.
    """
    if "(" in text:
        return None
    match = _WORD.search(text.rpartition(".")[2].lower())
    if match is None or _own_class(match[1], outline, inside):
        return None
    if match[2]:
        return CELLS if match[1] == "rnn" else frozenset({f"{match[1].upper()}Cell"})
    return STACKS if match[1] == "rnn" else frozenset({match[1].upper()})


def _own_class(word: str, outline: Outline, inside: str) -> bool:
    """A file that defines its own LSTM means that one, unless it builds torch's too."""
    defined = any(word in name.lower() for name in outline.classes if name != inside)
    return defined and not outline.words & {"LSTM", "GRU", "RNN", "LSTMCell", "GRUCell"}


def guess(text: str, node: ast.AST, frame: Frame) -> tuple[Layer, ...]:
    """The layers that an unknown object may be, judged by its name and by the code that goes over its parameters.

    Empty when nothing speaks for a recurrent one. Where only the code speaks for it, the object may be a whole model,
    and a plain layer comes with it.
    """
    code = segment(node, frame)
    frame.budget.spend(len(code) // 4000)
    inside = frame.owner.node.name if frame.owner is not None and text.startswith("self.") else ""
    kinds = kinds_of_name(text, frame.outline, inside) or kinds_of_scope(frame)
    plain = (Layer(frozenset({"Linear"}), text, sure=False, prefix="fc.", bias=True),) if kinds is None else ()
    if kinds is None and _SPECIFIC.search(code):
        kinds = STACKS
    words = sorted({one or other for one, other in _PREFIX.findall(code) if _RECURRENT.search(one or other)})
    kinds = kinds or next((found for word in words if (found := kinds_of_name(word.strip("."), frame.outline))), None)
    if kinds is None:
        return ()
    if frame.outline.plain_rnn_only:
        kinds = frozenset({"RNN"}) if kinds & STACKS else frozenset({"RNNCell"})
    prefixes = [""] + [f"{word.strip('.')}." for word in words if word.strip(".")]
    return (*(Layer(kinds, text, sure=False, prefix=prefix) for prefix in prefixes[:3]), *plain)


def kinds_of_scope(frame: Frame) -> frozenset[str] | None:
    """The layers that a function named `init_lstm` or `gru_bias` is likely to be given."""
    name = frame.scope.rpartition(".")[2]
    return kinds_of_name(name, frame.outline) if re.search(r"init|forget|bias|reset", name) else None


def segment(node: ast.AST, frame: Frame) -> str:
    """The source lines that a node covers."""
    first, last = getattr(node, "lineno", 1), getattr(node, "end_lineno", None) or getattr(node, "lineno", 1)
    return "\n".join(frame.outline.source.lines[first - 1 : last])


def lines_of(outline: Outline, functions: tuple[int, ...]) -> str:
    """The source of some functions of a file, by identity."""
    own = [*outline.functions.values(), *(one for each in outline.classes.values() for one in each.methods.values())]
    found = [node for node in own if id(node) in functions]
    return "\n".join("\n".join(outline.source.lines[node.lineno - 1 : node.end_lineno]) for node in found)
