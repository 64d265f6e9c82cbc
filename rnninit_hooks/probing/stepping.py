"""How to make one step with a recurrent module that nobody told us about: found by trying what its signature allows."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from rnninit_hooks.probing.laboratory import Noise

STATE_NAME = re.compile(r"(h|c|s|m|hx|cx|hc|[hc]_?t|[hc]_?0|[hc]_?tm1)$|.*(state|hidden|prev|memor|cell|carry|hx|past|init).*")
INPUT_SIZES = (
    "input_size", "input_dim", "in_features", "in_channels", "input_channels", "n_inputs", "inp_dim", "dim", "d_model", "n_in",
)  # fmt: skip
STATE_SIZES = (
    "hidden_size", "hidden_dim", "hidden_channels", "state_size", "units", "n_hidden", "hid_dim", "out_channels",
    "out_features", "cell_size", "dim_inner", "dim", "proj_size",
)  # fmt: skip
MOST_TRIES = 6000


@dataclass(frozen=True)
class Form:
    """How states are handed over: `pack` builds the arguments after the input, from the states."""

    words: str
    states: int
    pack: Callable[[Sequence[Tensor]], tuple[Any, ...]]


FORMS = (
    Form("(h, c)", 2, lambda s: (tuple(s),)),
    Form("h, c", 2, tuple),
    Form("[h, c]", 2, lambda s: (list(s),)),
    Form("h", 1, tuple),
    Form("(h,)", 1, lambda s: (tuple(s),)),
    Form("[h]", 1, lambda s: (list(s),)),
)


@dataclass(frozen=True)
class Step:
    """One step of a module: shapes of input and states (batch 1, one time step), and how to call it."""

    input: tuple[int, ...]
    states: tuple[tuple[int, ...], ...]
    form: Form
    names: tuple[str, ...]
    guessed: bool = False
    """True when no name tells which argument is the input and which the state."""

    def __call__(self, module: nn.Module, x: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
        """Every floating point tensor of what the module returns, in order, each once."""
        rest = self.form.pack(states)
        named = dict(zip(self.names, (x, *rest), strict=True)) if self.names else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = module(**named) if named else module(x, *rest)
        return list(_tensors(found))

    def __str__(self) -> str:
        sizes = ", ".join(str(list(shape)) for shape in self.states)
        return f"called as (x, {self.form.words}) with x {list(self.input)}, states {sizes}"


def _tensors(found: Any) -> Iterator[Tensor]:
    if isinstance(found, Tensor):
        if found.is_floating_point():
            yield found
    elif isinstance(found, list | tuple):
        for part in found:
            yield from _tensors(part)
    elif isinstance(found, dict):
        for part in found.values():
            yield from _tensors(part)


def find_step(module: nn.Module, layers: int = 1) -> Step | None:
    """The way to make one step, or None when nothing that was tried runs and depends on input and states.

    `layers` is how many layers and directions share one state tensor.
    """
    for tries, candidate in enumerate(_candidates(module, layers)):
        if tries > MOST_TRIES:
            return None
        if _works(module, candidate):
            return candidate
    return None


def _candidates(module: nn.Module, layers: int) -> Iterator[Step]:
    names, states, guessed = _arguments(module)
    if names is None:
        return
    forms = [form for form in FORMS if _takes(form, states)]
    for (given, size), rank in product(_size_pairs(module), _ranks(module, layers)):
        for form in forms:
            if form.states <= len(size):
                for input_shape, state_shape in rank:
                    shapes = tuple(state_shape(one) for one in size[: form.states])
                    yield Step(input_shape(given), shapes, form, names if len(names) == 1 + _arity(form) else (), guessed)


def _size_pairs(module: nn.Module) -> Iterator[tuple[int, tuple[int, int]]]:
    """Input size and the sizes of two states, likely ones first: equal states, then those that some parameter has."""
    extents = list(dict.fromkeys(extent for p in module.parameters() for extent in p.shape if extent > 0))
    parts = [extent // count for extent in extents for count in (2, 3, 4, 5, 6) if extent % count == 0]
    said = _said(module, STATE_SIZES)
    for size in list(dict.fromkeys([*said, *extents, *parts]))[:20]:
        yield from ((given, (size, size)) for given in _inputs(module, extents, size))
    whole = list(dict.fromkeys([*said, *extents]))[:8]
    for one, two in product(whole, whole):
        if one != two:
            yield from ((given, (one, two)) for given in _inputs(module, extents, one))


def _inputs(module: nn.Module, extents: Sequence[int], size: int) -> list[int]:
    """Input sizes to try: what attributes say, what parameters have, what is left of concatenated columns."""
    rests = [extent - size for extent in extents if extent > size]
    return list(dict.fromkeys([*_said(module, INPUT_SIZES), *extents[:10], *rests[:10]]))


def _said(module: nn.Module, names: Sequence[str]) -> list[int]:
    found = (getattr(module, name, None) for name in names)
    return [value for value in found if isinstance(value, int) and not isinstance(value, bool) and value > 0]


def _arity(form: Form) -> int:
    return len(form.pack([torch.empty(0)] * form.states))


def _takes(form: Form, states: int) -> bool:
    return states == 0 or (_arity(form) == states)


def _arguments(module: nn.Module) -> tuple[tuple[str, ...] | None, int, bool]:
    """Names of the input and of the states, how many states, and whether names left it open which is which.

    No names, (), where positions must do; None where it takes no state.
    """
    call = getattr(module, "call", None)
    try:
        signature = inspect.signature(call if callable(call) else module.forward)
    except (TypeError, ValueError):
        return (), 0, True
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.KEYWORD_ONLY)
    flags = (bool, int, float, str)  # which are neither an input nor a state
    given = [p for p in signature.parameters.values() if p.kind in kinds and not isinstance(p.default, flags)]
    if len(given) < 2:
        open_ended = any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values())
        return ((), 0, True) if open_ended else (None, 0, False)
    required = [p.name for p in given if p.default is p.empty]
    states = [p.name for p in given if STATE_NAME.match(p.name) and p.name not in ("input", "inputs")]
    others = [name for name in required if name not in states]
    guessed = not states or len(others) != 1
    if not others:
        others, states = states[:1], states[1:]
    if len(others) > 1:
        others, states = others[:1], [*others[1:], *states]
    needed = [name for name in states if name in required] or states[:2]
    if not needed:
        needed = [given[1].name]
    return (others[0], *needed[:2]), len(needed[:2]), guessed


Shape = Callable[[int], tuple[int, ...]]


def _ranks(module: nn.Module, layers: int) -> list[list[tuple[Shape, Shape]]]:
    """Ranks of input and state to try: a cell, an image of one pixel, a sequence of one step."""
    deepest = max((p.dim() for p in module.parameters()), default=1)
    cell: list[tuple[Shape, Shape]] = [(lambda n: (1, n), lambda n: (1, n))]
    image: list[tuple[Shape, Shape]] = [(lambda n: (1, n, *(1,) * (deepest - 2)), lambda n: (1, n, *(1,) * (deepest - 2)))]
    sequence: list[tuple[Shape, Shape]] = [
        (lambda n: (1, 1, n), lambda n: (layers, 1, n)), (lambda n: (1, 1, n), lambda n: (1, n)),
    ]  # fmt: skip
    if layers > 1:
        return [sequence[:1]]
    convolves = deepest > 2 and any(isinstance(part, nn.Conv1d | nn.Conv2d | nn.Conv3d) for part in module.modules())
    return [image] if convolves else [cell, sequence]


def _works(module: nn.Module, step: Step) -> bool:
    noise = Noise(0)
    x = noise.of(*step.input).requires_grad_()
    states = [noise.of(*shape).requires_grad_() for shape in step.states]
    try:
        outputs = step(module, x, states)
        wanted = [output for output in outputs if any(output.numel() == state.numel() for state in states)]
        total = sum((output.sum() for output in wanted), torch.zeros((), dtype=torch.float64))
        grads = torch.autograd.grad(total, [x, *states], allow_unused=True) if total.requires_grad else [None]
    except Exception:  # whatever an unknown module raises for arguments that it does not take
        return False
    return bool(wanted) and all(grad is not None and bool(grad.abs().sum() > 0) for grad in grads)
