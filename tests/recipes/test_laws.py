"""Laws: what is drawn obeys in every dtype; what is not what was asked for does not."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from rnninit_hooks.recipes.base import Block, Breach, Recipe
from rnninit_hooks.recipes.draws import Keyed
from rnninit_hooks.recipes.laws import Spread, judge, rounding
from rnninit_hooks.recipes.registry import find, kinds

from .blocks import (
    DTYPES,
    ELSEWHERE,
    MEASURED,
    MEMORY,
    RANDOM,
    block,
    blocks,
    exact_recipes,
    example,
    filled,
    fitting,
    random_recipes,
    shapes,
    stored,
)

any_recipe = st.one_of(random_recipes, exact_recipes)


def laws_of(breaches: tuple[Breach, ...]) -> set[str]:
    return {breach.law.partition(" around")[0] for breach in breaches}


def in_dtype(of: Block, dtype: torch.dtype) -> Block:
    return replace(of, eps=torch.finfo(dtype).eps)


class TestObeying:
    @given(any_recipe, blocks, st.integers(0, 2**63), st.sampled_from(DTYPES))
    def test_a_fill_obeys_its_own_law_in_every_dtype(self, recipe: Recipe, of: Block, seed: int, dtype: torch.dtype) -> None:
        assume(recipe.refuse(of) is None)
        value = filled(recipe, of, seed)
        assert (tuple(value.shape), value.dtype, value.is_contiguous()) == (of.shape, torch.float64, True)
        assert recipe.law(in_dtype(of, dtype), stored(value, dtype)) == ()

    @pytest.mark.parametrize("kind", [kind for kind in kinds() if kind not in ELSEWHERE])
    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    def test_hundreds_of_draws_and_no_false_alarm(self, kind: str, dtype: torch.dtype) -> None:
        recipe = example(kind)
        blocks = [of for n in (1, 2, 3, 4, 7, 16, 33) if recipe.refuse(of := fitting(kind, n)) is None or kind in MEMORY]
        assert len(blocks) >= 4
        for of in (in_dtype(of, dtype) for of in blocks):
            assert [recipe.law(of, stored(filled(recipe, of, seed), dtype)) for seed in range(40)] == [()] * 40

    @given(st.floats(-5.0, 5.0), st.sampled_from([0.0, 1.0, -1.0, 0.5]), st.sampled_from(DTYPES), st.booleans())
    def test_a_bias_made_of_parts_obeys(self, value: float, added: float, dtype: torch.dtype, split: bool) -> None:
        """The engine stores value - added, whole or halved, and adds it all up again in float64."""
        of = in_dtype(block(4, kind="bias"), dtype)
        rest = torch.full((4,), value - added, dtype=torch.float64)
        felt = 2.0 * stored(rest / 2.0, dtype) if split else stored(rest, dtype)
        assert example("constant", value=value).law(of, felt + added) == ()

    @given(random_recipes, shapes.filter(lambda shape: len(shape) > 1), st.integers(0, 99))
    def test_a_missing_row_is_no_breach(self, recipe: Recipe, shape: tuple[int, ...], seed: int) -> None:
        """An embedding is judged without its padding row, with the fans of the whole."""
        of = block(*shape)
        value = filled(recipe, of, seed)[1:]
        assert recipe.law(replace(of, shape=tuple(value.shape)), value) == ()


class TestBreaking:
    @given(any_recipe, blocks, st.data(), st.sampled_from([math.nan, math.inf, -math.inf]))
    def test_nan_and_inf_never_pass(self, recipe: Recipe, of: Block, data: st.DataObject, broken: float) -> None:
        assume(recipe.refuse(of) is None)
        value = filled(recipe, of)
        value.view(-1)[data.draw(st.integers(0, value.numel() - 1))] = broken
        assert laws_of(recipe.law(of, value)) == {"finiteness"}
        assert laws_of(recipe.law(of, torch.full_like(value, broken))) == {"finiteness"}

    @given(any_recipe, blocks)
    def test_another_shape_never_passes(self, recipe: Recipe, of: Block) -> None:
        assume(recipe.refuse(of) is None)
        value = filled(recipe, of)
        assert laws_of(recipe.law(of, torch.cat([value, value]))) == {"shape"}

    @given(any_recipe, blocks, st.data(), st.sampled_from([-1.0, 1.0]))
    def test_one_element_far_out_never_passes(self, recipe: Recipe, of: Block, data: st.DataObject, sign: float) -> None:
        assume(recipe.refuse(of) is None)
        value = filled(recipe, of)
        value.view(-1)[data.draw(st.integers(0, value.numel() - 1))] = sign * 1e4
        assert recipe.law(of, value)

    @pytest.mark.parametrize("kind", [kind for kind in kinds() if kind not in (*ELSEWHERE, "zeros", *MEASURED)])
    @pytest.mark.parametrize("factor", [0.9, 1.1, -1.1, 0.0])
    def test_a_tenth_more_or_less_is_seen_on_large_blocks(self, kind: str, factor: float) -> None:
        of, recipe = fitting(kind, 128), example(kind, **({"nonzero": 64} if kind == "sparse" else {}))
        value = filled(recipe, of)
        assert recipe.law(of, value) == ()
        assert recipe.law(of, value * factor)

    @given(random_recipes, shapes, st.floats(-1.5, 1.5))
    def test_equal_elements_are_no_random_draw(self, recipe: Recipe, shape: tuple[int, ...], at: float) -> None:
        of = block(*shape, fan_in=3, fan_out=5, joint_in=7, gate="forget")
        assume(math.prod(shape) >= 5)
        middle = filled(recipe, of).median()
        value = torch.full(shape, float(middle), dtype=torch.float64)
        assert "distance of the extremes" in laws_of(recipe.law(of, value))

    @pytest.mark.parametrize("kind", RANDOM)
    def test_a_shifted_mean_is_seen(self, kind: str) -> None:
        of = block(64, 64)
        value = filled(example(kind), of)
        assert "mean" in laws_of(example(kind).law(of, value + 0.3 * value.std()))

    @pytest.mark.parametrize("kind", ["xavier_uniform", "xavier_normal"])
    def test_fans_of_a_stack_of_four_are_seen(self, kind: str) -> None:
        of = block(128, 128)
        stacked = filled(example(kind), replace(of, fan_out=512))
        assert "std" in laws_of(example(kind).law(of, stacked))
        assert example(kind).law(replace(of, fan_out=512), stacked) == ()

    @pytest.mark.parametrize(("kind", "size"), [("xavier_uniform", 8), ("xavier_normal", 12)])
    def test_the_size_from_which_torch_defaults_are_told_from_xavier(self, kind: str, size: int) -> None:
        """The sizes that the docstring of `judge` states."""
        for n in (size, 16, 64):
            default = [filled(find("hidden_uniform")(), block(n, n), seed) for seed in range(50)]
            assert all(example(kind).law(block(n, n), value) for value in default)
        assert not all(example(kind).law(block(3, 3), filled(find("hidden_uniform")(), block(3, 3), s)) for s in range(50))

    def test_a_normal_is_told_from_a_uniform_of_its_variance(self) -> None:
        of = block(16, 16)
        assert "range" in laws_of(example("xavier_uniform").law(of, filled(example("xavier_normal"), of)))


class TestWords:
    def test_a_breach_says_what_was_found_and_expected(self) -> None:
        of = block(3, kind="bias")
        value = torch.tensor([1.0, 0.25, 1.0], dtype=torch.float64)
        assert [str(b) for b in find("ones")().law(of, value)] == ["value: found 0.25 (1 of 3 elements differ), expected 1"]

    def test_mean_and_std_are_told_apart(self) -> None:
        value = torch.linspace(0.5, 4.5, 4096, dtype=torch.float64)
        found = judge(block(4096), value, Spread(0.0, 1.0))
        assert [breach.law for breach in found] == ["mean", "std around 0"]
        assert found[0].found == "2.5" and found[0].expected == "-0.10603 to 0.10603"


class TestRates:
    """The bounds hold: on many cheap samples no test fails, and their widths are what inequalities give."""

    @pytest.mark.parametrize("count", [1, 2, 3, 5, 10, 50, 400])
    def test_a_thousand_samples_of_each_size(self, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """With one failure in 100 allowed per test instead of one in 10^10, failures stay below that."""
        monkeypatch.setattr("rnninit_hooks.recipes.laws._LOG_TAIL", -math.log(1e-2))
        monkeypatch.setattr("rnninit_hooks.recipes.laws.TAIL", 1e-2)
        for kind, fields in (
            ("normal", {"std": 2.0}),
            ("uniform", {"low": -1.0, "high": 3.0}),
            ("trunc_normal", {"std": 1.0, "low": -0.5}),
        ):
            recipe, of = find(kind)(**fields), block(count)
            failures = sum(bool(recipe.law(of, row)) for row in _rows(recipe, 1000, count))
            assert failures <= 0.06 * 1000

    @pytest.mark.parametrize(("kind", "kurtosis"), [("xavier_normal", 3.0), ("xavier_uniform", 1.8), ("trunc_normal", 2.3658)])
    def test_bands_are_about_seven_standard_errors_wide(self, kind: str, kurtosis: float) -> None:
        """One failure in 10^10 is 6.5 standard errors of a normal; the inequalities cost a little more."""
        of = block(200, 200)
        std = filled(example(kind), of).std().item()
        wrong = torch.full(of.shape, 3.0 * std, dtype=torch.float64)
        bands = {
            breach.law.partition(" ")[0]: [float(x) for x in breach.expected.split(" to ")]
            for breach in _bands(kind, of, wrong)
        }
        errors = {"mean": std / 200.0, "std": std / 200.0 * math.sqrt(kurtosis - 1.0) / 2.0}
        for law, (low, high) in bands.items():
            assert 6.4 < (high - low) / 2.0 / errors[law] < 7.5
        assert set(bands) == set(errors)

    def test_rounding_is_one_unit_in_the_last_place(self) -> None:
        assert rounding(block(1), 2.0) == 2.0**-22
        assert rounding(block(1), 0.0) == 0.0
        assert rounding(block(1, kind="bias"), 0.0) == 2.0**-23
        assert rounding(block(1, eps=2.0**-10), 1e-9) == pytest.approx(2.0**-24, rel=1e-4)


def _bands(kind: str, of: Block, wrong: Tensor) -> list[Breach]:
    return [breach for breach in example(kind).law(of, wrong) if breach.law == "mean" or breach.law.startswith("std")]


def _rows(recipe: Recipe, samples: int, count: int) -> Tensor:
    return recipe.fill(block(samples, count), Keyed(0, f"rates {count}"))
