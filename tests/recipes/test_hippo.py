"""HiPPO matrices: the algebra that makes them what they are, not the formula once more."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from rnninit_hooks.recipes.base import Block
from rnninit_hooks.recipes.hippo import Hippo
from rnninit_hooks.recipes.registry import find

from .blocks import block, filled, stored

sizes = st.integers(1, 24)


def a(measure: str, n: int, **fields: float) -> Tensor:
    return filled(find("hippo")(measure=measure, **fields), block(n, n, address="ssm.A"))


def b(measure: str, n: int, *rest: int, **fields: float) -> Tensor:
    return filled(find("hippo")(measure=measure, matrix="B", **fields), Block("ssm.B", (n, *rest)))


@given(sizes)
def test_legs_is_triangular_with_eigenvalues_minus_one_to_minus_n(n: int) -> None:
    matrix = a("legs", n)
    assert torch.equal(matrix.triu(1), torch.zeros(n, n, dtype=torch.float64))
    assert torch.equal(matrix.diagonal(), -torch.arange(1.0, n + 1, dtype=torch.float64))


@given(sizes)
def test_legs_is_normal_plus_low_rank(n: int) -> None:
    """A + p pᵀ + I/2 is skew for p = sqrt(i + 1/2) = B / sqrt(2)."""
    p = b("legs", n) / 2.0**0.5
    skew = a("legs", n) + torch.outer(p, p) + 0.5 * torch.eye(n, dtype=torch.float64)
    assert (skew + skew.mT).abs().max() < 1e-12 * n


@given(sizes)
def test_legt_keeps_what_flows_out_on_the_other_side(n: int) -> None:
    """Energy leaves at one end of the window only: A + Aᵀ = -(b bᵀ + c cᵀ), b and c the polynomials at both ends."""
    column = b("legt", n)
    other = column * (1.0 - 2.0 * (torch.arange(n, dtype=torch.float64) % 2))
    matrix = a("legt", n)
    assert (matrix + matrix.mT + torch.outer(column, column) + torch.outer(other, other)).abs().max() < 1e-12 * n


@given(sizes, st.floats(0.1, 100.0))
def test_lmu_is_legt_in_another_basis_within_a_window(n: int, window: float) -> None:
    """With T = diag(sqrt(2i+1) (-1)^i): lmu = T legt T⁻¹ and B = T b, both over the window."""
    i = torch.arange(n, dtype=torch.float64)
    t = (2.0 * i + 1.0).sqrt() * (1.0 - 2.0 * (i % 2))
    assert torch.allclose(a("lmu", n, window=window) * window, t[:, None] * a("legt", n) / t, rtol=1e-12)
    assert torch.allclose(b("lmu", n, 1, window=window)[:, 0] * window, t * b("legt", n), rtol=1e-12)


@pytest.mark.parametrize("measure", ["legs", "legt", "lmu"])
@pytest.mark.parametrize("n", [1, 2, 7, 16])
def test_every_one_of_them_is_stable(measure: str, n: int) -> None:
    matrix = a(measure, n)
    assert torch.linalg.eigvals(matrix).real.max() < 0.0
    assert torch.linalg.eigvals(torch.matrix_exp(matrix / 10.0)).abs().max() < 1.0


def test_an_lmu_delays_its_input_by_its_window() -> None:
    """What the matrices are for: the polynomials at the far end of the window give back the input of `window` ago."""
    n, window, dt = 12, 1.0, 0.002
    matrix, column = a("lmu", n, window=window), b("lmu", n, window=window)
    step = torch.matrix_exp(matrix * dt)
    push = torch.linalg.solve(matrix, (step - torch.eye(n, dtype=torch.float64)) @ column)
    times = torch.arange(0.0, 4.0, dt, dtype=torch.float64)
    state, heard = torch.zeros(n, dtype=torch.float64), []
    for u in torch.sin(3.0 * times):
        state = step @ state + push * u
        heard.append(state.sum())  # every shifted Legendre polynomial is 1 at the far end
    late = torch.stack(heard)[1000:] - torch.sin(3.0 * (times[1000:] - window + dt))
    assert late.abs().max() < 0.01


def test_numbers_below_the_normal_range_are_rounded_too() -> None:
    recipe, of = Hippo(measure="lmu", window=1e6), replace(block(5, 5, address="ssm.A"), eps=2.0**-10)
    assert recipe.law(of, stored(filled(recipe, of), torch.float16)) == ()
    assert recipe.law(replace(of, eps=2.0**-23), stored(filled(recipe, of), torch.float16))


def test_signs_orders_and_scales_that_are_wrong_are_seen() -> None:
    of = block(5, 5, address="ssm.A")
    for measure in ("legs", "legt", "lmu"):
        recipe = Hippo(measure=measure)  # type: ignore[arg-type]
        value = filled(recipe, of)
        for wrong in (-value, value.mT, value.flip(0), value / 2.0):
            assert recipe.law(of, wrong)
    assert Hippo(measure="lmu").law(of, filled(Hippo(measure="lmu", window=2.0), of))
    assert Hippo(measure="lmu").law(of, filled(Hippo(measure="legt"), of))


@pytest.mark.parametrize(
    ("matrix", "of"),
    [("A", Block("A", (4,))), ("A", Block("A", (3, 4))), ("A", Block("A", (0, 0))), ("B", Block("B", (4, 2))), ("B", Block("B", (0,))), ("B", Block("B", ()))],
)
def test_shapes_that_hold_neither(matrix: str, of: Block) -> None:
    assert str(of.shape) in str(find("hippo")(measure="legs", matrix=matrix).refuse(of))


@pytest.mark.parametrize(
    ("fields", "words"),
    [({}, "Field required"), ({"measure": "fou"}, "legs"), ({"measure": "legs", "window": 2.0}, "keeps all of the past"), ({"measure": "lmu", "window": 0.0}, "greater than 0")],
)
def test_fields(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        find("hippo")(**fields)
