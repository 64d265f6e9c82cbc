"""The table of `inspect`: grouped, aligned, three to four digits."""

from __future__ import annotations

import re

import pytest
from rich.cells import cell_len

from rnninit_hooks.report.text import render_facts
from rnninit_hooks.rows import FactTable

from .fakes import GATES, facts, lstm_facts


def test_matrices_and_biases_have_their_own_columns():
    text = render_facts(lstm_facts()).splitlines()
    heads = [line.split() for line in text if line.split()[:1] == ["mean"]]
    assert heads == [
        ["mean", "std", "min", "max", "rho", "s_min", "s_max", "orth"],
        ["mean", "std", "min", "max", "bias", "retention", "tau"],
    ]
    assert text[0] == "rnn  LSTM" and text[2].split() == ["weight_hh_l0", "256x256"]
    assert text[-1] == "inspect: 8 slots in 1 module"


def test_every_gate_has_a_line_of_numbers():
    text = render_facts(lstm_facts()).splitlines()
    forget = [line.split() for line in text if line.split()[:1] == ["forget"]]
    assert forget == [
        ["forget", "-0.001235", "0.1235", "-0.9877", "0.9877", "1", "1", "1", "1.235e-07"],
        ["forget", "-0.001235", "0.1235", "-0.9877", "0.9877", "1", "0.7311", "3.718"],
    ]
    assert [sum(line.split()[:1] == [gate] for line in text) for gate in GATES] == [2, 2, 2, 2]


def test_what_was_not_measured_is_a_dash():
    cell = next(line for line in render_facts(lstm_facts()).splitlines()[7:] if line.split()[:1] == ["cell"])
    assert cell.split()[-2:] == ["-", "-"]


def test_numbers_stand_right_aligned_under_their_heads():
    text = render_facts(lstm_facts()).splitlines()
    head, forget = text[1], next(line for line in text if "forget" in line)
    ends = [[match.end() for match in re.finditer(r"\S+", line)] for line in (head, forget)]
    assert ends[0] == ends[1][1:]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_page(width):
    text = render_facts(lstm_facts(), width=width)
    assert max(map(cell_len, text.splitlines())) <= width


def test_nan_and_inf_are_shown():
    table = FactTable((facts("weight_hh_l0", mean=float("nan"), max=float("inf"), min=float("-inf")),))
    assert {"nan", "inf", "-inf"} <= set(render_facts(table).split())


def test_a_slot_without_gates_is_the_whole():
    assert "    whole  " in render_facts(FactTable((facts("weight_hr_l0"),)))


def test_an_empty_table_says_so():
    assert render_facts(FactTable(())) == "inspect: 0 slots in 0 modules"


def test_brackets_and_control_characters_do_no_harm():
    table = FactTable((facts("[/]weight", module="heads[x]\x1b[31m"),))
    text = render_facts(table)
    assert "[/]weight" in text and "heads[x]\\x1b[31m" in text and "\x1b" not in text


def test_str_of_a_table_is_its_text():
    assert str(lstm_facts()) == render_facts(lstm_facts())
