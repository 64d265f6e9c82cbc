"""RWKV's curves, against the loops of the models themselves, written once more one channel at a time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from rnninit_hooks.recipes.registry import find

from .blocks import block, filled

layers = st.integers(2, 24).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n)))


def curve(version: str, layer: int, count: int, *shape: int, **fields: Any) -> Tensor:
    return filled(find("rwkv_decay")(version=version, layer=layer, layers=count, **fields), block(*shape, address="att.w"))


@given(st.sampled_from(["v4", "v5", "v6"]), layers, st.integers(2, 65))
def test_each_channel(version: str, of: tuple[int, int], n: int) -> None:
    low, rise = (-5, 8) if version == "v4" else (-6, 5)
    ratio = of[0] / (of[1] - 1)
    expected = [low + rise * (h / (n - 1)) ** (0.7 + 1.3 * ratio) for h in range(n)]
    assert curve(version, *of, n).tolist() == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(layers, st.integers(2, 16), st.integers(1, 5))
def test_each_channel_of_v7(of: tuple[int, int], head: int, heads: int) -> None:
    n, ratio = head * heads, of[0] / (of[1] - 1)
    expected = []
    for h in range(n):
        zigzag = ((h % head) - ((head - 1) / 2)) / ((head - 1) / 2)
        zigzag *= abs(zigzag)
        expected.append(-6 + 6 * (h / (n - 1)) ** (1 + ratio**0.3) + 0.5 + zigzag * 2.5)
    assert curve("v7", *of, 1, 1, n, head_size=head).flatten().tolist() == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(st.sampled_from(["v4", "v5", "v6"]), layers, st.integers(3, 65))
def test_ends_monotone_and_slower_with_depth(version: str, of: tuple[int, int], n: int) -> None:
    value = curve(version, *of, n)
    ends = {"v4": (-5.0, 3.0), "v5": (-6.0, -1.0), "v6": (-6.0, -1.0)}[version]
    assert (value[0].item(), value[-1].item()) == pytest.approx(ends)
    assert (value.diff() > 0).all()
    assert of[0] == 0 or (value <= curve(version, 0, of[1], n)).all()


def test_the_shape_does_not_matter() -> None:
    flat = curve("v5", 1, 3, 12)
    for shape in ((3, 4), (1, 1, 12)):
        assert torch.equal(curve("v5", 1, 3, *shape).flatten(), flat)


def test_the_layer_stands_in_the_name() -> None:
    recipe: Any = find("rwkv_decay")(version="v6", layers=4)
    value = filled(recipe, block(6, address="blocks.2.att.time_decay"))
    assert torch.equal(value, curve("v6", 2, 4, 6))
    assert recipe.law(block(6, address="blocks.1.att.time_decay"), value)
    for address, words in (("att.time_decay", "no single layer number"), ("a.1.b.2.w", "no single layer number"), ("blocks.4.att.w", "of 4 layers meets layer 4")):
        assert words in recipe.refuse(block(6, address=address))


@pytest.mark.parametrize(("shape", "fields", "words"), [((1,), {"version": "v4"}, "two channels"), ((), {"version": "v4"}, "two channels"), ((10,), {"version": "v7", "head_size": 4}, "heads of 4")])
def test_shapes_without_a_curve(shape: tuple[int, ...], fields: dict[str, Any], words: str) -> None:
    assert words in str(find("rwkv_decay")(layers=2, layer=0, **fields).refuse(block(*shape)))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"version": "v4"}, "Field required"), ({"version": "v3", "layers": 2}, "v4"), ({"version": "v4", "layers": 1}, "greater than or equal to 2"),
        ({"version": "v4", "layers": 2, "layer": 2}, "stays below layers"), ({"version": "v7", "layers": 2}, "head_size belongs to v7"),
        ({"version": "v6", "layers": 2, "head_size": 64}, "head_size belongs to v7"), ({"version": "v7", "layers": 2, "head_size": 1}, "greater than or equal to 2"),
    ],
)  # fmt: skip
def test_fields(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        find("rwkv_decay")(**fields)
