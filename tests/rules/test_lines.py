"""Patterns searched on lines of one text answer as name by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnninit_hooks.rules.lines import Names, line_pattern
from rnninit_hooks.rules.patterns import PatternTimeout, found_in, trouble

NAMES = [
    "weight", "bias", "rnn.weight_hh_l0", "rnn.weight_hh_l0_reverse", "rnn.bias_ih_l11", "encoder.layers.0.rnn.weight_ih_l0",
    "encoder.layers.10.rnn.weight_ih_l0", "head.weight", "0.weight", "a-b.weight g", "ende", "rnn.w[0]",
]  # fmt: skip
PIECES = [
    "weight", "_hh_", "_ih", r"\d+", r"\.", "^", "$", "rnn", "(?:encoder|head)", "(bias|weight)", "[0-9]", r"[\w.]+", ".*", ".",
    r"\b", "l0?", "{1,2}", "[^.]+", r"\s", r"\W", r"\D", "(?!x)", "(?i)", r"\Z", r"\A", "\\n", "[^_]*", "|", "(?<=r)n", "x*", r"\S+",
]  # fmt: skip
patterns = st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join).filter(lambda text: trouble(text) is None)


@given(patterns, st.lists(st.sampled_from(NAMES), max_size=12))
def test_a_text_of_names_gives_what_each_name_gives(pattern: str, names: list[str]) -> None:
    assert Names(names).found(pattern) == frozenset(found_in(pattern, names))


@given(patterns, st.lists(st.text("ab.\n_01", min_size=1, max_size=8), max_size=8))
def test_even_where_names_hold_line_breaks(pattern: str, names: list[str]) -> None:
    assert Names(names).found(pattern) == frozenset(found_in(pattern, names))


@pytest.mark.parametrize(
    "pattern", [r"weight_hh_l\d+", r"^encoder\.layers\.(?:0|1)\.", "bias$", r"[a-z_]+\.[0-9]{1,2}", r"a\b|b"]
)
def test_common_patterns_go_the_fast_way(pattern: str) -> None:
    assert line_pattern(pattern) is not None


@pytest.mark.parametrize(
    "pattern", ["[^.]+", r"\s", r"\W", r"\D", "(?!x)", "(?i)a", r"a\Z", "\\n", "a\nb", r"[\s]", "(?:a){e<=1}", "[\\n]"]
)
def test_what_could_see_a_line_break_goes_name_by_name(pattern: str) -> None:
    assert line_pattern(pattern) is None


def test_nothing_and_everything() -> None:
    assert Names([]).found("a") == Names([]).found(None) == frozenset()
    assert Names(NAMES).found(None) == frozenset(NAMES)


def test_a_pattern_that_takes_too_long_on_one_name_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnninit_hooks.rules.lines.SEARCH_SECONDS", 1e-9)
    assert Names(NAMES).found("weight") == frozenset(found_in("weight", NAMES)), "too long for all together is not yet too long"
    monkeypatch.setattr("rnninit_hooks.rules.patterns.SEARCH_SECONDS", 0.01)
    slow = "a" * 60 + "!"
    with pytest.raises(PatternTimeout, match=slow):
        Names(["b", slow]).found("(a|aa)+$")
