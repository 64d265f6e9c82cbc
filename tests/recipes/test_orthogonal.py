"""Orthogonal blocks: residual per gate, other gains, stacks, convolutions, refusals."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from rnninit_hooks.errors import RnnInitError
from rnninit_hooks.recipes.draws import Keyed
from rnninit_hooks.recipes.orthogonal import Orthogonal

from .blocks import DTYPES, block, filled, stored

sizes = st.integers(1, 128)
gains = st.floats(0.05, 20.0)


def residual(value: Tensor, gain: float) -> float:
    """max|W Wᵀ - g²I| / g² on the smaller side, written once more."""
    w = value.flatten(1)
    w = w if w.shape[0] <= w.shape[1] else w.mT
    return (w @ w.mT / gain**2 - torch.eye(len(w), dtype=torch.float64)).abs().max().item()


@given(sizes, sizes, gains, st.integers(0, 2**32))
def test_residual_in_float32_is_below_1e_5(rows: int, columns: int, gain: float, seed: int) -> None:
    recipe, of = Orthogonal(gain=gain), block(rows, columns)
    value = stored(filled(recipe, of, seed), torch.float32)
    assert residual(value, gain) <= 1e-5
    assert recipe.tolerance(of) <= 1e-5
    assert recipe.law(of, value) == ()


@given(sizes, gains, st.sampled_from(DTYPES))
def test_the_tolerance_covers_storage_and_little_more(size: int, gain: float, dtype: torch.dtype) -> None:
    eps = torch.finfo(dtype).eps
    recipe, of = Orthogonal(gain=gain), replace(block(size, size), eps=eps)
    assert recipe.law(of, stored(filled(recipe, of), dtype)) == ()
    assert recipe.tolerance(of) <= 1.3 * eps + 4.0 * eps * math.sqrt(size) and recipe.tolerance(of) <= 1.1e-2


@given(st.integers(1, 64), st.sampled_from([3, 4]), st.integers(0, 1000))
def test_blocks_of_a_stack_fail(hidden: int, gates: int, seed: int) -> None:
    stack = stored(Keyed(seed, "stack").haar(gates * hidden, hidden), torch.float32)
    assert residual(stack, 1.0) <= 1e-5, "the stack is orthogonal as a whole"
    assert Orthogonal().law(block(gates * hidden, hidden), stack) == ()
    for gate in stack.split(hidden):
        assume(abs(abs(gate[0, 0].item()) - 1.0) > 1e-3)
        assert Orthogonal().law(block(hidden, hidden), gate)
        if hidden > 1:
            assert Orthogonal().law(block(hidden, hidden), gate)[0].law == "orthogonality residual per g²"


@given(sizes, sizes, gains, gains)
def test_another_gain_is_named(rows: int, columns: int, asked: float, given_: float) -> None:
    assume(abs(asked / given_ - 1.0) > 1e-3)
    of = block(rows, columns)
    (breach,) = Orthogonal(gain=asked).law(of, filled(Orthogonal(gain=given_), of))
    assert breach.law == "gain" and breach.expected == str(asked)
    assert float(breach.found) == pytest.approx(given_, rel=1e-6)


def test_the_words_for_another_gain() -> None:
    of = block(4, 4)
    assert [str(b) for b in Orthogonal().law(of, filled(Orthogonal(gain=0.5), of))] == ["gain: found 0.5, expected 1.0"]


@pytest.mark.parametrize("shape", [(8, 3, 5), (4, 2, 3, 3), (30, 2, 3), (1, 1, 1), (2, 2, 2, 2, 2)])
def test_a_convolution_is_the_matrix_of_its_outputs(shape: tuple[int, ...]) -> None:
    of = block(*shape)
    value = filled(Orthogonal(gain=2.0), of)
    assert value.shape == shape
    assert residual(value.reshape(shape[0], -1), 2.0) < 1e-13
    assert torch.equal(value, 2.0 * Keyed(0, of.address).haar(shape[0], math.prod(shape[1:])).reshape(shape))


@pytest.mark.parametrize("size", [1, 2, 5, 16, 128])
def test_near_misses_fail(size: int) -> None:
    of = block(size, size)
    value = filled(Orthogonal(), of)
    nudged = value.clone()
    nudged[0, 0] += 1e-4
    others = {
        "nudged": nudged,
        "zero": torch.zeros_like(value),
        "ones": torch.full_like(value, 1.1),
        "huge": value * 1e200,
    }
    assert {name: bool(Orthogonal().law(of, other)) for name, other in others.items()} == dict.fromkeys(others, True)


@pytest.mark.parametrize("fill", [torch.nn.init.orthogonal_, torch.nn.init.eye_])
def test_what_torch_makes_obeys(fill: object) -> None:
    for shape in [(1, 1), (64, 64), (256, 64), (64, 256)] if fill is torch.nn.init.orthogonal_ else [(16, 16), (16, 9)]:
        weight = torch.empty(shape)
        fill(weight)  # type: ignore[operator]
        assert Orthogonal().law(block(*shape), weight.double()) == ()


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((5,), r"needs a matrix.*\(5,\)"),
        ((), r"needs a matrix.*\(\)"),
        ((0, 4), r"\(0, 4\)"),
        ((4, 3, 0), r"\(4, 3, 0\)"),
    ],
)
def test_refusals_name_the_shape(shape: tuple[int, ...], words: str) -> None:
    import re

    of = block(*shape)
    reason = Orthogonal().refuse(of)
    assert reason is not None and re.search(words, reason)
    with pytest.raises(RnnInitError, match=re.escape(reason)):
        filled(Orthogonal(), of)


def test_a_tall_matrix_of_many_rows() -> None:
    of = replace(block(20_000, 3), eps=2.0**-52)
    assert Orthogonal().law(of, filled(Orthogonal(), of)) == ()


class TestProbes:
    """Blocks too large for a whole product are probed; here the limit is lowered so that both answers can be compared."""

    @pytest.fixture(autouse=True)
    def probed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("rnninit_hooks.recipes.orthogonal.LARGE", 8)

    @given(st.integers(9, 90), st.integers(9, 90), gains, st.sampled_from(DTYPES), st.integers(0, 99))
    def test_what_is_drawn_obeys(self, rows: int, columns: int, gain: float, dtype: torch.dtype, seed: int) -> None:
        of = replace(block(rows, columns), eps=torch.finfo(dtype).eps)
        recipe = Orthogonal(gain=gain)
        assert recipe.law(of, stored(filled(recipe, of, seed), dtype)) == ()

    @given(st.integers(9, 90), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
    def test_one_wrong_element_is_seen(self, size: int, row: int, column: int, seed: int) -> None:
        of = block(size, size)
        value = filled(Orthogonal(), of, seed)
        value[row % size, column % size] += 0.01
        (breach,) = Orthogonal().law(of, value)
        assert "32 probes" in breach.law

    def test_a_gate_of_an_orthogonal_stack_is_seen(self) -> None:
        stack = filled(Orthogonal(), block(256, 64))
        assert Orthogonal().law(block(64, 64), stack[:64])

    @given(st.integers(9, 60), st.integers(0, 99), st.integers(0, 99))
    def test_errors_that_cancel_along_a_row_are_seen(self, size: int, first: int, second: int) -> None:
        """W = I + a u uᵀ with u = (e_i - e_j)/√2: every row of W Wᵀ - I sums to zero, so that no constant probe sees it."""
        i, j = first % size, (first + 1 + second % (size - 1)) % size
        value = torch.eye(size, dtype=torch.float64)
        value[[i, j, i, j], [i, j, j, i]] += torch.tensor([0.05, 0.05, -0.05, -0.05], dtype=torch.float64)
        assert (value @ value.mT - torch.eye(size)).sum(1).abs().max() < 1e-12
        (breach,) = Orthogonal().law(block(size, size), value)
        assert "32 probes" in breach.law

    def test_a_real_large_block(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        of = block(4100, 4100)
        value = filled(Orthogonal(), of).to(torch.float32).to(torch.float64)
        assert Orthogonal().law(of, value) == ()
        value[17] *= 1.01
        assert "32 probes" in Orthogonal().law(of, value)[0].law
