"""Flat tables and numbers of a report: every row there, every cell plain, nothing needed but the standard library."""

from __future__ import annotations

import csv
import io

import pytest
import torch
from hypothesis import given
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.report.flat import Table, findings_of, numbers_of, table_of
from rnninit_hooks.testing import models, policies


@given(models(), policies())
def test_every_report_is_a_table_of_plain_cells(model, policy):
    report = ri.plan(model, policy)
    table = table_of(report)
    assert [row["address"] for row in table.to_dicts()] == [row.address for row in report.rows]
    assert all(cell is None or isinstance(cell, str | int | float | bool) for row in table.rows for cell in row)
    assert all(any(row[i] is not None for row in table.rows) for i in range(len(table.columns)))
    found = findings_of(report)
    assert len(found.rows) == len(report.findings)
    numbers = numbers_of(report)
    assert sum(value for key, value in numbers.items() if key.startswith("slots_")) == len(report.rows)
    assert numbers["errors"] == len(report.errors)


def test_facts_become_numbers_by_address():
    lstm = nn.LSTM(3, 4)
    ri.apply(lstm, "lstm-classic")
    facts = ri.inspect(lstm)
    numbers = numbers_of(facts)
    assert numbers["bias_l0[forget]/effective_bias"] == 1.0
    assert numbers["bias_l0[forget]/retention"] == pytest.approx(torch.sigmoid(torch.tensor(1.0)).item())
    assert not any(key.endswith("/layer") for key in numbers)
    assert table_of(facts).to_dicts()[0]["shape"] == "4x3"


def test_statistics_of_what_was_written_have_columns_of_their_own():
    table = table_of(ri.apply(nn.LSTM(3, 4), "lstm-classic"))
    assert {name for name in table.columns if name.startswith("stats.")}, table.columns


def test_findings_have_their_place_as_text(tmp_path):
    (tmp_path / "r.yaml").write_text("version: 1\nrules:\n  - {id: a, match: {parameter: 'nothing'}, init: {kind: zeros}}\nuntouched: allow\n")
    (only,) = findings_of(ri.plan(nn.LSTM(2, 2), tmp_path / "r.yaml")).to_dicts()
    assert only["code"] == "RNN101" and only["place"] == f"{tmp_path / 'r.yaml'}:3:5"


def test_a_table_goes_through_csv():
    table = table_of(ri.plan(nn.GRU(2, 2), "gru-classic"))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, table.columns)
    writer.writeheader()
    writer.writerows(table.to_dicts())
    stream.seek(0)
    assert [row["address"] for row in csv.DictReader(stream)] == [row["address"] for row in table.to_dicts()]


def test_markdown_keeps_its_columns_whatever_stands_in_a_cell():
    lines = Table(("a", "b"), (("x|y", "two\nlines"), (None, 3))).to_markdown().splitlines()
    assert lines == ["| a | b |", "| --- | --- |", "| x\\|y | two lines |", "|  | 3 |"]
