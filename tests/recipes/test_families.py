"""Recipes with a structure: every kind on every shape that it takes, through one body per promise."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from rnninit_hooks.errors import RnnInitError
from rnninit_hooks.recipes.base import Block, Recipe
from rnninit_hooks.recipes.draws import Keyed

from .blocks import DTYPES, block, example, filled, stored

PEERS = ("input", "forget", "cell", "output")
_size = st.one_of(st.sampled_from([1, 2, 3]), st.integers(1, 65))
_gain = st.floats(0.05, 20.0)
_some = st.floats(0.1, 3.0)


def square(strategy: st.SearchStrategy[Recipe], sizes: st.SearchStrategy[int] = _size) -> st.SearchStrategy[tuple[Recipe, Block]]:
    return st.builds(lambda recipe, n: (recipe, block(n, n)), strategy, sizes)


def made(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Recipe]:
    return st.builds(lambda **values: example(kind, **values), **fields)


def gate(name: str, size: int) -> Block:
    address = f"rnn.weight_hh_l0[{name}]"
    return block(size, size, address=address, kind="recurrent", gate=name, group="rnn.recurrent_l0[*]", peers=PEERS)


@st.composite
def _sparse(draw: st.DrawFn) -> tuple[Recipe, Block]:
    rows, columns, per = draw(_size), draw(_size), draw(st.sampled_from(["row", "column"]))
    nonzero = draw(st.integers(1, columns if per == "row" else rows))
    return example("sparse", nonzero=nonzero, per=per, std=draw(_some)), block(rows, columns)


@st.composite
def _delta(draw: st.DrawFn) -> tuple[Recipe, Block]:
    inputs = draw(st.integers(1, 9))
    kernel = draw(st.lists(st.sampled_from([1, 3, 5]), min_size=1, max_size=3))
    return example("delta_orthogonal", gain=draw(_gain)), block(draw(st.integers(inputs, 12)), inputs, *kernel)


@st.composite
def _cayley(draw: st.DrawFn) -> tuple[Recipe, Block]:
    size = draw(_size)
    return example("cayley", negative=draw(st.integers(0, size))), block(size, size)


@st.composite
def _bounded(draw: st.DrawFn) -> tuple[Recipe, Block]:
    low = draw(st.floats(0.0, 3.0))
    shape = draw(st.one_of(st.tuples(_size, _size), st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5))))
    return example("singular_values", low=low, high=low + draw(_some)), block(*shape)


FAMILIES: dict[str, st.SearchStrategy[tuple[Recipe, Block]]] = {
    "linspace": st.builds(
        lambda low, width, n, kind: (example("linspace", low=low, high=low + width), block(n, kind=kind)),
        st.floats(-9.0, 9.0), st.one_of(_some, _some.map(lambda x: -x)), st.integers(2, 65), st.sampled_from([None, "bias"]),
    ),
    "indrnn": st.builds(
        lambda steps, gain, last, n: (example("indrnn", steps=steps, gain=gain, last=last), block(n)),
        st.integers(1, 5000), st.floats(1.1, 9.0), st.booleans(), _size,
    ),
    "sparse": _sparse(),
    "spectral_radius": square(made("spectral_radius", radius=_some, density=st.sampled_from([1.0, 0.6, 0.3])), st.integers(1, 40)),
    "singular_values": _bounded(),
    "rotations": square(made("rotations")),
    "cayley": _cayley(),
    "exprnn": square(made("exprnn", skew=st.sampled_from(["henaff", "cayley"]))),
    "special_orthogonal": square(made("special_orthogonal", gain=_gain)),
    "householder": square(made("householder", reflections=st.integers(1, 20))),
    "hadamard": square(made("hadamard", gain=_gain), st.sampled_from([1, 2, 4, 8, 16, 32, 64])),
    "chain": square(made("chain", above=_some, diagonal=st.floats(-2.0, 2.0), below=st.floats(-2.0, 2.0)), st.integers(2, 65)),
    "antisymmetric": square(made("antisymmetric", gain=_some, gamma=st.floats(0.0, 2.0))),
    "np_rnn": square(made("np_rnn")),
    "delta_orthogonal": _delta(),
    "recurrent_bn": st.builds(lambda name, n: (example("recurrent_bn"), gate(name, n)), st.sampled_from(PEERS), _size),
}  # fmt: skip
EXACT = ["linspace", "rotations", "cayley", "exprnn", "special_orthogonal", "householder", "hadamard", "chain", "np_rnn", "delta_orthogonal"]
HAAR = ["singular_values", "special_orthogonal", "delta_orthogonal", "recurrent_bn"]
every_kind = pytest.mark.parametrize("kind", FAMILIES)


def drawn(kind: str, data: st.DataObject) -> tuple[Recipe, Block]:
    recipe, of = data.draw(FAMILIES[kind])
    assume(recipe.refuse(of) is None)
    return recipe, of


def laws_of(recipe: Recipe, of: Block, value: Tensor) -> list[str]:
    return [breach.law for breach in recipe.law(of, value)]


@every_kind
@given(st.data(), st.integers(0, 2**63), st.sampled_from(DTYPES))
def test_a_fill_obeys_its_law_in_every_dtype(kind: str, data: st.DataObject, seed: int, dtype: torch.dtype) -> None:
    recipe, of = drawn(kind, data)
    value = filled(recipe, of, seed)
    assert (tuple(value.shape), value.dtype, value.requires_grad) == (of.shape, torch.float64, False)
    assert recipe.law(replace(of, eps=torch.finfo(dtype).eps), stored(value, dtype)) == ()


@every_kind
@given(st.data())
def test_seed_and_address_decide_alone(kind: str, data: st.DataObject) -> None:
    recipe, of = drawn(kind, data)
    first, again, other = filled(recipe, of, 1), filled(recipe, of, 1), filled(recipe, of, 2)
    assert torch.equal(first, again)
    settled = recipe.constant or of.shape[:2] == (1, 1) or of.gate == "cell" or kind in ("householder", "hadamard") or of.shape == (1,)
    assert torch.equal(first, other) <= settled


@every_kind
@given(st.data(), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_what_is_not_finite_or_of_another_shape_never_passes(kind: str, data: st.DataObject, broken: float) -> None:
    recipe, of = drawn(kind, data)
    value = filled(recipe, of)
    assert laws_of(recipe, of, torch.cat([value, value])) == ["shape"]
    value.view(-1)[data.draw(st.integers(0, value.numel() - 1))] = broken
    assert laws_of(recipe, of, value) == ["finiteness"]


@every_kind
@given(st.data(), st.sampled_from([-1e4, 1e4]))
def test_one_element_far_out_never_passes(kind: str, data: st.DataObject, far: float) -> None:
    recipe, of = drawn(kind, data)
    value = filled(recipe, of)
    at = data.draw(st.integers(0, value.numel() - 1))
    if kind == "spectral_radius":  # an element off the diagonal need not move an eigenvalue
        at -= at % (of.shape[0] + 1)
    value.view(-1)[at] = far
    assert recipe.law(of, value)


@pytest.mark.parametrize("kind", EXACT)
@given(st.data(), st.sampled_from([-1.0, 0.0, 0.98, 1.02]))
def test_another_size_breaks_an_exact_law(kind: str, data: st.DataObject, factor: float) -> None:
    recipe, of = drawn(kind, data)
    free = kind in ("hadamard", "delta_orthogonal") or (of.shape[0] % 2 == 0 and kind in ("rotations", "exprnn", "special_orthogonal", "householder"))
    assume(factor != -1.0 or not free)  # these hold for -W as well
    assert recipe.law(of, factor * filled(recipe, of))


@pytest.mark.parametrize("kind", EXACT)
@given(st.data())
def test_one_element_a_little_off_breaks_an_exact_law(kind: str, data: st.DataObject) -> None:
    recipe, of = drawn(kind, data)
    value = filled(recipe, of)
    at = data.draw(st.integers(0, value.numel() - 1))
    assume(kind != "np_rnn" or of.shape[0] == 1 or at % (of.shape[0] + 1) != 0)  # off the diagonal symmetry is broken
    value.view(-1)[at] += 1e-3 * max(1.0, float(getattr(recipe, "gain", 1.0)))
    assert recipe.law(of, value)


class Single(Keyed):
    """Factorises in float32, and returns that."""

    def haar(self, rows: int, columns: int) -> Tensor:
        q: Tensor = torch.linalg.qr(self.normal(max(rows, columns), min(rows, columns)).float())[0]
        return q if rows >= columns else q.mT.contiguous()

    def of(self, address: str) -> Single:
        return Single(self.seed, address)


@pytest.mark.parametrize("kind", HAAR)
@given(st.data(), st.integers(0, 99), st.sampled_from(DTYPES[1:]))
def test_a_haar_draw_in_float32_is_enough(kind: str, data: st.DataObject, seed: int, dtype: torch.dtype) -> None:
    recipe, of = drawn(kind, data)
    value = recipe.fill(of, Single(seed, of.address))
    assert value.dtype == torch.float64
    assert recipe.law(replace(of, eps=torch.finfo(dtype).eps), stored(value, dtype)) == ()


@every_kind
@pytest.mark.parametrize("around", ["meta", "bfloat16", "inference", "autocast"])
@given(data=st.data())
def test_nothing_around_changes_a_fill_or_a_verdict(kind: str, around: str, data: st.DataObject) -> None:
    recipe, of = drawn(kind, data)
    expected = filled(recipe, of)
    before = torch.get_default_dtype()
    try:
        if around == "bfloat16":
            torch.set_default_dtype(torch.bfloat16)
        with {"meta": lambda: torch.device("meta"), "inference": torch.inference_mode, "autocast": lambda: torch.autocast("cpu", torch.bfloat16)}.get(around, torch.no_grad)():
            found = filled(recipe, of)
            assert recipe.law(of, found) == ()
    finally:
        torch.set_default_dtype(before)
    assert found.dtype == torch.float64 and torch.equal(found, expected)


REFUSED: list[tuple[str, dict[str, Any], tuple[int, ...], str]] = [
    *((kind, {}, shape, "square matrix") for kind in ("rotations", "cayley", "exprnn", "special_orthogonal", "householder", "hadamard", "chain", "antisymmetric", "np_rnn", "spectral_radius", "recurrent_bn") for shape in ((4,), (4, 5), (5, 4), (3, 3, 3), (0, 0))),
    ("hadamard", {}, (3, 3), "power of two"), ("hadamard", {}, (12, 12), "12 rows"), ("chain", {}, (1, 1), "two units"),
    ("cayley", {"negative": 4}, (3, 3), "asks for 4 entries"), ("linspace", {}, (1,), "both ends"), ("linspace", {}, (0,), "both ends"),
    ("linspace", {}, (3, 3), "needs a vector"), ("indrnn", {}, (3, 3), "one recurrent weight per unit"),
    ("sparse", {"nonzero": 4}, (9, 3), "asks for 4 elements per row"), ("sparse", {"nonzero": 4, "per": "column"}, (3, 9), "asks for 4 elements per column"),
    ("sparse", {}, (9,), "needs a matrix"), ("sparse", {}, (3, 3, 3), "needs a matrix"), ("sparse", {}, (3, 0), "needs a matrix"),
    ("singular_values", {}, (9,), "needs a matrix"), ("singular_values", {}, (3, 0), "needs a matrix"),
    ("spectral_radius", {"density": 0.1}, (9, 9), "raise density to 0.112"), ("spectral_radius", {"density": 0.4}, (1, 1), "nilpotent"),
    ("delta_orthogonal", {}, (4, 4), "needs a convolution"), ("delta_orthogonal", {}, (4, 5, 3), "as many outputs"), ("delta_orthogonal", {}, (4, 4, 3, 2), "even size"), ("delta_orthogonal", {}, (4, 4, 4), "needs a centre"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "fields", "shape", "words"), REFUSED)
def test_refusals_say_why_and_filling_anyway_raises(kind: str, fields: dict[str, Any], shape: tuple[int, ...], words: str) -> None:
    recipe, of = example(kind, **fields), block(*shape)
    reason = recipe.refuse(of)
    assert reason is not None and words in reason and kind in reason
    with pytest.raises(RnnInitError, match=words):
        filled(recipe, of)


@pytest.mark.parametrize(("kind", "words"), [("indrnn", "is a bias"), ("recurrent_bn", "match `kind: recurrent`")])
def test_refusals_by_kind(kind: str, words: str) -> None:
    of = Block("a", (4,), kind="bias") if kind == "indrnn" else block(4, 4, kind="input", gate="cell", group="g", peers=PEERS)
    assert words in str(example(kind).refuse(of))


MISUSE: list[tuple[str, dict[str, Any], str]] = [
    ("linspace", {"low": 1.0, "high": 1.0}, "use `constant`"), ("sparse", {"nonzero": 0}, "greater than or equal to 1"), ("sparse", {"nonzero": 1.5}, "valid integer"),
    ("sparse", {"std": 0.0}, "greater than 0"), ("sparse", {"per": "unit"}, "row"), ("spectral_radius", {"radius": 0.0}, "greater than 0"),
    ("spectral_radius", {"density": 0.0}, "greater than 0"), ("spectral_radius", {"density": 1.1}, "less than or equal to 1"),
    ("singular_values", {"low": -0.1}, "greater than or equal to 0"), ("singular_values", {"low": 2.0, "high": 1.0}, "use `orthogonal`"), ("singular_values", {"high": 0.8}, "low must be below high"),
    ("householder", {"reflections": 0}, "greater than or equal to 1"), ("hadamard", {"gain": 0.0}, "greater than 0"), ("special_orthogonal", {"gain": -1.0}, "greater than 0"),
    ("chain", {"above": 0.0}, "needs a link"), ("antisymmetric", {"gamma": -0.1}, "greater than or equal to 0"), ("antisymmetric", {"gain": 0.0}, "greater than 0"),
    ("cayley", {"negative": -1}, "greater than or equal to 0"), ("delta_orthogonal", {"gain": 0.0}, "greater than 0"), ("indrnn", {"steps": 0}, "greater than or equal to 1"),
    ("indrnn", {"gain": 1.0}, "greater than 1"), ("indrnn", {"last": 1}, "boolean"), ("np_rnn", {"gain": 1.0}, "Extra"), ("rotations", {"gain": 1.0}, "Extra"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "fields", "words"), MISUSE)
def test_fields_are_strict(kind: str, fields: dict[str, Any], words: str) -> None:
    from pydantic import ValidationError

    with pytest.raises(ValidationError, match=words):
        example(kind, **fields)
