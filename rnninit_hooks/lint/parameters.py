"""The parameters that torch's recurrent modules have, by name; other layers as far as a rule of the lint asks for them."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from rnninit_hooks.lint.values import CELLS, GATES, STACKS, Layer, Parameter, Part, Seq, Tensor, Text, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.lint.values import Value

_NAME = re.compile(r"(weight|bias)_(ih|hh|hr)(?:_l(\d+)(_reverse)?)?\Z")
_NORMS = frozenset({"Norm"})
_DEEPEST, _WIDEST = 4, 12  # a list may hold itself, twice, and so on


def parameter(owner: Layer, name: str) -> Parameter | None:
    """The parameter of that name, or None where the layer has none such.

    >>> parameter(Layer(frozenset({"LSTM"})), "bias_hh_l1_reverse").layer
    1
    """
    if not owner.recurrent:
        return _plain(owner, name)
    match = _NAME.match(name)
    if match is None or (match[1] == "bias" and match[2] == "hr") or not _fits(owner, match[3] is not None):
        return None
    part: Part = match[2]  # type: ignore[assignment]
    bias = match[1] == "bias"
    gates = {GATES[kind] for kind in owner.kinds}
    known = next(iter(gates)) if len(gates) == 1 and part != "hr" else None
    return Parameter(owner, name, bias, part, int(match[3] or 0), bool(match[4]), 1 if bias else 2, known)


def _fits(owner: Layer, has_layer: bool) -> bool:
    return bool(owner.kinds & (STACKS if has_layer else CELLS))


def _plain(owner: Layer, name: str) -> Parameter | None:
    if name not in ("weight", "bias") or owner.kinds & {"Bare"} or (name == "bias" and owner.bias is not True):
        return None
    dims = 1 if name == "bias" or owner.kinds & _NORMS else 2
    return Parameter(owner, name, name == "bias", "other", dims=dims, gates=owner.gates)


def every_name(owner: Layer) -> Iterator[str]:
    """The names of a layer's parameters; a layer of unknown depth has two layers and two directions, to try code on."""
    if not owner.recurrent:
        yield from ("weight", "bias")
        return
    if owner.kinds & STACKS:
        depth = min(owner.layers or 2, 3)
        sides = ("",) if owner.bidirectional is False else ("", "_reverse")
        for index, side in product(range(depth), sides):
            yield from (f"{name}_l{index}{side}" for name in _names(owner))
    else:
        yield from _names(owner)


def _names(owner: Layer) -> tuple[str, ...]:
    biases = () if owner.bias is False else ("bias_ih", "bias_hh")
    return ("weight_ih", "weight_hh", *biases)


def named(module: Layer | Tree, *, depth: int = _DEEPEST) -> Iterator[tuple[Text, Tensor]]:
    """What `named_parameters()` gives, as far as it is known; no deeper than `depth` modules."""
    if isinstance(module, Layer):
        for name in every_name(module):
            own = parameter(module, name)
            if own is not None:
                yield Text(module.prefix + name, module), Tensor(own, looped=True)
    elif depth:
        for attribute, child in module.children:
            yield from _of_child(module, attribute, child, depth - 1)


def _of_child(tree: Tree, attribute: str, child: Value, depth: int) -> Iterator[tuple[Text, Tensor]]:
    if isinstance(child, Tensor):
        yield Text(attribute, tree), replace(child, looped=True)
    below = members_tree(child) if isinstance(child, Seq) else child
    if isinstance(below, Layer | Tree):
        for text, tensor in named(below, depth=depth):
            yield Text(f"{attribute}.{text.value}" if attribute else text.value, tree), tensor


def members_tree(modules: Seq) -> Tree:
    """A ModuleList or a Sequential as the module that it is: its members, the first of many, go by their numbers."""
    return Tree("", tuple((str(index), one) for index, one in enumerate(modules.items[:_WIDEST])))


def could_hold(text: str, how: str) -> bool:
    """Whether a parameter name of some torch recurrent module passes a test for a text.

    >>> could_hold("hh_l7", "in"), could_hold("forget", "in"), could_hold("bias", "startswith")
    (True, False, True)
    """
    return any(passes(text, how, name) for name in _universe(text))


def passes(text: str, how: str, name: str) -> bool:
    """One test of a name."""
    if how == "in":
        return text in name
    if how == "==":
        return text == name
    return name.startswith(text) if how == "startswith" else name.endswith(text)


def _universe(text: str) -> Iterator[str]:
    """Every name with the layer number that the text itself asks for."""
    number = re.search(r"\d+", text)
    layers = {"0", "1", "2", number[0] if number else "0"}
    for kind, part in product(("weight", "bias"), ("ih", "hh", "hr")):
        if (kind, part) != ("bias", "hr"):
            yield f"{kind}_{part}"
            for layer, side in product(sorted(layers), ("", "_reverse")):
                yield f"{kind}_{part}_l{layer}{side}"
