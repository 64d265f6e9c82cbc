"""Rules as values: strictness, equality, round trips, and the doors that lead to them."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import rnninit_hooks as ri
from rnninit_hooks.rules.load import presets, resolve
from rnninit_hooks.testing import policies
from tests.rules.files import line, write
from tests.rules.table import GOOD


def test_a_name_stands_in_messages_instead_of_the_path(tmp_path):
    file = write(tmp_path, "r.yaml", "version: 2\nrules:\n" + line("a"))
    for broken in (file, tmp_path / "none.yaml"):
        with pytest.raises(ri.RuleFileError) as caught:
            ri.load(broken, name="the team's rules")
        assert caught.value.findings[0].place.file == "the team's rules"


def test_what_cannot_be_read_is_a_clean_error(tmp_path):
    for path in (tmp_path, "a\0b.yaml", "x" * 5000 + ".yaml", tmp_path / "none.yaml" / "x.yaml"):
        with pytest.raises(ri.RuleFileError) as caught:
            ri.load(path)
        assert [finding.code for finding in caught.value.findings] == ["RNN001"]
    with pytest.raises(TypeError, match="found bytes"):
        ri.loads(b"version: 1")


def test_reading_rules_wakes_no_torch():
    code = (
        "import sys, rnninit_hooks as ri\n"
        "policy = ri.loads('version: 1\\nextends: builtin:gru-classic\\n')\n"
        "ri.json_schema(), policy.to_yaml(), policy.rules[0].match.matches_name(['a'])\n"
        "print(len(policy.rules), 'torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split()[1] == "False" and int(ran.stdout.split()[0]) > 0


@given(policies())
def test_a_policy_round_trips_through_yaml_data_pickle_and_copy(policy):
    assert ri.loads(policy.to_yaml()) == policy
    assert ri.Policy.model_validate(policy.model_dump(mode="json")) == policy
    assert pickle.loads(pickle.dumps(policy)) == policy == copy.deepcopy(policy)


LOOK_ALIKES = [
    "1e5",
    "0o17",
    "089",
    "0x1F",
    "1_000",
    ".5",
    "off",
    "~",
    "null",
    "True",
    "=",
    "1:30",
    ".inf",
    "# x",
    "- x",
    "a: b",
    "'",
    " x ",
    "\u2028",
    "é\x00",
]


@given(st.sampled_from(LOOK_ALIKES) | st.text(min_size=1, max_size=40))
def test_text_that_looks_like_something_else_stays_text_in_a_file(text):
    rule = ri.Rule(id="089", match=ri.Match(gate=text, module=[text, "LSTM"]), init=ri.Normal(mean=1e-7, std=1e20), why=text)
    policy = ri.Policy(rules=[rule], allow=[ri.Allow(code="RNN103", at=text, reason="x")])
    assert ri.loads(policy.to_yaml()) == policy


def test_where_a_rule_stands_survives_copies_and_takes_no_part_in_equality():
    policy = ri.loads(f"version: 1\nrules:\n  - {GOOD}\n", name="r.yaml")
    (rule,) = policy.rules
    for twin in (pickle.loads(pickle.dumps(rule)), copy.deepcopy(rule), policy.model_copy(update={"seed": 9}).rules[0]):
        assert twin.origin == rule.origin == ri.Place("r.yaml", 3, 5)
    assert rule == rule.with_origin(None, inherited=True)
    assert "origin" not in rule.model_dump() and hash(rule) == hash(rule.with_origin(None))


@pytest.mark.parametrize(
    "build",
    [
        lambda: ri.Policy(rules=[]),
        lambda: ri.Match(),
        lambda: ri.Match(parameter=None),
        lambda: ri.Rule(id="a", match=ri.Match(kind="bias"), init=ri.Recipe()),
        lambda: ri.Rule(id="a", match=ri.Match(kind="bias"), init={}),
        lambda: ri.Rule(id="a", match=ri.Match(kind="bias"), init={"kind": ["zeros"]}),
        lambda: ri.Rule(id="a", match=ri.Match(kind="bias"), init={"kind": "zeros", 1: 2}),
        lambda: ri.Allow(code="RNN103", reason=" "),
        lambda: ri.Match(kind="weights"),
        lambda: ri.Match(layer="0"),
        lambda: ri.Match(parameter="("),
        lambda: ri.Rule(id="a", match=ri.Match(kind="bias"), init={"kind": "zero"}),
        lambda: ri.Rule(id="a", match=ri.Match(kind="bias"), init={"kind": "constant", "value": "1"}),
        lambda: ri.Rule(id="a", match=ri.Match(gate="f"), init=ri.Zeros(), whole=True),
        lambda: ri.Allow(code="RNN999", reason="x"),
        lambda: ri.Constant(value=float("nan")),
        lambda: ri.Policy(rules=[ri.Rule(id="a", match=ri.Match(kind="bias"), init=ri.Zeros())] * 2),
    ],
)
def test_policies_made_in_python_are_as_strict(build):
    with pytest.raises(ValidationError):
        build()


def test_policies_are_frozen():
    policy = ri.preset("lstm-classic")
    with pytest.raises(ValidationError):
        policy.seed = 3
    with pytest.raises(ValidationError):
        policy.rules[0].id = "x"


def test_a_policy_is_named_by_itself_a_path_or_a_preset(tmp_path):
    policy = ri.preset("lstm-classic")
    file = write(tmp_path, "r.yaml", policy.to_yaml())
    assert resolve(policy) is policy
    assert resolve(file) == resolve(str(file)) == resolve("lstm-classic") == policy
    with pytest.raises(ri.RuleFileError, match="did you mean 'lstm-classic'"):
        resolve("lstm-clasic")
    with pytest.raises(ri.RuleFileError, match="did you mean 'r.yaml'"):
        resolve(tmp_path / "rr.yaml")
    with pytest.raises(TypeError, match="found int"):
        resolve(3)


def test_every_preset_says_in_one_sentence_what_it_is():
    assert {"lstm-classic", "gru-classic", "rnn-orthogonal", "torch-default", "keras", "chrono"} <= set(presets())
    assert all(text.endswith(".") and len(text) > 20 for text in presets().values())


def test_the_schema_states_the_grammar():
    schema = ri.json_schema()
    rule = schema["properties"]["rules"]["items"]
    assert set(schema["properties"]) == {"$schema", "version", "extends", "drop", "seed", "rules", "untouched", "idle", "allow"}
    assert set(rule["properties"]) == {"id", "match", "init", "idle", "why", "whole", "place", "literal"}
    assert not schema["additionalProperties"] and not rule["additionalProperties"]
    kinds = {choice["properties"]["kind"]["const"]: choice for choice in rule["properties"]["init"]["oneOf"]}
    assert kinds["constant"]["required"] == ["kind", "value"]
    assert (
        kinds["orthogonal"]["properties"]["gain"] == {"exclusiveMinimum": 0, "type": "number"}
        or "gain" in kinds["orthogonal"]["properties"]
    )
    assert rule["properties"]["match"]["properties"]["gate"]["anyOf"][1]["minItems"] == 1
    entry = schema["properties"]["allow"]["items"]["properties"]
    assert entry["code"]["enum"] == sorted(ri.CODES) and entry["reason"]["pattern"] == r"\S"
    assert [sorted(each["not"]["required"]) for each in rule["allOf"]] == [["match", "whole"], ["literal", "place"]]
