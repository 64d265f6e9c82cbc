"""Many starts of one cell, slot by slot, and whether two samples of them come from one distribution."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.dissection import dissect

I, H, DRAWS = 12, 16, 250  # noqa: E741
Array = NDArray[np.float64]
Slots = Mapping[tuple[str, str], Array]
"""By kind and gate: one array (draws, rows, columns), or (draws, rows) for a bias, in `W @ x` orientation."""

LIMIT = 3.5
"""A true pair of n and n values exceeds it with probability at most e exp(-2 · 3.5²) = 6.3e-11 (Wei and Dudley 2012, theorem
1, two-sample Dvoretzky-Kiefer-Wolfowitz): with the 1,000 comparisons of these files together below 1e-7."""


def distance(one: Array, other: Array) -> float:
    """sqrt(n / 2) times the greatest distance of two empirical distribution functions of n values each."""
    first, second = np.sort(one.ravel()), np.sort(other.ravel())
    assert first.size == second.size
    every = np.concatenate([first, second])
    counts = [np.searchsorted(sample, every, side="right") / sample.size for sample in (first, second)]
    return math.sqrt(first.size / 2.0) * float(np.abs(counts[0] - counts[1]).max())


def slots_of(modules: nn.ModuleList) -> Slots:
    """What every module of a list holds, by kind and gate."""
    found: dict[tuple[str, str], list[Array]] = {}
    for slot in dissect(modules).slots:
        if slot.kind is not None:
            found.setdefault((slot.kind, str(slot.gate)), []).append(slot.value().numpy())
    return {key: np.stack(values) for key, values in found.items()}


@cache
def ours(preset: str, cell: type[nn.Module]) -> Slots:
    """What a preset draws for many modules at once: each has its own address, so its own numbers."""
    modules = nn.ModuleList([cell(I, H) for _ in range(DRAWS)])
    ri.apply(modules, ri.loads(f"version: 1\nextends: builtin:{preset}\n"))
    return slots_of(modules)


def features(matrices: Array) -> dict[str, Array]:
    """Numbers of which one draw gives one each, so that they are independent between draws."""
    norms = np.linalg.norm(matrices, axis=(1, 2))
    found = {"corner": matrices[:, 0, 0], "middle": matrices[:, 3, 5], "sum": matrices.sum((1, 2)), "norm": norms}
    if matrices.shape[1] == matrices.shape[2]:
        found["trace"] = np.trace(matrices, axis1=1, axis2=2)
        found["alignment"] = np.einsum("nij,nij->n", matrices, np.swapaxes(matrices, 1, 2))
        found["gain"] = np.linalg.norm(matrices, ord=2, axis=(1, 2))
    return {name: np.round(values, 5) for name, values in found.items()}


def stack_residual(slots: Slots, gates: tuple[str, ...]) -> float:
    """How far the recurrent blocks of all gates together are from orthonormal columns."""
    stack = np.concatenate([slots["recurrent", gate] for gate in gates], axis=1)
    return float(np.abs(np.swapaxes(stack, 1, 2) @ stack - np.eye(stack.shape[2])).max())


def block_residual(slots: Slots, gate: str) -> float:
    """How far one gate's recurrent block is from orthogonal, in the worst draw."""
    block = slots["recurrent", gate]
    return float(np.abs(np.swapaxes(block, 1, 2) @ block - np.eye(block.shape[2])).max())


def unlike(one: Slots, other: Slots, *, independent: tuple[str, ...]) -> list[str]:
    """Where two collections of starts differ: elements of the `independent` kinds, features of all matrices, biases exactly."""
    assert one.keys() == other.keys(), (sorted(one), sorted(other))
    said = [f"{kind} {gate}" for kind, gate in one if kind == "bias" and not same_bias(one[kind, gate], other[kind, gate])]
    for (kind, gate), values in one.items():
        if kind in independent and distance(values, other[kind, gate]) > LIMIT:
            said.append(f"{kind} {gate}: elements")
        if kind != "bias":
            pair = (features(values), features(other[kind, gate]))
            said += [f"{kind} {gate}: {name}" for name in pair[0] if distance(pair[0][name], pair[1][name]) > LIMIT]
    return said


def same_bias(one: Array, other: Array) -> bool:
    """One and the same constant everywhere: biases that frameworks draw at random are none of these files' matter."""
    return np.unique(one).size == 1 and np.array_equal(np.unique(one), np.unique(other))
