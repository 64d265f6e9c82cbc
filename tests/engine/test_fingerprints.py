"""A weight's likenesses hold the initialiser that wrote it, and none once it was written over."""

from __future__ import annotations

import itertools
import math
import zlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import init

from rnninit_hooks.fingerprints import Likeness, fingerprint, fingerprint_bias

SIZES, INPUTS, GATES = (16, 32, 64, 128), (16, 24, 64, 300), (4, 3, 1)
WIDTHS = {"bound": (0.1, 0.08), "std": (1.0, 0.1, 0.02, 0.01)}


def per_gate(fill, **options):
    return lambda gates, hidden, inputs: torch.cat([fill(torch.empty(hidden, inputs), **options) for _ in range(gates)])


def whole(fill, **options):
    return lambda gates, hidden, inputs: fill(torch.empty(gates * hidden, inputs), **options)


def entry(name, scale):
    """Independent entries with a constant that the sizes give."""
    draw = (lambda w, s: w.uniform_(-s, s)) if name.endswith("uniform") else (lambda w, s: w.normal_(0, s))
    return lambda gates, hidden, inputs: draw(torch.empty(gates * hidden, inputs), scale(hidden, inputs))


def _schemes():
    """(initialiser, fused, a parameter that must be found) -> writer(gates, hidden, inputs)."""
    table = {
        ("zeros", False, None): whole(init.zeros_),
        ("constant", False, ("value", 0.25)): whole(init.constant_, val=0.25),
        ("hidden_uniform", False, None): entry("uniform", lambda hidden, inputs: hidden**-0.5),
        ("kaiming_uniform", False, ("gain", math.sqrt(1 / 3))): whole(init.kaiming_uniform_, a=math.sqrt(5)),
        ("lecun_uniform", False, None): entry("uniform", lambda hidden, inputs: math.sqrt(3 / inputs)),
        ("lecun_normal", False, None): entry("normal", lambda hidden, inputs: inputs**-0.5),
    }
    for fused, write in ((False, per_gate), (True, whole)):
        table["identity", fused, ("gain", 1.0)] = write(init.eye_)
        table["orthogonal", fused, ("gain", 0.7)] = write(init.orthogonal_, gain=0.7)
        for family, fill in (("uniform", init.kaiming_uniform_), ("normal", init.kaiming_normal_)):
            table[f"xavier_{family}", fused, None] = write(getattr(init, f"xavier_{family}_"))
            for name, gain in (("relu", math.sqrt(2)), ("tanh", 5 / 3), ("linear", 1.0)):
                options = {"nonlinearity": name, "mode": "fan_out"}
                table[f"kaiming_{family}", fused, ("gain", gain)] = write(fill, **options)
    for constant, widths in WIDTHS.items():
        name = {"bound": "uniform", "std": "normal"}[constant]
        table |= {(name, False, (constant, width)): entry(name, lambda *_, width=width: width) for width in widths}
    return table


SCHEMES = _schemes()


@pytest.fixture(autouse=True)
def _same_draws_every_time():
    torch.manual_seed(0)


def seeded(*key):
    torch.manual_seed(zlib.crc32(repr(key).encode()))


def split(weight, gates):
    return {f"g{index}": block for index, block in enumerate(weight.chunk(gates))}


def look(weight, gates, hidden, **options):
    return fingerprint(split(weight, gates), hidden_size=hidden, **options)


def holds(scheme, gates, likes):
    name, fused, parameter = scheme
    return any(
        like.initialiser == name
        and like.fused == (fused and gates > 1)
        and (parameter is None or math.isclose(like.parameters[parameter[0]], parameter[1], rel_tol=1e-5))
        for like in likes
    )


def verdicts(scheme, seeds):
    """(right, unknown, wrong) over gate blocks of every size; an unknown is an empty answer."""
    tally = {"right": 0, "unknown": 0, "wrong": 0}
    for hidden, inputs, gates, seed in itertools.product(SIZES, INPUTS, GATES, seeds):
        seeded(scheme, hidden, inputs, gates, seed)
        found = look(SCHEMES[scheme](gates, hidden, inputs), gates, hidden)
        for likes in found.values():
            tally["right" if holds(scheme, gates, likes) else "wrong" if likes else "unknown"] += 1
    return tally


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_the_true_initialiser_is_among_the_likenesses(scheme):
    assert verdicts(scheme, (0,)) == {"right": 4 * 4 * 8, "unknown": 0, "wrong": 0}
    assert len(SCHEMES) * 4 * 4 * 8 > 2000  # the draws that this table adds up to


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_the_true_initialiser_is_among_the_likenesses_for_more_seeds(scheme):
    assert verdicts(scheme, range(1, 11)) == {"right": 10 * 4 * 4 * 8, "unknown": 0, "wrong": 0}


@given(st.sampled_from(list(SCHEMES)), st.integers(8, 96), st.integers(8, 96), st.integers(1, 5), st.integers(0, 2**32))
def test_any_size_keeps_the_true_initialiser(scheme, hidden, inputs, gates, seed):
    torch.manual_seed(seed)
    found = look(SCHEMES[scheme](gates, hidden, inputs), gates, hidden)
    assert len(found) == gates
    assert all(holds(scheme, gates, likes) for likes in found.values())


@pytest.mark.parametrize("hidden", [4, 6])
@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_tiny_gates_are_unknown(scheme, hidden):
    for inputs, gates in itertools.product((1, 4, 6, 64), GATES):
        assert set(look(SCHEMES[scheme](gates, hidden, inputs), gates, hidden).values()) == {()}


@pytest.mark.parametrize("seed", range(5))
def test_gates_are_told_apart_when_each_has_its_own_scheme(seed):
    torch.manual_seed(seed)
    empty = torch.empty(64, 48)
    writers = (init.orthogonal_, init.xavier_uniform_, lambda w: init.normal_(w, 0, 0.02), init.zeros_)
    found = look(torch.cat([write(empty.clone()) for write in writers]), 4, 64)
    assert [likes[0].initialiser for likes in found.values()] == ["orthogonal", "xavier_uniform", "normal", "zeros"]
    assert not any(like.fused for likes in found.values() for like in likes)


# Orthogonal: the order of the tests ------------------------------------------------------------------------------------


@pytest.mark.parametrize("gates", [3, 4])
def test_gates_that_are_orthogonal_are_not_called_a_stack_of_gain_two(gates):
    stack = torch.cat([init.orthogonal_(torch.empty(32, 16)) for _ in range(gates)])
    assert torch.allclose(stack.mT @ stack, gates * torch.eye(16), atol=1e-5)
    for likes in look(stack, gates, 32).values():
        assert [(like.initialiser, like.fused) for like in likes] == [("orthogonal", False)]
        assert likes[0].parameters["gain"] == pytest.approx(1, abs=1e-5) and likes[0].fit < 1e-5


def test_a_wide_stack_is_orthogonal_gate_by_gate_too_and_the_gate_comes_first():
    for likes in look(init.orthogonal_(torch.empty(64, 80), gain=2), 4, 16).values():
        assert [(like.initialiser, like.fused) for like in likes] == [("orthogonal", False), ("orthogonal", True)]
        assert all(like.parameters["gain"] == pytest.approx(2, abs=1e-5) for like in likes)


def test_the_identity_on_the_stack_shows_in_every_gate():
    found = look(init.eye_(torch.empty(64, 16)), 4, 16)
    assert found["g0"] == (Likeness("identity", {"gain": 1.0}, False, 0.0), Likeness("identity", {"gain": 1.0}, True, 0.0))
    assert all(
        found[g] == (Likeness("zeros", {}, False, 0.0), Likeness("identity", {"gain": 1.0}, True, 0.0))
        for g in ("g1", "g2", "g3")
    )


def test_one_orthogonal_gate_above_zeros_is_no_stacked_draw():
    weight = torch.zeros(64, 16)
    init.orthogonal_(weight[:16])
    found = look(weight, 4, 16)
    assert [like.initialiser for likes in found.values() for like in likes] == ["orthogonal", "zeros", "zeros", "zeros"]
    assert not any(like.fused for likes in found.values() for like in likes)


def test_two_columns_are_never_called_orthogonal():
    assert look(init.orthogonal_(torch.empty(64, 2)), 4, 16)["g0"] == ()


# Collisions are reported together --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_exact_collisions_are_reported_together_and_fit_alike(seed):
    torch.manual_seed(seed)
    default = {(64, 64): "kaiming_uniform", (64, 128): "xavier_uniform"}  # hidden, input = (6 - k) * hidden for k = 4
    for (hidden, inputs), other in default.items():
        weight = torch.empty(4 * hidden, inputs).uniform_(-(hidden**-0.5), hidden**-0.5)
        for likes in look(weight, 4, hidden).values():
            fits = {(like.initialiser, like.fused): like.fit for like in likes}
            assert fits[other, other == "xavier_uniform"] == pytest.approx(fits["hidden_uniform", False], abs=1e-9)


def test_five_times_wider_inputs_make_xavier_per_gate_the_default():
    for likes in look(torch.empty(64, 80).uniform_(-0.25, 0.25), 4, 16).values():
        assert {("hidden_uniform", False), ("xavier_uniform", False)} <= {(like.initialiser, like.fused) for like in likes}


def test_a_single_gate_has_no_stack():
    for name in ("orthogonal_", "xavier_uniform_", "kaiming_normal_", "eye_"):
        likes = look(getattr(init, name)(torch.empty(32, 24)), 1, 32)["g0"]
        assert likes and not any(like.fused for like in likes)


def test_a_stack_is_told_from_its_gates():
    for fused, write in ((True, whole), (False, per_gate)):
        for likes in look(write(init.xavier_uniform_)(4, 64, 48), 4, 64).values():
            assert [(like.initialiser, like.fused) for like in likes] == [("xavier_uniform", fused)]


# Written over: unknown --------------------------------------------------------------------------------------------------


def noisy(weight):
    return weight + 0.1 * weight.std() * torch.randn_like(weight)


def every_second_row_doubled(weight):
    return weight * (1 + torch.arange(len(weight)) % 2).unsqueeze(1)


def every_second_column_halved(weight):
    return weight / (1 + torch.arange(weight.shape[1]) % 2)


def low_rank(weight):
    return weight + weight.std() * torch.randn(len(weight), 1) @ torch.randn(1, weight.shape[1])


def shifted(weight):
    return weight + 0.5 * weight.std()


def unit_rows(weight):
    return weight / weight.norm(dim=1, keepdim=True) * weight.norm(dim=1).mean()


DAMAGE = (noisy, every_second_row_doubled, every_second_column_halved, low_rank, shifted, unit_rows)
CALLED = {"zeros", "constant", "identity"}


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_a_damaged_weight_is_unknown(damage):
    checked = 0
    for scheme, hidden, inputs, gates in itertools.product(SCHEMES, (64, 128), (64, 300), (4, 3)):
        # noise makes a normal a normal that is 0.5 % wider; row norms of an orthogonal matrix are what they should be
        harmless = "normal" in scheme[0] if damage is noisy else damage is unit_rows and scheme[0] == "orthogonal"
        if scheme[0] in CALLED or harmless:
            continue
        seeded(scheme, hidden, inputs, gates, damage.__name__)
        found = look(damage(SCHEMES[scheme](gates, hidden, inputs)), gates, hidden)
        assert set(found.values()) == {()}, (scheme, hidden, inputs, gates, found)
        checked += len(found)
    assert checked > 300


SUMS = list(
    itertools.combinations_with_replacement(
        [("xavier_uniform", False, None), ("hidden_uniform", False, None), ("orthogonal", False, ("gain", 0.7))], 2
    )
)


@pytest.mark.parametrize("one, other", SUMS, ids=str)
def test_a_sum_of_two_initialisations_is_unknown(one, other):
    for inputs, seed in itertools.product((64, 128), range(5)):
        seeded(one, other, inputs, seed)
        total = SCHEMES[one](4, 64, inputs) + SCHEMES[other](4, 64, inputs)
        assert set(look(total, 4, 64).values()) == {()}


def test_a_stacked_orthogonal_weight_with_noise_is_no_kaiming_normal():
    for seed in range(20):
        torch.manual_seed(seed)
        weight = init.orthogonal_(torch.empty(64, 16))  # one gate alone is as spread as kaiming fan-out of the stack
        assert set(look(noisy(weight), 4, 16).values()) == {()}


def test_noise_on_an_orthogonal_gate_is_no_lecun_normal():
    for seed in range(20):
        torch.manual_seed(seed)
        assert set(look(noisy(per_gate(init.orthogonal_)(4, 16, 16)), 4, 16).values()) == {()}


def test_a_weight_after_training_steps_is_unknown():
    torch.manual_seed(0)
    lstm, inputs = torch.nn.LSTM(64, 64), torch.randn(12, 8, 64)
    optimiser = torch.optim.Adam(lstm.parameters(), lr=1e-2)
    for _ in range(20):
        optimiser.zero_grad()
        (lstm(inputs)[0][-1] - inputs[0]).square().mean().backward()
        optimiser.step()
    assert set(look(lstm.weight_hh_l0, 4, 64).values()) == {()}


def test_a_gate_copied_into_another_is_unknown():
    gate = torch.empty(64, 64).uniform_(-0.125, 0.125)
    assert set(look(torch.cat([gate, gate, gate]), 3, 64).values()) == {()}


def test_one_spoilt_gate_does_not_silence_the_others():
    blocks = {name: init.xavier_uniform_(torch.empty(64, 64)) for name in "ifo"}
    found = fingerprint(blocks | {"g": init.xavier_uniform_(torch.empty(64, 64))[:32].repeat(2, 1)}, hidden_size=64)
    assert found["g"] == ()
    assert all(holds(("xavier_uniform", False, None), 4, found[name]) for name in "ifo")


def test_a_quantised_normal_is_unknown():
    weight = torch.randn(256, 64) * 0.02
    assert set(look((weight / 0.01).round() * 0.01, 4, 64).values()) == {()}


@pytest.mark.parametrize("seed", range(5))
def test_a_normal_off_centre_is_unknown(seed):
    torch.manual_seed(seed)
    assert set(look((torch.randn(256, 64) + 0.12) * 0.02, 4, 64).values()) == {()}


def test_no_number_is_no_initialiser():
    weight = init.orthogonal_(torch.empty(64, 16))
    weight[3, 3] = math.nan
    assert set(look(weight, 4, 16).values()) == {()}


# What the module itself draws, convolutions, low precision, biases, misuse ----------------------------------------------


@pytest.mark.parametrize("module, gates", [(torch.nn.LSTM, 4), (torch.nn.GRU, 3), (torch.nn.RNN, 1)])
def test_the_default_of_torch_is_seen(module, gates):
    rnn = module(40, 32)
    for weight in (rnn.weight_ih_l0, rnn.weight_hh_l0):
        assert all(holds(("hidden_uniform", False, None), gates, likes) for likes in look(weight, gates, 32).values())
    found = fingerprint_bias(rnn.bias_ih_l0, hidden_size=32) if gates > 1 else ()
    assert gates == 1 or "hidden_uniform" in {like.initialiser for like in found}


def test_a_convolution_counts_its_kernel():
    weight = torch.cat([init.kaiming_normal_(torch.empty(16, 16, 3, 3), mode="fan_out", nonlinearity="relu") for _ in range(4)])
    for likes in look(weight.flatten(1), 4, 16, kernel=9).values():
        assert holds(("kaiming_normal", False, ("fan", 144)), 4, likes)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_low_precision_keeps_the_true_initialiser(scheme, dtype):
    seeded(scheme, dtype)
    weight = SCHEMES[scheme](4, 64, 48).to(dtype)
    likes = look(weight, 4, 64, epsilon=torch.finfo(dtype).eps).values()
    exact = scheme if scheme[0] != "orthogonal" else ("orthogonal", scheme[1], None)
    assert all(holds(exact, 4, found) for found in likes)


def test_biases():
    assert fingerprint_bias(torch.zeros(16), hidden_size=16) == (Likeness("zeros", {}, False, 0.0),)
    assert fingerprint_bias(torch.full((16,), -1.0), hidden_size=16)[0].parameters == {"value": -1.0}
    mixed = torch.zeros(64)
    mixed[16:32] = 1
    assert fingerprint_bias(mixed, hidden_size=16) == () == fingerprint_bias(torch.ones(4), hidden_size=4)
    assert fingerprint_bias(torch.rand(32), hidden_size=32) == ()
    found = fingerprint_bias(torch.empty(256).uniform_(-0.1, 0.1), hidden_size=100, fan_in=100)
    assert [like.initialiser for like in found] == ["hidden_uniform", "uniform"]


@given(st.integers(64, 600), st.integers(0, 2**32))
def test_random_biases_keep_their_law(hidden, seed):
    torch.manual_seed(seed)
    drawn = {
        "hidden_uniform": torch.empty(hidden).uniform_(-(hidden**-0.5), hidden**-0.5),
        "normal": torch.randn(hidden) * 0.02,
        "uniform": torch.nn.Linear(37, hidden).bias,
    }
    for name, bias in drawn.items():
        assert name in {like.initialiser for like in fingerprint_bias(bias, hidden_size=hidden, fan_in=37)}


def test_misuse_is_told():
    block = torch.zeros(16, 16)
    for blocks in ({}, {"f": block, "i": torch.zeros(16, 8)}, {"f": torch.zeros(16)}, {"f": torch.zeros(16, 0)}):
        with pytest.raises(ValueError, match="one shape; found"):
            fingerprint(blocks, hidden_size=16)
    for options in ({"hidden_size": 0}, {"hidden_size": 16, "kernel": 3}, {"hidden_size": 16, "kernel": 0}):
        with pytest.raises(ValueError, match="hidden_size and kernel"):
            fingerprint({"f": block}, **options)
    for bias, options in ((block, {}), (block[0, :0], {}), (block[0], {"fan_in": 0})):
        with pytest.raises(ValueError, match="one vector and sizes"):
            fingerprint_bias(bias, hidden_size=16, **options)
