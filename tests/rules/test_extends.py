"""Rule files that build on others: order, replacement, what is inherited, and every way in which a base can be missing."""

from __future__ import annotations

import pytest

import rnninit_hooks as ri
from tests.rules.files import ids, line, write


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
