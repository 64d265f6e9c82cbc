"""Versions of the grammar, and what editors write into a file: nothing of it changes what the rules say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rnninit_hooks as ri
from rnninit_hooks.rules import parsing
from rnninit_hooks.rules.versions import VERSIONS, Versions
from tests.rules.table import GOOD

TEXT = f"version: 1\nrules:\n  - {GOOD}\n"


def problems(text):
    with pytest.raises(ri.RuleFileError) as caught:
        ri.loads(text)
    return [(found.code, found.place.line, found.place.column, found.message) for found in caught.value.findings]


def test_a_later_file_gets_one_clean_message_whatever_else_it_says():
    text = "version: 2\nthings: [new]\nrules:\n  - {name: x}\n"
    assert problems(text) == [("RNN017", 1, 10, "version 2 is of a later release than this one")]
    with pytest.raises(ri.RuleFileError, match="update rnninit-hooks, or write the file in version 1"):
        ri.loads(text)


def test_a_version_that_never_was_is_said_with_every_other_problem():
    found = problems(TEXT.replace("version: 1", "version: 0").replace("zeros", "zero"))
    assert [row[:3] for row in found] == [("RNN017", 1, 10), ("RNN011", 3, 47)]
    assert found[0][3] == "no release that reads version 0 has been made"


def test_a_later_base_is_named_with_the_line_that_brings_it_in(tmp_path):
    (tmp_path / "base.yaml").write_text("version: 7\n")
    file = tmp_path / "team.yaml"
    file.write_text("version: 1\nextends: base.yaml\n")
    with pytest.raises(ri.RuleFileError) as caught:
        ri.load(file)
    (only,) = caught.value.findings
    assert (only.code, only.place.file) == ("RNN017", str(tmp_path / "base.yaml")) and "team.yaml:2:10 extends" in only.message


def _renamed(data):
    """A made-up step: version 1 said `policies`, version 2 says `rules`."""
    return {"rules" if key == "policies" else key: value for key, value in data.items()}


@pytest.fixture
def second(monkeypatch):
    class Head(parsing.Head):
        version: int = 2

    monkeypatch.setattr(parsing, "VERSIONS", Versions(2, {1: _renamed}))
    monkeypatch.setattr(parsing, "Head", Head)


def test_an_older_file_is_read_by_way_of_the_steps(second):
    old, new = TEXT.replace("rules:", "policies:"), TEXT.replace("version: 1", "version: 2")
    assert ri.loads(old) == ri.loads(new)
    assert problems(TEXT.replace("version: 1", "version: 3"))[0][0] == "RNN017"


def test_problems_of_an_older_file_keep_a_place_in_its_text(second):
    found = problems(TEXT.replace("rules:", "policies:").replace("zeros", "zero"))
    assert [row[0] for row in found] == ["RNN011"] and found[0][1] >= 1


@given(st.integers(1, 6), st.integers(0, 5))
def test_a_file_of_any_version_read_passes_every_later_step_once_in_order(current, back):
    steps = {n: (lambda data, n=n: {**data, "seen": [*data["seen"], n]}) for n in range(max(1, current - back), current)}
    versions = Versions(current, steps)
    for start in range(versions.oldest, current + 1):
        assert versions.objection(start) is None
        expected = {"version": current, "seen": list(range(start, current))}
        assert versions.upgraded({"version": start, "seen": []}) == expected
    assert versions.objection(versions.oldest - 1) and versions.objection(current + 1)


@pytest.mark.parametrize("steps", [{0: dict}, {1: dict, 3: dict}, {3: dict}])
def test_steps_with_a_gap_are_refused(steps):
    with pytest.raises(ValueError, match="do not lead to version 3 one by one"):
        Versions(3, steps)


def test_there_is_one_grammar_so_far():
    assert (VERSIONS.oldest, VERSIONS.current) == (1, 1)
    assert ri.json_schema()["properties"]["version"]["const"] == 1


@pytest.mark.parametrize("head", ["# yaml-language-server: $schema=rules-1.json\n", "$schema: ./rules-1.json\n", "# $schema: x\n"])
def test_what_an_editor_is_told_changes_nothing(head):
    assert ri.loads(head + TEXT) == ri.loads(TEXT)


def test_the_editors_key_is_text_and_stands_at_the_top_only():
    assert problems("$schema: 3\n" + TEXT)[0][:3] == ("RNN008", 1, 10)
    assert problems("$schema: ''\n" + TEXT)[0][:3] == ("RNN008", 1, 10)
    assert problems("$schema:\n" + TEXT)[0][:2] == ("RNN008", 1)
    assert problems(TEXT.replace("{id: a,", "{$schema: x, id: a,"))[0][0] == "RNN006"


def test_an_unknown_version_is_no_reason_to_read_less_of_a_file_without_one():
    assert [row[0] for row in problems(TEXT.removeprefix("version: 1\n"))] == ["RNN007"]
