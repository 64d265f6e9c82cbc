"""What is said of a written value: the same for large blocks, in one pass of float32, as for small ones."""

from __future__ import annotations

import hashlib
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.facts import digest, finite, statistics
from rnninit_hooks.recipes.room import ALIGNMENT, empty


@given(st.floats(-100, 100), st.floats(0.001, 100), st.integers(2**14, 2**15), st.integers(0, 99))
def test_quick_statistics_agree_with_exact_ones(mean, std, count, seed):
    value = torch.randn(count, generator=torch.Generator().manual_seed(seed)) * std + mean
    quick, exact = statistics(value), statistics(value.double())
    assert (quick["min"], quick["max"]) == (exact["min"], exact["max"])
    assert quick["mean"] == pytest.approx(exact["mean"], abs=1e-5 * (std + abs(mean)))
    assert quick["std"] == pytest.approx(exact["std"], rel=1e-3)


def test_a_large_constant_has_no_spread():
    assert statistics(torch.full((2**15,), 0.1))["std"] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_one_number_that_is_none_is_seen(bad, dtype):
    value = torch.zeros(3, 5, dtype=dtype)
    assert finite(value) and finite(value[:0])
    value[1, 2] = bad
    assert not finite(value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_digest_names_the_bits_of_a_view_as_of_a_copy(dtype):
    whole = torch.arange(24, dtype=dtype).view(4, 6)
    assert digest(whole[:, ::2]) == digest(whole[:, ::2].clone()) != digest(whole[:, 1::2])
    raw = whole.contiguous().view(torch.uint8).numpy().tobytes()
    assert digest(whole) == hashlib.sha256(raw).hexdigest()[:16]


def test_large_and_small_slots_get_their_facts_in_one_report():
    model = nn.LSTM(160, 160)
    report = ri.apply(model, "lstm-classic")
    rows = {row.address: row for row in report.rows}
    forget = model.weight_hh_l0.detach()[160:320]
    assert rows["weight_hh_l0[forget]"].digest == digest(forget)
    assert rows["weight_hh_l0[forget]"].stats["std"] == pytest.approx(forget.std(correction=0).item(), rel=1e-4)
    assert rows["bias_l0[forget]"].stats == {"mean": 1.0, "std": 0.0, "min": 1.0, "max": 1.0}


def test_what_goes_wrong_while_facts_are_taken_is_raised(monkeypatch):
    def broken(slot, values):
        raise RuntimeError("no facts")

    model = nn.LSTM(160, 160)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    monkeypatch.setattr("rnninit_hooks.applying.written_facts", broken)
    with pytest.raises(RuntimeError, match="no facts"):
        ri.apply(model, "lstm-classic")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items()), "and all is put back"


@given(st.lists(st.integers(0, 9), max_size=3), st.sampled_from([torch.float32, torch.float64, torch.bfloat16, torch.int64]))
def test_room_is_aligned_and_of_the_shape_that_was_asked_for(shape, dtype):
    found = empty(tuple(shape), dtype)
    assert (tuple(found.shape), found.dtype, found.is_contiguous()) == (tuple(shape), dtype, True)
    assert found.numel() == 0 or found.data_ptr() % ALIGNMENT == 0
