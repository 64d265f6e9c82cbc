"""The preset `keras` against Keras itself, on its torch backend: distributions, structure, and Keras' own layers checked."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.dissection import dissect
from tests.presets.real.draws import DRAWS, LIMIT, H, I, block_residual, distance, ours, slots_of, stack_residual, unlike

if find_spec("keras") is None:
    pytest.skip("keras is not installed", allow_module_level=True)
os.environ.setdefault("KERAS_BACKEND", "torch")

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]
CELLS = {"LSTM": nn.LSTM, "GRU": nn.GRU, "SimpleRNN": nn.RNN}
LAYERS = [("LSTM", {}), ("GRU", {"reset_after": True}), ("GRU", {"reset_after": False}), ("SimpleRNN", {})]
GATES = {"LSTM": ("input", "forget", "cell", "output"), "GRU": ("reset", "update", "new"), "SimpleRNN": ("hidden",)}
EACH = pytest.mark.parametrize(("name", "options"), LAYERS, ids=lambda value: str(value or ""))


def layer(name, **options):
    import keras

    assert keras.backend.backend() == "torch", "these tests need KERAS_BACKEND=torch"
    made = getattr(keras.layers, name)(H, **options)
    made.build((None, None, I))
    return made


@cache
def theirs(name, **options):
    import keras

    keras.utils.set_random_seed(11)
    return slots_of(nn.ModuleList([layer(name, **options) for _ in range(DRAWS)]))


def on_torch(preset, name):
    """Our draws for torch's module."""
    return ours(preset, CELLS[name])


@EACH
def test_every_slot_has_the_distribution_that_keras_draws(name, options):
    found, drawn = theirs(name, **options), on_torch("keras", name)
    assert unlike(drawn, found, independent=("input",)) == []
    for slots in (found, drawn):
        for (kind, gate), values in slots.items():
            if kind == "bias":
                assert np.unique(values).tolist() == [float(gate == "forget")], (gate, slots is found)


@EACH
def test_keras_recurrent_kernel_is_orthogonal_as_a_stack_and_so_is_ours(name, options):
    found, drawn = theirs(name, **options), on_torch("keras", name)
    for slots in (found, drawn):
        assert stack_residual(slots, GATES[name]) < 1e-5
        if name != "SimpleRNN":
            assert min(block_residual(slots, gate) for gate in GATES[name]) > 0.3


@EACH
def test_layers_that_keras_built_obey_the_preset_through_their_own_layout(name, options):
    for bias in (True, False):
        report = ri.check(layer(name, use_bias=bias, **options), "keras")
        assert report.clean, str(report)


@EACH
def test_the_preset_writes_keras_layers_too_and_says_what_it_wrote(name, options):
    model = layer(name, **options)
    for parameter in filter(torch.is_floating_point, model.parameters()):
        nn.init.constant_(parameter, 0.25)
    assert not ri.check(model, "keras").ok
    report = ri.apply(model, "keras")
    assert report.clean and ri.check(model, "keras").clean
    out = model(torch.zeros(1, 3, I))
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("preset", ["lstm-classic", "torch-default", "flax", "haiku", "tf1", "mxnet", "haste", "cleanrl"])
def test_no_other_preset_passes_for_keras(preset):
    """The comparison has teeth: each other start of an LSTM is told from Keras' in its matrices alone."""
    found, drawn = theirs("LSTM"), on_torch(preset, "LSTM")
    assert any("bias" not in line for line in unlike(drawn, found, independent=("input",)))


def test_a_fan_that_is_a_tenth_off_is_told():
    found = theirs("LSTM")["input", "cell"]
    assert distance(found, 1.1 * found[::-1]) > LIMIT >= distance(found[::2], found[1::2])


def test_keras_and_torch_compute_the_same_from_the_same_slots():
    """Order of gates and the polarity of z: what our layouts say of both, in numbers."""
    for name, options in LAYERS:
        if options.get("reset_after") is False:
            continue
        there, here = layer(name, return_sequences=True, **options), CELLS[name](I, H, batch_first=True)
        ri.apply(there, ri.loads("version: 1\nseed: 3\nextends: builtin:keras\n"))
        with torch.no_grad():
            for parameter in filter(torch.is_floating_point, there.parameters()):  # biases too: an exchange of gates shows
                parameter.add_(0.3 * torch.rand_like(parameter))
        copied(there, here)
        x = torch.rand(2, 5, I)
        assert torch.allclose(there(x), here(x)[0], atol=1e-5), name


def copied(there, here):
    """Keras' slots into torch's module, gate by gate; a bias that torch has twice goes into the first vector."""
    values = {own_name(slot): slot.value() for slot in dissect(there).slots if slot.kind}
    with torch.no_grad():
        for slot in dissect(here).slots:
            first, *rest = slot.pieces
            first.view(first.member.read()).copy_(values[own_name(slot)])
            for piece in rest:
                piece.view(piece.member.read()).zero_()


def own_name(slot):
    """Kind and gate, and which of two where the biases of a gate do not add up."""
    alone = slot.kind == "bias" and len(slot.pieces) == 1 and slot.gate == "new"
    return slot.kind, slot.gate, slot.pieces[0].partner if alone else None
