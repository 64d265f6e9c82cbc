"""What stands around the recurrence: widths of residual streams, log marginals, embeddings and their padding row."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.recipes.base import Block
from rnninit_hooks.recipes.registry import find

from .blocks import block, filled

counts = st.lists(st.floats(1e-3, 1e6), min_size=2, max_size=50)


@pytest.mark.parametrize(
    ("kind", "fields", "std"),
    [
        ("small_init", {}, math.sqrt(2 / 5 / 30)), ("small_init", {"dim": 10}, 0.2),
        ("wang_init", {"layers": 8}, 2 / 8 / math.sqrt(20)), ("wang_init", {"layers": 8, "dim": 30}, 2 / 8 / math.sqrt(30)),
    ],
)  # fmt: skip
def test_widths(kind: str, fields: dict[str, Any], std: float) -> None:
    """A block of 20 rows and 30 columns: what reads the stream is as wide as its columns, what writes it as its rows."""
    recipe: Any = find(kind)(**fields)
    assert recipe.moments(block(20, 30)) == (0.0, pytest.approx(std, rel=1e-15))
    assert filled(recipe, block(200, 300)).std().item() == pytest.approx(recipe.moments(block(200, 300))[1], rel=0.02)


def test_widths_that_nothing_says() -> None:
    for kind, fields in (("small_init", {}), ("wang_init", {"layers": 3})):
        assert "say `dim`" in str(find(kind)(**fields).refuse(block(7)))
        assert find(kind)(dim=5, **fields).refuse(block(7)) is None
    with pytest.raises(ValidationError, match="Field required"):
        find("wang_init")()


@given(counts)
def test_a_zero_weight_and_a_prior_say_the_shares(values: list[float]) -> None:
    bias = filled(find("prior")(counts=values), Block("head.bias", (len(values),)))
    shares = torch.tensor(values, dtype=torch.float64) / math.fsum(values)
    assert torch.allclose(bias.softmax(0), shares, rtol=1e-12)
    assert bias.logsumexp(0).abs() < 1e-12


def test_the_first_loss_is_the_entropy_of_the_labels_and_of_zeros_log_k() -> None:
    head, labels = nn.Linear(4, 3).double(), torch.tensor([0] * 7 + [1] * 2 + [2])
    rules = [
        ri.Rule(id="w", match=ri.Match(parameter="weight"), init=ri.Zeros()),
        ri.Rule(id="b", match=ri.Match(parameter="bias"), init=ri.Prior(counts=(7, 2, 1))),
    ]
    ri.apply(head, ri.Policy(rules=rules))
    loss = nn.functional.cross_entropy(head(torch.randn(10, 4, dtype=torch.float64)), labels)
    assert loss.item() == pytest.approx(-sum(p * math.log(p) for p in (0.7, 0.2, 0.1)))
    ri.apply(head, ri.Policy(rules=[ri.Rule(id="all", match=ri.Match(parameter="."), init=ri.Zeros())]))
    assert nn.functional.cross_entropy(head(torch.randn(10, 4, dtype=torch.float64)), labels).item() == pytest.approx(math.log(3))


def test_a_prior_of_another_length_order_or_without_its_logarithm() -> None:
    recipe, of = find("prior")(counts=[3.0, 1.0]), Block("head.bias", (2,))
    for shape in ((3,), (2, 1), (2, 4), ()):
        assert f"has 2 counts, and this block has shape {shape}" in str(recipe.refuse(Block("head.bias", shape)))
    assert recipe.law(of, filled(recipe, of)) == ()
    assert recipe.law(of, filled(recipe, of).flip(0)) and recipe.law(of, filled(recipe, of).exp())


@pytest.mark.parametrize(("given_counts", "words"), [([1.0, 0.0], "greater than 0"), ([1.0], "at least 2"), ([1.0, -2.0], "greater than 0"), ([1.0, math.inf], "finite"), (["1", "2"], "number")])
def test_counts_that_have_no_logarithm(given_counts: list[Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        find("prior")(counts=given_counts)


def test_a_vocabulary_of_counts_is_named_in_a_few_words() -> None:
    assert str(find("prior")(counts=[2.0] * 9)) == "prior(counts=(2, 2, 2, 2, 2, 2, 2, 2, ... 9 in all))"
    assert str(find("prior")(counts=[2, 1])) == "prior(counts=(2, 1))"


@pytest.mark.parametrize("init", [{"kind": "uniform", "low": -0.1, "high": 0.1}, {"kind": "normal", "std": 0.02}, {"kind": "small_init"}], ids=lambda init: init["kind"])
@pytest.mark.parametrize("row", [0, 3, -1])
def test_an_embedding_keeps_its_padding_row(init: dict[str, Any], row: int) -> None:
    table = nn.Embedding(200, 16, padding_idx=row)
    policy = ri.Policy(rules=[ri.Rule(id="e", match=ri.Match(module="Embedding"), init=init)])
    before = table.weight.detach().clone()
    ri.apply(table, policy)
    assert torch.equal(table.weight[row], torch.zeros(16)) and not torch.equal(table.weight[1], before[1])
    assert ri.check(table, policy).ok
    with torch.no_grad():
        table.weight.mul_(3.0)
    assert not ri.check(table, policy).ok
