"""Recipes one by one: values, bounds, refusals, and what their fields do not take."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from pydantic import ValidationError

from rnninit_hooks.errors import RnnInitError
from rnninit_hooks.recipes.base import Block, Recipe
from rnninit_hooks.recipes.registry import find, kinds

from .blocks import RANDOM, block, blocks, exact_recipes, example, filled, random_recipes, stored


def test_fills_without_chance() -> None:
    of = block(3, 3)
    assert torch.equal(filled(example("zeros"), of), torch.zeros(3, 3, dtype=torch.float64))
    assert torch.equal(filled(example("ones"), of), torch.ones(3, 3, dtype=torch.float64))
    assert torch.equal(filled(example("constant", value=-2), of), torch.full((3, 3), -2.0, dtype=torch.float64))
    assert torch.equal(filled(example("identity", gain=0.1), of), 0.1 * torch.eye(3, dtype=torch.float64))


@given(exact_recipes, blocks)
def test_constant_recipes_say_so(recipe: Recipe, of: Block) -> None:
    assume(recipe.refuse(of) is None)
    assert recipe.constant is torch.equal(filled(recipe, of, 1), filled(recipe, of, 2)) or of.shape == (1, 1)


@given(random_recipes, blocks)
def test_random_recipes_depend_on_seed_and_address(recipe: Recipe, of: Block) -> None:
    assume(recipe.refuse(of) is None)
    assert not recipe.constant
    assert torch.equal(filled(recipe, of, 1), filled(recipe, of, 1))
    assert not torch.equal(filled(recipe, of, 1), filled(recipe, of, 2))


FANS = {
    "xavier_uniform": math.sqrt(6 / 40), "xavier_normal": math.sqrt(2 / 40), "kaiming_uniform": math.sqrt(6 / 30),
    "kaiming_normal": math.sqrt(2 / 30), "lecun_uniform": math.sqrt(3 / 30), "lecun_normal": math.sqrt(1 / 30),
}  # fmt: skip


@pytest.mark.parametrize("kind", FANS)
def test_widths_from_fans(kind: str) -> None:
    """Blocks of (10, 30): against torch's own formulas, written once more."""
    recipe: Any = example(kind)
    low, high = recipe.bounds(block(10, 30)) if kind.endswith("uniform") else recipe.moments(block(10, 30))
    assert high == pytest.approx(FANS[kind], rel=1e-15) and low in (0.0, -high)


def test_fields_of_scaled_recipes() -> None:
    of = block(10, 30)
    assert example("xavier_normal", gain=3.0).moments(of)[1] == pytest.approx(3.0 * FANS["xavier_normal"])  # type: ignore[attr-defined]
    assert example("lecun_normal", gain=3.0).moments(of)[1] == pytest.approx(3.0 * FANS["lecun_normal"])  # type: ignore[attr-defined]
    assert example("kaiming_normal", a=2.0).moments(of)[1] == pytest.approx(math.sqrt(2 / 5 / 30))  # type: ignore[attr-defined]
    assert example("kaiming_normal", mode="fan_out").moments(of)[1] == pytest.approx(math.sqrt(2 / 10))  # type: ignore[attr-defined]


def test_linear_and_recurrent_defaults_of_torch_have_a_recipe() -> None:
    torch.manual_seed(0)
    linear, lstm = torch.nn.Linear(50, 70), torch.nn.LSTM(30, 60)
    assert example("kaiming_uniform", a=math.sqrt(5.0)).law(block(70, 50), linear.weight.detach().double()) == ()
    for weight in (lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0):
        for gate in weight.detach().double().split(60):
            assert find("hidden_uniform")().law(block(*gate.shape, hidden_size=60), gate) == ()


def test_the_correction_of_keras_and_jax() -> None:
    recipe: Any = example("trunc_normal", std=1.0)
    assert recipe.spread.high == pytest.approx(2.0 / 0.87962566103423978, rel=1e-14)


def test_values_stored_in_float32_stay_in_range() -> None:
    value = stored(filled(example("trunc_normal"), block(300, 300)), torch.float32)
    assert value.abs().max() <= 2.0 / 0.87962566103423978 * 0.2 * (1 + 2**-23)


def test_truncated_normals_of_keras_jax_and_haiku() -> None:
    """A block of (10, 30), against the numbers that their documentation gives."""
    for fields, variance in (({}, 1 / 30), ({"scale": 2.0}, 2 / 30), ({"mode": "fan_avg"}, 1 / 20), ({"mode": "fan_out"}, 1 / 10)):
        recipe: Any = example("scaled_trunc_normal", **fields)
        assert recipe.cut(block(10, 30)).spread.std == pytest.approx(math.sqrt(variance), rel=1e-14)
        haiku: Any = example("scaled_trunc_normal", corrected=False, **fields)
        assert haiku.cut(block(10, 30)).spread.high == pytest.approx(2.0 * math.sqrt(variance), rel=1e-14)
    large = block(200, 300)
    assert recipe.law(large, filled(haiku, large)) and haiku.law(large, filled(recipe, large))


REFUSED = [
    ("scaled_trunc_normal", block(5), "fans of a matrix"),
    *((kind, block(5), "fans of a matrix") for kind in FANS),
    *((kind, Block("a", (0, 5), 5, 0), "fan_out 0") for kind in FANS),
    ("hidden_uniform", Block("a", (5, 5), 5, 5), "hidden size"),
    ("hidden_uniform", Block("a", (5, 5), 5, 5, hidden_size=0), "hidden size"),
    ("identity", block(5), "square matrix"), ("identity", block(4, 5), "square matrix"), ("identity", block(3, 3, 3), "square matrix"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "of", "words"), REFUSED)
def test_refusals_name_recipe_and_shape_and_filling_anyway_raises(kind: str, of: Block, words: str) -> None:
    reason = example(kind).refuse(of)
    assert reason is not None and words in reason and kind in reason and str(of.shape) in reason
    with pytest.raises(RnnInitError, match=words):
        filled(example(kind), of)


@pytest.mark.parametrize("kind", ["constant", "identity", "normal", "ones", "trunc_normal", "uniform", "zeros"])
def test_the_others_take_any_vector_or_matrix(kind: str) -> None:
    assert example(kind).refuse(block(5, 5)) is None
    assert kind == "identity" or example(kind).refuse(Block("a", (5,))) is None


def test_keep_is_never_drawn_and_never_judged() -> None:
    with pytest.raises(RnnInitError, match=r"rnn\.weight_hh_l0\[forget\]: keep\(\) has no value"):
        filled(example("keep"), block(3))
    assert example("keep").law(block(3), torch.full((3,), math.nan)) == ()


MISUSE: list[tuple[str, dict[str, Any], str]] = [
    ("constant", {}, "Field required"), ("constant", {"value": "1.0"}, "valid number"), ("constant", {"value": True}, "valid number"),
    ("constant", {"value": math.nan}, "finite"), ("constant", {"value": math.inf}, "finite"), ("constant", {"value": 1.0, "x": 1}, "Extra"),
    ("zeros", {"value": 0.0}, "Extra"), ("zeros", {"kind": "zeros"}, "Extra"),
    ("uniform", {}, "Field required"), ("uniform", {"low": 0.0}, "Field required"), ("uniform", {"low": 1.0, "high": 1.0}, "low must be below high"),
    ("uniform", {"low": 1.0, "high": -1.0}, "low must be below high"), ("uniform", {"low": -1e308, "high": 1e308}, "finite"),
    ("normal", {}, "Field required"), ("normal", {"std": 0.0}, "greater than 0"), ("normal", {"std": -1.0}, "greater than 0"),
    ("trunc_normal", {"std": 0.0}, "greater than 0"), ("trunc_normal", {"std": 1.0, "low": 2.0, "high": 2.0}, "low must be below high"),
    ("trunc_normal", {"std": 1.0, "low": 5.0, "high": 9.0}, "less than 0.01 of the normal"), ("trunc_normal", {"std": 1.0, "corrected": 1}, "boolean"),
    ("hidden_uniform", {"scale": 0.0}, "greater than 0"), ("orthogonal", {"gain": 0.0}, "greater than 0"), ("orthogonal", {"gain": -1.0}, "greater than 0"),
    ("orthogonal", {"gain": True}, "valid number"), ("xavier_uniform", {"gain": 0.0}, "greater than 0"), ("lecun_normal", {"gain": -1.0}, "greater than 0"),
    ("kaiming_normal", {"a": -0.1}, "greater than or equal to 0"), ("kaiming_normal", {"mode": "fan"}, "fan_in"), ("identity", {"gain": math.nan}, "finite"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "fields", "words"), MISUSE)
def test_fields_are_strict(kind: str, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        find(kind)(**fields)


@pytest.mark.parametrize("kind", kinds())
def test_a_recipe_survives_json_and_is_frozen(kind: str) -> None:
    recipe = example(kind)
    plain = json.loads(recipe.model_dump_json())
    assert plain == recipe.model_dump(mode="json") and plain.pop("kind") == kind
    assert find(kind).model_validate(plain) == recipe
    assert str(recipe).startswith(f"{kind}(")
    for name in type(recipe).model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(recipe, name, 1.0)


@pytest.mark.parametrize("kind", RANDOM)
def test_an_empty_block_is_filled_and_obeys(kind: str) -> None:
    of = Block("a", (0,), fan_in=1, fan_out=1, hidden_size=1, gate="cell", joint_in=2)
    assert filled(example(kind), of).shape == (0,)
    assert example(kind).law(of, torch.zeros(0, dtype=torch.float64)) == ()


def test_the_identity_is_judged_on_and_off_its_diagonal() -> None:
    recipe, of = example("identity", gain=2.0), block(3, 3)
    value = filled(recipe, of)
    value[0, 2], value[1, 1] = 1e-5, 1.5
    assert [str(breach) for breach in recipe.law(of, value)] == [
        "diagonal: found 1.5 (1 of 3 elements differ), expected 2",
        "off-diagonal: found 1e-05 (1 of 9 elements differ), expected 0",
    ]


@pytest.mark.parametrize(("kind", "fields", "logit"), [("retention", {"value": 0.9}, math.log(9)), ("timescale", {"steps": 10.0}, math.log(9)), ("timescale", {"steps": 1.5}, -math.log(2))])
@pytest.mark.parametrize("polarity", [1, -1])
def test_memory_recipes_turn_with_the_polarity_and_speak_of_retain_biases_alone(kind: str, fields: dict[str, float], logit: float, polarity: int) -> None:
    retain = Block("c.bias[update]", (4,), kind="bias", gate="update", polarity=polarity)
    assert example(kind, **fields).refuse(retain) is None
    assert torch.allclose(filled(example(kind, **fields), retain), torch.full((4,), polarity * logit, dtype=torch.float64), rtol=1e-14)
    assert example(kind, **fields).law(retain, -filled(example(kind, **fields), retain))
    for other in (Block("c.bias[reset]", (4,), kind="bias"), Block("c.w[update]", (4, 4), 4, 4, kind="recurrent", polarity=1)):
        assert "gate: retain" in str(example(kind, **fields).refuse(other))


@pytest.mark.parametrize(("kind", "fields"), [("retention", {"value": 0.0}), ("retention", {"value": 1.0}), ("timescale", {"steps": 1.0})])
def test_memory_that_no_gate_can_have_is_refused(kind: str, fields: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"greater than|less than"):
        example(kind, **fields)
