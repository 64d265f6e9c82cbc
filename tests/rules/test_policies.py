"""Rules as values: extension, replacement, equality and round trips."""

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
from tests.rules.table import GOOD


def write(folder, name: str, text: str):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def ids(policy: ri.Policy) -> list[str]:
    return [rule.id for rule in policy.rules]


def line(name: str, **more: str) -> str:
    extra = "".join(f"{key}: {value}, " for key, value in more.items())
    return f"  - {{id: {name}, {extra}match: {{kind: bias}}, init: {{kind: zeros}}}}\n"


def test_extended_rules_come_first_and_are_inherited(tmp_path):
    write(tmp_path, "base/base.yaml", "version: 1\nseed: 5\nuntouched: error\nrules:\n" + line("one") + line("two"))
    file = write(tmp_path, "team.yaml", "version: 1\nextends: base/base.yaml\nidle: warn\nrules:\n" + line("three"))
    policy = ri.load(file)
    assert ids(policy) == ["one", "two", "three"]
    assert [rule.inherited for rule in policy.rules] == [True, True, False]
    assert (policy.seed, policy.untouched, policy.idle) == (5, "error", "warn")
    assert policy.rules[0].origin.file.endswith("base.yaml") and policy.rules[0].origin.line == 5
    assert str(policy.rules[2].origin) == f"{file}:5:5"


def test_the_same_id_replaces_and_moves_to_the_end_and_drop_removes(tmp_path):
    write(tmp_path, "base.yaml", "version: 1\nrules:\n" + line("one") + line("two") + line("three"))
    policy = ri.load(
        write(tmp_path, "team.yaml", "version: 1\nextends: [base.yaml]\ndrop: [two]\nrules:\n" + line("one", why="mine"))
    )
    assert ids(policy) == ["three", "one"]
    assert policy.rules[1].why == "mine" and not policy.rules[1].inherited


def test_settings_given_win_over_inherited_ones_even_when_zero(tmp_path):
    write(tmp_path, "base.yaml", "version: 1\nseed: 5\nrules:\n" + line("one"))
    assert ri.load(write(tmp_path, "team.yaml", "version: 1\nextends: base.yaml\nseed: 0\n")).seed == 0


def test_a_diamond_takes_the_common_file_once(tmp_path):
    write(tmp_path, "root.yaml", "version: 1\nrules:\n" + line("root"))
    for side in ("left", "right"):
        write(tmp_path, f"{side}.yaml", f"version: 1\nextends: root.yaml\nrules:\n{line(side)}")
    policy = ri.load(write(tmp_path, "top.yaml", "version: 1\nextends: [left.yaml, right.yaml]\n"))
    assert ids(policy) == ["root", "left", "right"]


def test_a_circle_is_refused_with_its_chain(tmp_path):
    write(tmp_path, "a.yaml", "version: 1\nextends: b.yaml\n")
    write(tmp_path, "b.yaml", "version: 1\nextends: c.yaml\n")
    write(tmp_path, "c.yaml", "version: 1\nextends: a.yaml\n")
    with pytest.raises(ri.RuleFileError, match=r"a\.yaml -> b\.yaml -> c\.yaml -> a\.yaml") as caught:
        ri.load(tmp_path / "a.yaml")
    assert {finding.code for finding in caught.value.findings} == {"RNN014"}
    with pytest.raises(ri.RuleFileError, match="circle"):
        ri.load(write(tmp_path, "self.yaml", "version: 1\nextends: self.yaml\n"))


def test_problems_of_an_extended_file_are_reported_in_that_file(tmp_path):
    write(tmp_path, "base.yaml", "version: 1\nrules:\n  - {id: a, match: {kind: bais}, init: {kind: zeros}}\n")
    file = write(tmp_path, "team.yaml", "version: 1\nextends: base.yaml\nrules:\n  - {id: b}\n")
    with pytest.raises(ri.RuleFileError) as caught:
        ri.load(file)
    places = [(finding.code, finding.place.file.rsplit("/", 1)[1], finding.place.line) for finding in caught.value.findings]
    assert ("RNN009", "base.yaml", 3) in places and ("RNN007", "team.yaml", 4) in places


def test_a_problem_of_an_extended_file_says_who_extends_it(tmp_path):
    write(tmp_path, "base.yaml", "version: 1\nseed: x\nrules:\n" + line("one"))
    file = write(tmp_path, "team.yaml", "version: 1\nextends:\n  - builtin:lstm-classic\n  - base.yaml\n")
    with pytest.raises(ri.RuleFileError) as caught:
        ri.load(file)
    (finding,) = caught.value.findings
    assert str(finding.place) == f"{tmp_path / 'base.yaml'}:2:7"
    assert finding.message == f"`seed` is text ('x'), in a file that {file}:4:5 extends"


def test_a_chain_of_files_has_an_end(tmp_path):
    for index in range(1200):
        write(tmp_path, f"f{index}.yaml", f"version: 1\nextends: f{index + 1}.yaml\n")
    write(tmp_path, "f1200.yaml", "version: 1\nrules:\n" + line("last"))
    with pytest.raises(ri.RuleFileError, match="more than 16 deep") as caught:
        ri.load(tmp_path / "f0.yaml")
    assert [finding.code for finding in caught.value.findings] == ["RNN018"]
    assert ids(ri.load(tmp_path / "f1184.yaml")) == ["last"]


def test_a_broken_base_hides_no_ids_that_drop_could_name(tmp_path):
    write(tmp_path, "base.yaml", "version: 1\nrules:\n  - {id: a, match: {kind: bais}, init: {kind: zeros}}\n")
    with pytest.raises(ri.RuleFileError) as caught:
        ri.load(write(tmp_path, "team.yaml", "version: 1\nextends: base.yaml\ndrop: a\n"))
    assert [finding.code for finding in caught.value.findings] == ["RNN009"]


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


def test_rules_of_an_installed_package_are_found_without_running_it(tmp_path, monkeypatch):
    write(tmp_path, "acme_rules/__init__.py", "raise SystemExit('was run')\n")
    write(tmp_path, "acme_rules/rules/base.rules.yaml", "version: 1\nrules:\n" + line("acme"))
    monkeypatch.syspath_prepend(tmp_path)
    assert ids(ri.loads("version: 1\nextends: pkg:acme_rules/rules/base.rules.yaml\n")) == ["acme"]
    assert ids(ri.loads("version: 1\nextends: pkg:acme_rules.rules/base.rules.yaml\n")) == ["acme"]
    with pytest.raises(ri.RuleFileError, match="no file 'other.yaml'"):
        ri.loads("version: 1\nextends: pkg:acme_rules/other.yaml\n")


def test_a_string_has_nothing_to_be_relative_to_unless_told(tmp_path):
    write(tmp_path, "base.yaml", "version: 1\nrules:\n" + line("one"))
    with pytest.raises(ri.RuleFileError, match="relative"):
        ri.loads("version: 1\nextends: base.yaml\n")
    assert ids(ri.loads("version: 1\nextends: base.yaml\n", base=tmp_path)) == ["one"]


def test_dropping_everything_leaves_no_policy():
    with pytest.raises(ri.RuleFileError, match="no rule is left"):
        ri.loads("version: 1\nextends: builtin:rnn-orthogonal\ndrop: [" + ", ".join(ids(ri.preset("rnn-orthogonal"))) + "]\n")


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
    assert set(presets()) == {"lstm-classic", "gru-classic", "rnn-orthogonal", "torch-default"}
    assert all(text.endswith(".") and len(text) > 20 for text in presets().values())


def test_the_schema_states_the_grammar():
    schema = ri.json_schema()
    rule = schema["properties"]["rules"]["items"]
    assert set(schema["properties"]) == {"version", "extends", "drop", "seed", "rules", "untouched", "idle", "allow"}
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
