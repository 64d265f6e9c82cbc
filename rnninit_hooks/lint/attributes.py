"""What an attribute of a known value is: a layer's parameters and sizes, a tensor's data and shape, a child of `self`."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from rnninit_hooks.lint.core import unknown
from rnninit_hooks.lint.events import Read
from rnninit_hooks.lint.hints import kinds_of_name, kinds_of_scope
from rnninit_hooks.lint.neighbours import method_of
from rnninit_hooks.lint.outline import INITIALISERS, dotted
from rnninit_hooks.lint.parameters import every_name, parameter
from rnninit_hooks.lint.tensors import part, shape
from rnninit_hooks.lint.values import (
    CELLS,
    STACKS,
    UNKNOWN,
    Abroad,
    Function,
    Layer,
    Num,
    Opaque,
    Seq,
    Tensor,
    Text,
    Tree,
)  # fmt: skip

if TYPE_CHECKING:
    from rnninit_hooks.lint.frames import Frame
    from rnninit_hooks.lint.values import Value

_PARAMETER = re.compile(r"(?:weight|bias)_(?:ih|hh|hr)(?:_l\d+(?:_reverse)?)?\Z")


def attribute(base: Value, name: str, node: ast.AST, frame: Frame) -> Value:
    """`base.name`."""
    if isinstance(base, Tree):
        return _of_tree(base, name, node, frame)
    if isinstance(base, Layer):
        return of_layer(base, name, node, frame)
    if isinstance(base, Tensor):
        return _of_tensor(base, name)
    if isinstance(base, Opaque):
        return _of_unknown(base, name, node, frame)
    return unknown(node)


def _of_tree(tree: Tree, name: str, node: ast.AST, frame: Frame) -> Value:
    for child, value in tree.children:
        if child == name:
            return value
    own = tree.key == "self" and (tree.home is None or tree.home.own is frame.owner)
    if own and frame.owner is not None and name in frame.owner.methods:
        return Function(frame.owner.methods[name], tree)
    if tree.home is None or not INITIALISERS.search(name):
        return unknown(node)
    found = method_of(tree.home, name)
    if found is None:
        return unknown(node)
    if found.home.outline is frame.outline:
        return Function(found.node, tree)
    return Abroad(found.home.outline.source.file, f"{found.home.own.node.name}.{name}", tree)


def of_layer(layer: Layer, name: str, node: ast.AST, frame: Frame) -> Value:
    """`layer.name`: a parameter, a list of them, or a size."""
    own = parameter(layer, name)
    if own is not None:
        if own.bias and layer.recurrent:
            guarded = "bias" in frame.guarded
            frame.journal.add(Read(node, layer, name, guarded))
        return Tensor(own)
    if name in ("all_weights", "_all_weights", "_flat_weights", "_flat_weights_names") and layer.recurrent:
        return _lists(layer, names=name in ("_all_weights", "_flat_weights_names"), flat="flat" in name)
    if name == "num_layers" and layer.layers is not None:
        return Num(layer.layers)
    if name == "bidirectional" and layer.bidirectional is not None:
        return Num(layer.bidirectional)
    return unknown(node) if dotted(node) else Opaque(f"{layer.key}.{name}")


def _lists(layer: Layer, *, names: bool, flat: bool) -> Value:
    found: list[Value] = []
    for name in every_name(layer):
        own = parameter(layer, name)
        if own is not None:
            found.append(Text(name, layer) if names else Tensor(own, looped=True))
    width = 2 if layer.bias is False else 4
    rows = [Seq(tuple(found[at : at + width])) for at in range(0, len(found), width)]
    return Seq(tuple(found)) if flat else Seq(tuple(rows))


def _of_tensor(tensor: Tensor, name: str) -> Value:
    if name == "data":
        return replace(tensor, tracked=False)
    if name in ("T", "mT"):
        return part(tensor, strided=True) if not tensor.whole else replace(tensor, strided=True)
    if name == "shape":
        return shape(tensor)
    if name == "ndim" and tensor.parameter.dims is not None:
        return Num(tensor.parameter.dims)
    return UNKNOWN


def _of_unknown(base: Opaque, name: str, node: ast.AST, frame: Frame) -> Value:
    """A parameter of a layer that only its name makes known: `lstm.bias_hh_l0` of an argument."""
    own = hinted(base, name, frame)
    if own is None:
        return unknown(node)
    found = parameter(own, name)
    return Tensor(found) if found is not None else unknown(node)


def hinted(base: Opaque, name: str, frame: Frame) -> Layer | None:
    """The recurrent layer that an unknown object must be when it has such a parameter."""
    if not _PARAMETER.match(name) or not base.text or "(" in base.text or base.text in ("self", "cls"):
        return None
    pool = STACKS if "_l" in name else CELLS
    told = kinds_of_scope(frame)
    kinds = (kinds_of_name(base.text, frame.outline) or told or pool) & (pool | STACKS)
    kinds = frozenset(f"{kind}Cell" if pool is CELLS and kind in STACKS else kind for kind in kinds) & pool
    if frame.outline.plain_rnn_only:
        kinds &= {"RNN", "RNNCell"}
    if pool is CELLS and not frame.outline.words & CELLS and not told:
        return None
    return Layer(kinds, base.text, sure=False) if kinds else None
