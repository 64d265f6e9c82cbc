"""JSON that every parser reads."""

from __future__ import annotations

import json

import pytest

from rnninit_hooks.findings import Finding
from rnninit_hooks.report.formats import error_document, to_json

from .fakes import broken, facts, lstm_facts, lstm_rows, report


def strict(text: str):
    def refuse(word: str):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_json_has_no_number_for_is_a_string(value):
    assert strict(to_json({"deep": [{"mean": value}]})) == {"deep": [{"mean": str(value)}]}


def test_a_report_survives_the_round_trip():
    whole = report(*lstm_rows(stats={"rho": float("nan")}), findings=(broken("rnn.weight_hh_l0[input]"),), seed=7)
    found = strict(to_json(whole.to_dict()))
    assert found["rows"][0]["stats"] == {"rho": "nan"} and found["findings"][0]["code"] == "RNN201"
    assert found["rows"][0]["place"] == "init.rules.yaml:5:5" and found["seed"] == 7


def test_a_table_survives_the_round_trip():
    assert strict(to_json(lstm_facts().to_dict()))["rows"][5]["retention"] == 0.7310586
    assert strict(to_json(facts("w", std=float("inf")).to_dict()))["std"] == "inf"


def test_an_error_is_a_document_too():
    found = strict(to_json(error_document({"message": "no"}, [Finding("RNN002", "bad")])))
    assert found["error"] == {"message": "no"} and found["findings"][0]["name"] == "yaml-syntax"


def test_lone_surrogates_and_tuples_pass():
    assert strict(to_json({"name": "\ud800", "shape": (1, 2)})) == {"name": "\ud800", "shape": [1, 2]}
