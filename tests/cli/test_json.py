"""Under --format json stdout is one document, whatever happens."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from .test_table import CASES

_TEXT_ONLY = ("--version", "--help")


def strict(text: str):
    def refuse(word: str):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize(("words", "code"), [case[:2] for case in CASES if not any(word in case[0] for word in _TEXT_ONLY)])
def test_stdout_is_one_document_with_the_same_status(project, words, code):
    ran = project(*words.replace('"', "").split(), "--format", "json")
    document = strict(ran.out)
    assert ran.code == code
    assert ("error" in document) == (code == 2)
    assert code != 2 or (document["error"]["message"].startswith("rnninit: ") and document["findings"] is not None)


def test_a_plan_as_json(project):
    document = strict(project("plan", "models.py:build", "--rules", "idle.yaml", "--format=json").out)
    (report,) = document["reports"]
    assert (document["verb"], document["ok"], document["clean"]) == ("plan", False, False)
    assert report["target"] == "models.py:build"
    assert report["findings"][0]["place"] == {"file": "idle.yaml", "line": 4, "column": 5}


def test_a_rule_file_error_holds_its_findings(project):
    document = strict(project("plan", "models.py:build", "--rules", "bad.yaml", "--format", "json").out)
    codes = {finding["code"] for finding in document["findings"]}
    assert codes == {"RNN011", "RNN010", "RNN006"}


def test_rules_as_json_judge_every_file(project):
    document = strict(project("rules", "init.rules.yaml", "bad.yaml", "--format", "json").out)
    assert document["ok"] is False
    assert [(file["file"], file["ok"], file["rules"]) for file in document["files"]] == [
        ("init.rules.yaml", True, 2),
        ("bad.yaml", False, 0),
    ]


def test_a_nan_is_a_string(project):
    document = strict(project("inspect", "models.py:poisoned", "--format", "json").out)
    means = [row["mean"] for row in document["reports"][0]["rows"]]
    assert "nan" in means


def test_bad_usage_is_a_document_when_the_environment_asks_for_json(project, monkeypatch):
    monkeypatch.setenv("RNNINIT_FORMAT", "json")
    ran = project("plan", "--no-such-flag")
    assert ran.code == 2 and "no-such-flag" in strict(ran.out)["error"]["message"]


def test_a_real_pipe_holds_one_document(project):
    words = [
        sys.executable,
        "-m",
        "rnninit_hooks",
        "plan",
        "models.py:build",
        "--rules",
        "init.rules.yaml",
        "--format",
        "json",
    ]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and strict(ran.stdout)["verb"] == "plan"
    assert "a factory that talks" in ran.stderr
