"""Blocks and recipes to test with, one by one and as hypothesis strategies."""

from __future__ import annotations

import math
from collections.abc import Callable
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
    "scaled_trunc_normal",
    "lecun_trunc_normal",
    "joint_lecun_trunc_normal",
    "joint_xavier_uniform",
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
    "hippo": {"measure": "legs"},
    "log_uniform": {"low": 0.001, "high": 0.1},
    "pretrained": {"path": "weights.safetensors"},
    "prior": {"counts": [3.0, 1.0]},
    "rwkv_decay": {"version": "v6", "layers": 4, "layer": 1},
    "wang_init": {"layers": 6},
    "joint_xavier_uniform": {"gates": 4},
}


def _bias(n: int) -> Block:
    facts = {"kind": "bias", "gate": "forget", "group": "bias_l0[*]", "peers": ("input", "forget", "cell", "output")}
    return block(n * n, **facts)


HOMES: dict[str, Callable[[int], Block]] = {
    **dict.fromkeys(["chrono", "uniform_gate", "log_spaced", "bias_for_lag", "power_law"], _bias),
    "lru_ring": lambda n: block(n, n, address="lru.nu_log"),
    "prior": lambda n: block(2, address="head.bias"),
    "rwkv_decay": lambda n: block(1, n + 1, address="att.time_decay"),
    "s4d_lin": lambda n: block(n, n, address="kernel.A_imag"),
}
ELSEWHERE = ("keep", "pretrained")
"""Kinds that nothing can be said of without a model's values or a file's."""


def block(*shape: int, address: str = "rnn.weight_hh_l0[forget]", **facts: Any) -> Block:
    """A block with the fans of its shape and a hidden size."""
    if len(shape) > 1:
        kernel = math.prod(shape[2:])
        facts = {"fan_in": shape[1] * kernel, "fan_out": shape[0] * kernel, "joint_in": 2 * shape[1] * kernel, "gate": "forget", **facts}
    return Block(address, shape, **{"hidden_size": shape[0] if shape else 1, "polarity": 1, **facts})


def fitting(kind: str, size: int) -> Block:
    """A block of this size that the recipe takes: square where it may be, else a vector, a convolution or a recurrent gate."""
    if kind in HOMES:
        return HOMES[kind](size)
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
    st.builds(lambda low, width, log: example("log_uniform", low=low, high=low + width, as_log=log), _positive, _positive, st.booleans()),
    st.builds(lambda low, width: example("mamba_dt_bias", low=low, high=low + width), _positive, _positive),
    st.builds(lambda low, width: example("mamba2_a_log", low=low, high=low + width), _positive, _positive),
    st.builds(lambda low, width: example("rg_lru", r_min=low, r_max=low + width), st.floats(0.0, 0.5), st.floats(0.01, 0.5)),
    st.builds(lambda dim: example("small_init", dim=dim), st.integers(1, 999)),
    st.builds(lambda dim, layers: example("wang_init", dim=dim, layers=layers), st.integers(1, 999), st.integers(1, 99)),
    st.builds(
        lambda scale, mode, corrected: example("scaled_trunc_normal", scale=scale, mode=mode, corrected=corrected),
        _positive, st.sampled_from(["fan_in", "fan_out", "fan_avg"]), st.booleans(),
    ),
    st.builds(lambda scale: example("hidden_uniform", scale=scale), _positive),
    st.builds(lambda kind, gain: example(kind, gain=gain), st.sampled_from(["xavier_uniform", "xavier_normal", "lecun_uniform", "lecun_normal"]), _positive),
    st.builds(lambda kind, gain, corrected: example(kind, gain=gain, corrected=corrected), st.sampled_from(["lecun_trunc_normal", "joint_lecun_trunc_normal"]), _positive, st.booleans()),
    st.builds(lambda gates, gain: example("joint_xavier_uniform", gates=gates, gain=gain), st.integers(1, 5), _positive),
    st.builds(
        lambda kind, a, mode: example(kind, a=a, mode=mode),
        st.sampled_from(["kaiming_uniform", "kaiming_normal"]), st.floats(0.0, 3.0), st.sampled_from(["fan_in", "fan_out"]),
    ),
)  # fmt: skip
exact_recipes: st.SearchStrategy[Recipe] = st.one_of(
    st.sampled_from([find("zeros")(), find("ones")()]),
    st.builds(lambda value: example("constant", value=value), st.floats(-1000.0, 1000.0)),
    st.builds(lambda gain: example("identity", gain=gain), _any),
    st.builds(lambda measure, window: example("hippo", measure=measure, window=1.0 if measure == "legs" else window), st.sampled_from(["legs", "legt", "lmu"]), _positive),
    st.builds(lambda version, layer: example("rwkv_decay", version=version, layer=layer), st.sampled_from(["v4", "v5", "v6"]), st.integers(0, 3)),
    st.just(find("s4d_real")()),
    st.builds(lambda gain: example("orthogonal", gain=gain), _positive),
)
