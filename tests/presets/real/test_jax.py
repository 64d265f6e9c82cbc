"""The presets `flax` and `haiku` against Flax linen and dm-haiku: distributions, structure, and what both compute."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import nn

import rnninit_hooks as ri
from tests.presets.real.draws import DRAWS, H, I, block_residual, ours, stack_residual, unlike

if find_spec("jax") is None:
    pytest.skip("jax is not installed", allow_module_level=True)

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]
GATES = {nn.LSTM: ("input", "forget", "cell", "output"), nn.GRU: ("reset", "update", "new"), nn.RNN: ("hidden",)}
LETTERS = {"i": "input", "f": "forget", "g": "cell", "o": "output", "r": "reset", "z": "update", "n": "new"}


def arrays(tree):
    return {"/".join(key.key for key in path): np.asarray(value, dtype=np.float64) for path, value in leaves(tree)}


def leaves(tree):
    import jax

    return jax.tree_util.tree_flatten_with_path(tree)[0]


@cache
def flax(name):
    """Many starts of a Flax cell as slots; both biases of `new` stand one after the other."""
    import flax.linen
    import jax

    cell = getattr(flax.linen, name)(features=H)
    x = np.zeros((1, I), np.float32)
    carry = cell.initialize_carry(jax.random.key(0), x.shape)
    tree = jax.vmap(lambda key: cell.init(key, carry, x)["params"])(jax.random.split(jax.random.key(5), DRAWS))
    found = {}
    for leaf, value in arrays(tree).items():
        key, values = flax_slot(leaf, value)
        found[key] = np.concatenate([found[key], values]) if key in found else values
    return found


def flax_slot(leaf, value):
    dense, what = leaf.split("/")
    gate = LETTERS[dense[1]] if len(dense) == 2 else "hidden"
    kind = "bias" if what == "bias" else {"i": "input", "h": "recurrent"}[dense[0]]
    return (kind, gate), np.swapaxes(value, 1, 2) if kind != "bias" else value


@cache
def haiku(name):
    """Many starts of a Haiku core as slots: joint matrices cut, orders of gates named, what forward adds counted in."""
    import haiku as hk
    import jax

    def step(x):
        core = getattr(hk, name)(H)
        return core(x, core.initial_state(1))

    start = hk.transform(step)
    tree = jax.vmap(lambda key: start.init(key, np.zeros((1, I), np.float32)))(jax.random.split(jax.random.key(6), DRAWS))
    found = {leaf.partition("/")[2]: value for leaf, value in arrays(tree).items()}
    return dict(HAIKU[name](found))


def blocks(kind, matrix, gates):
    for gate, block in zip(gates, np.split(matrix, len(gates), axis=-1), strict=True):
        yield (kind, gate), np.swapaxes(block, 1, 2) if kind != "bias" else block


def haiku_lstm(found):
    order, joint = ("input", "cell", "forget", "output"), found["linear/w"]
    yield from blocks("input", joint[:, :I], order)
    yield from blocks("recurrent", joint[:, I:], order)
    yield from (((k, gate), value + float(gate == "forget")) for (k, gate), value in blocks("bias", found["linear/b"], order))


def haiku_gru(found):
    for kind, leaf in (("input", "w_i"), ("recurrent", "w_h"), ("bias", "b")):
        yield from blocks(kind, found[leaf], ("update", "reset", "new"))


def haiku_rnn(found):
    yield from blocks("input", found["linear/w"], ("hidden",))
    yield from blocks("recurrent", found["linear_1/w"], ("hidden",))
    yield ("bias", "hidden"), found["linear/b"] + found["linear_1/b"]


HAIKU = {"LSTM": haiku_lstm, "GRU": haiku_gru, "VanillaRNN": haiku_rnn}
FLAX = [("LSTMCell", nn.LSTM), ("OptimizedLSTMCell", nn.LSTM), ("GRUCell", nn.GRU), ("SimpleCell", nn.RNN)]
CORES = [("LSTM", nn.LSTM), ("GRU", nn.GRU), ("VanillaRNN", nn.RNN)]
INDEPENDENT = {"flax": ("input",), "haiku": ("input", "recurrent")}
BY_NAME = [("flax", *pair) for pair in FLAX] + [("haiku", *pair) for pair in CORES]
EACH = pytest.mark.parametrize(("package", "name", "cell"), BY_NAME, ids=lambda value: getattr(value, "__name__", value))


def theirs(package, name):
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    return {"flax": flax, "haiku": haiku}[package](name)


@EACH
def test_every_slot_has_the_distribution_that_the_framework_draws(package, name, cell):
    found, drawn = theirs(package, name), ours(package, cell)
    assert unlike(drawn, found, independent=INDEPENDENT[package]) == []


@EACH
def test_the_structure_is_that_of_the_framework(package, name, cell):
    for slots in (theirs(package, name), ours(package, cell)):
        residuals = [block_residual(slots, gate) for gate in GATES[cell]]
        assert (max(residuals) < 1e-5) if package == "flax" else (min(residuals) > 0.1)
        assert stack_residual(slots, GATES[cell]) > 0.5 or cell is nn.RNN


@EACH
@pytest.mark.parametrize("preset", ["torch-default", "keras", "tf1", "mxnet", "flax", "haiku"])
def test_no_other_preset_passes_for_it(package, name, cell, preset):
    found = theirs(package, name)
    assert bool(unlike(ours(preset, cell), found, independent=("input",))) == (preset != package)


@EACH
def test_their_starts_on_torch_modules_obey_the_preset(package, name, cell):
    for number in (0, 1):
        report = ri.check(on_torch(theirs(package, name), cell, number), package)
        assert report.clean, str(report)


def on_torch(slots, cell, number):
    """One start of the framework in torch's order of gates; what the gates feel is in the first bias vector."""
    module, gates = cell(I, H), GATES[cell]
    parts = {kind: torch.from_numpy(np.concatenate([slots[kind, gate][number] for gate in gates])) for kind in ("input", "recurrent", "bias")}
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), (*parts.values(), torch.zeros(len(gates) * H)), strict=True):
            parameter.copy_(value)
    return module


@pytest.mark.parametrize(("name", "cell"), FLAX)
def test_flax_and_torch_compute_the_same_from_the_same_slots(name, cell):
    """Order of gates and polarity of z; Flax' starts have biases of 0, so gates are told apart by their matrices."""
    slots = theirs("flax", name)
    import flax.linen
    import jax

    module, layer = on_torch(slots, cell, 0), getattr(flax.linen, name)(features=H)
    x, h = np.random.default_rng(0).normal(size=(2, I)).astype(np.float32), np.full((2, H), 0.3, np.float32)
    carry = (0.5 * h, h) if cell is nn.LSTM else h
    params = layer.init(jax.random.key(0), carry, x)
    keys = jax.random.split(jax.random.key(5), DRAWS)
    params = layer.init(keys[0], carry, x)
    _, out = layer.apply(params, carry, x)
    state = torch.from_numpy(h)[None]
    state = (state, 0.5 * state) if cell is nn.LSTM else state
    assert np.allclose(np.asarray(out), module(torch.from_numpy(x)[None], state)[0][0].detach().numpy(), atol=1e-5)


def test_haiku_and_torch_compute_the_same_lstm_when_the_added_one_is_in_the_start():
    slots = theirs("haiku", "LSTM")
    import haiku as hk
    import jax

    x, h = np.random.default_rng(0).normal(size=(2, I)).astype(np.float32), np.full((2, H), 0.3, np.float32)
    start = hk.transform(lambda x: hk.LSTM(H)(x, hk.LSTMState(hidden=h, cell=0.5 * h))[0])
    keys = jax.random.split(jax.random.key(6), DRAWS)
    out = start.apply(start.init(keys[0], x), None, x)
    state = torch.from_numpy(h)[None]
    module = on_torch(slots, nn.LSTM, 0)
    assert np.allclose(np.asarray(out), module(torch.from_numpy(x)[None], (state, 0.5 * state))[0][0].detach().numpy(), atol=1e-5)
