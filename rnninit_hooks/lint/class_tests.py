"""Tests of what an object is: `isinstance(m, nn.LSTM)`, `type(m) == OwnCell`, `'LSTM' in m.__class__.__name__`."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rnninit_hooks.lint.core import evaluate
from rnninit_hooks.lint.neighbours import class_named
from rnninit_hooks.lint.outline import dotted
from rnninit_hooks.lint.values import RECURRENT, Layer, Opaque, joined

if TYPE_CHECKING:
    from rnninit_hooks.lint.frames import Frame
    from rnninit_hooks.lint.values import Value

_PLAIN = re.compile(r"(?:I|SIMPLE_?|VANILLA_?)?RNN(?:_(?:TANH|RELU))?\Z")
_CLASS_NAME = re.compile(r"(.+?)\.__class__\.__name__\Z")


@dataclass(frozen=True)
class Verdict:
    """`yes` and `no` hold what names become on either side; `kinds` what a branch for one cell type is about."""

    truth: bool | None = None
    yes: dict[str, Value] = field(default_factory=dict)
    no: dict[str, Value] = field(default_factory=dict)
    kinds: frozenset[str] | None = None
    unkinds: frozenset[str] | None = None


def class_name(value: Opaque, word: str) -> Verdict:
    """`'LSTM' in m.__class__.__name__`, `cell_type == 'LSTM'`."""
    kinds = kinds_of_word(word)
    if kinds is None:
        return Verdict()
    match = _CLASS_NAME.match(value.text)
    others = frozenset({"LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell"}) - kinds
    return Verdict(yes={match[1]: Layer(kinds, match[1])} if match else {}, kinds=kinds, unkinds=others)


def kinds_of_word(word: str) -> frozenset[str] | None:
    """The layers that a word such as `"BiLSTM"` or `"nn.GRU"` means."""
    upper = word.upper().removeprefix("NN.").removesuffix("CELL")
    upper = "RNN" if _PLAIN.match(upper) else upper.removeprefix("BI")
    return frozenset({upper, f"{upper}Cell"}) if upper in ("LSTM", "GRU", "RNN") else None


def typed(node: ast.expr, kinds: frozenset[str], frame: Frame) -> Verdict:
    """`type(m) == nn.LSTM`."""
    if isinstance(node, ast.Call) and dotted(node.func) == "type" and len(node.args) == 1:
        return instance(node.args[0], kinds, frame)
    return Verdict()


def of_project(node: ast.expr, named: Value, frame: Frame) -> Verdict:
    """`isinstance(m, OwnCell)`: an unknown object becomes one of a class of the project."""
    from rnninit_hooks.lint.trees import tree

    home = class_named(named.text, frame.outline) if isinstance(named, Opaque) and named.text else None
    text = dotted(node)
    if home is None or not text or not isinstance(evaluate(node, frame), Opaque):
        return Verdict()
    return Verdict(yes={text: tree(home, frame)})


def instance(node: ast.expr, kinds: frozenset[str], frame: Frame) -> Verdict:
    """`isinstance(node, kinds)`, with what either side then knows of it."""
    text, value = dotted(node), evaluate(node, frame)
    if isinstance(value, Layer) and (value.sure or value.recurrent):
        kinds |= {"Gates"} if "Linear" in kinds else frozenset()  # a Linear that computes several gates
        within, without = value.kinds & kinds, value.kinds - kinds
        truth = None if within and without else bool(within)
        yes: dict[str, Value] = {text: replace(value, kinds=within, sure=True)} if within else {}
        no: dict[str, Value] = {text: replace(value, kinds=without)} if without else {}
        return Verdict(truth if value.built else (truth or None), yes, no, kinds, RECURRENT - kinds)
    parts: list[Value] = [Layer(own, text) for own in (kinds & RECURRENT, kinds - RECURRENT) if own]
    found: dict[str, Value] = {text: joined(parts[0], parts[-1])} if text and parts else {}
    return Verdict(None, found, {}, kinds, RECURRENT - kinds)
