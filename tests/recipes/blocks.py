"""Blocks and recipes to test with, one by one and as hypothesis strategies."""

from __future__ import annotations

import math
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from rnninit_hooks.recipes.base import Block, Recipe
from rnninit_hooks.recipes.draws import Keyed
from rnninit_hooks.recipes.registry import find

DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
RANDOM = [
    "uniform",
    "normal",
    "trunc_normal",
    "hidden_uniform",
    "xavier_uniform",
    "xavier_normal",
    "kaiming_uniform",
    "kaiming_normal",
    "lecun_uniform",
    "lecun_normal",
]
MEASURED = ["critical_gain", "lag_gradient", "lsuv"]
MEMORY = ("retention", "timescale", "lag_gradient")  # these refuse what is no bias, and fill and judge it all the same
NEEDED: dict[str, dict[str, Any]] = {
    "constant": {"value": 0.5},
    "uniform": {"low": -0.3, "high": 0.7},
    "normal": {"std": 0.2},
    "trunc_normal": {"std": 0.2},
    "retention": {"value": 0.9},
    "timescale": {"steps": 10.0},
    "lag_gradient": {"steps": 10},
    "chrono": {"t_max": 50.0},
    "log_spaced": {"t_max": 50.0},
    "bias_for_lag": {"value": 0.1, "steps": 100.0},
    "power_law": {"high": 5.0, "low": -7.0, "exponent": 1.3},
    "linspace": {"low": -0.5, "high": 2.0},
    "indrnn": {"steps": 20},
    "sparse": {"nonzero": 1, "std": 0.2},
    "spectral_radius": {"radius": 0.9},
    "singular_values": {"low": 0.8, "high": 1.1},
    "antisymmetric": {"gain": 1.0, "gamma": 0.01},
    "exprnn": {"skew": "cayley"},
    "householder": {"reflections": 3},
}


def block(*shape: int, address: str = "rnn.weight_hh_l0[forget]", **facts: Any) -> Block:
    """A block with the fans of its shape and a hidden size."""
    if len(shape) > 1:
        kernel = math.prod(shape[2:])
        facts = {"fan_in": shape[1] * kernel, "fan_out": shape[0] * kernel, **facts}
    return Block(address, shape, **{"hidden_size": shape[0] if shape else 1, "polarity": 1, **facts})


def fitting(kind: str, size: int) -> Block:
    """A block of this size that the recipe takes: square where it may be, else a vector, a convolution or a recurrent gate."""
    recurrent = {"kind": "recurrent", "gate": "cell", "group": "recurrent_l0[*]", "peers": ("input", "forget", "cell", "output")}
    shapes = (block(size, size), block(size * size), block(size, size, 3), block(size, size, **recurrent))
    return next((of for of in shapes if kind in MEMORY or example(kind).refuse(of) is None), shapes[0])


def example(kind: str, **fields: Any) -> Recipe:
    """A recipe of this kind with the fields that it needs."""
    return find(kind)(**{**NEEDED.get(kind, {}), **fields})


def filled(recipe: Recipe, of: Block, seed: int = 0) -> Tensor:
    """What the recipe draws on this block."""
    return recipe.fill(of, Keyed(seed, of.address))


def stored(value: Tensor, dtype: torch.dtype) -> Tensor:
    """A value as a parameter of this dtype gives it back: rounded to float32, to the dtype, and widened."""
    return value.to(dtype if dtype == torch.float64 else torch.float32).to(dtype).to(torch.float64)


_size = st.integers(1, 65)
shapes = st.one_of(
    st.tuples(_size),
    st.tuples(_size, _size),
    _size.map(lambda n: (n, n)),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5)),
    st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3)),
)
_positive = st.floats(0.01, 10.0)
_any = st.floats(-10.0, 10.0)
blocks = st.builds(lambda shape, hidden: block(*shape, hidden_size=hidden), shapes, st.integers(1, 65))
random_recipes: st.SearchStrategy[Recipe] = st.one_of(
    st.builds(lambda low, width: example("uniform", low=low, high=low + width), _any, _positive),
    st.builds(lambda mean, std: example("normal", mean=mean, std=std), _any, _positive),
    st.builds(
        lambda mean, std, low, high, corrected: example("trunc_normal", mean=mean, std=std, low=low, high=high, corrected=corrected),
        _any, _positive, st.floats(-4.0, 0.5), st.floats(0.7, 4.0), st.booleans(),
    ),
    st.builds(lambda scale: example("hidden_uniform", scale=scale), _positive),
    st.builds(lambda kind, gain: example(kind, gain=gain), st.sampled_from(["xavier_uniform", "xavier_normal", "lecun_uniform", "lecun_normal"]), _positive),
    st.builds(
        lambda kind, a, mode: example(kind, a=a, mode=mode),
        st.sampled_from(["kaiming_uniform", "kaiming_normal"]), st.floats(0.0, 3.0), st.sampled_from(["fan_in", "fan_out"]),
    ),
)  # fmt: skip
exact_recipes: st.SearchStrategy[Recipe] = st.one_of(
    st.sampled_from([find("zeros")(), find("ones")()]),
    st.builds(lambda value: example("constant", value=value), st.floats(-1000.0, 1000.0)),
    st.builds(lambda gain: example("identity", gain=gain), _any),
    st.builds(lambda gain: example("orthogonal", gain=gain), _positive),
)
