"""The file of known findings: what is written reads back, one entry a line; what is mangled is refused by name."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnninit_hooks.baseline.debts import LintDebt, ModelDebt
from rnninit_hooks.baseline.files import Baseline, read, written
from rnninit_hooks.cli.output import write_file
from rnninit_hooks.errors import BaselineError

WORDS = st.text(max_size=12)
MODELS = st.builds(ModelDebt, WORDS, WORDS, st.sampled_from(["RNN103", "RNN201"]), WORDS, WORDS)
SOURCE = st.builds(LintDebt, WORDS, st.sampled_from(["RNN302", "RNN401"]), WORDS)


def counters(of):
    return st.none() | st.dictionaries(of, st.integers(1, 5), max_size=6).map(Counter)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("baseline") / "rnninit.baseline.json"


@given(models=counters(MODELS), lint=counters(SOURCE))
def test_what_is_written_reads_back_with_the_line_of_every_entry(file, models, lint):
    text = written(Baseline(models, lint))
    write_file(file, text)
    back = read(file, name="b.json")
    assert (back.models, back.lint) == (models, lint) and written(back) == text
    lines = text.split("\n")
    for debt in (*(models or ()), *(lint or ())):
        place = back.place(debt)
        facts = json.loads(lines[place.line - 1].rstrip(","))
        assert type(debt)(**{key: value for key, value in facts.items() if key != "count"}) == debt and place.file == "b.json"


@given(st.dictionaries(SOURCE, st.integers(1, 5), min_size=1, max_size=6).map(Counter))
def test_one_entry_more_is_one_line_more_and_the_order_of_taking_is_nothing(counts):
    text = written(Baseline(lint=counts))
    assert text == written(Baseline(lint=Counter(dict(reversed(counts.items())))))
    assert text.count("\n") == 4 + len(counts)


ENTRY = '{"file": "a.py", "code": "RNN302", "line": "x", "count": 1}'
MODEL = '{"target": "a:b", "rules": "r.yaml", "code": "RNN201", "address": "w", "count": 1}'
MANGLED = [
    ("", "is no baseline"),
    ("<<<<<<< HEAD\n{}", "line 1 is a marker of a merge conflict"),
    ("[]", "is no baseline"),
    ("3", "is no baseline"),
    ("{}", "is no baseline"),
    ('{"version": 2}', "is of version 2; expected 1; upgrade"),
    ('{"version": 0}', "is of version 0; expected 1"),
    ('{"version": true}', "is of version True"),
    ('{"version": 1.0}', "is of version 1.0"),
    ('{"version": 1, "version": 1}', "'version' stands twice"),
    ('{"version": 1, "source": []}', "unknown key 'source'"),
    ('{"version": 1, "lint": {}}', "'lint' is dict"),
    ('{"version": 1, "lint": [1]}', "lint[0] is int"),
    ('{"version": 1, "lint": [{}]}', "lint[0] has no 'file'"),
    (f'{{"version": 1, "lint": [{ENTRY}, {ENTRY}]}}', "lint[1] stands twice"),
    (f'{{"version": 1, "lint": [{ENTRY.replace("1}", "0}")}]}}', "'count' is 0"),
    (f'{{"version": 1, "lint": [{ENTRY.replace("1}", "true}")}]}}', "'count' is True"),
    (f'{{"version": 1, "lint": [{ENTRY.replace("1}", "NaN}")}]}}', "NaN is no number"),
    (f'{{"version": 1, "lint": [{ENTRY.replace("1}", "1, }")}]}}', "line 1 column"),
    (f'{{"version": 1, "lint": [{ENTRY.replace("RNN302", "RNN320")}]}}', "RNN320 cannot be in a baseline: a file that"),
    (f'{{"version": 1, "lint": [{ENTRY.replace("RNN302", "RNN103")}]}}', "'RNN103' is no code that stands here"),
    (f'{{"version": 1, "lint": [{ENTRY.replace("RNN302", "RNN3")}]}}', "'RNN3' is no code"),
    (f'{{"version": 1, "lint": [{ENTRY.replace("file", "path")}]}}', "unknown key 'path'"),
    (f'{{"version": 1, "models": [{ENTRY}]}}', "models[0] has the unknown key 'file'"),
    (f'{{"version": 1, "models": [{MODEL.replace("RNN201", "RNN205")}]}}', "RNN205 cannot be in a baseline: a model that holds nan"),
    (f'{{"version": 1, "models": [{MODEL.replace("RNN201", "RNN001")}]}}', "'RNN001' is no code"),
    (f'{{"version": 1, "models": [{MODEL.replace(chr(34) + "w" + chr(34), "3")}]}}', "'address' is 3; expected text"),
    ("[" * 100_000, "baseline"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), MANGLED, ids=range(len(MANGLED)))
def test_a_mangled_file_is_refused_and_named(file, text, said):
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BaselineError) as caught:
        read(file)
    assert said in str(caught.value) and str(caught.value).startswith(str(file))


def test_what_is_no_text_or_no_file_is_refused(tmp_path):
    (tmp_path / "b").write_bytes(b"\xff\xfe")
    for name, said in (("b", "is no baseline"), ("none", "no such file; run `rnninit baseline` once"), ("", "cannot be read")):
        with pytest.raises(BaselineError, match=said):
            read(tmp_path / name)


def test_a_file_in_another_hand_is_read_and_its_places_are_its_first_line(file):
    file.write_text(json.dumps(json.loads(f'{{"version": 1, "lint": [{ENTRY}]}}'), indent=4))
    back = read(file)
    assert back.lint == Counter([LintDebt("a.py", "RNN302", "x")]) and back.models is None
    assert back.place(LintDebt("a.py", "RNN302", "x")).line == 1


@pytest.mark.parametrize("marker", ["<<<<<<< HEAD", "||||||| 1a2b3c4", ">>>>>>> theirs"])
def test_an_unfinished_merge_is_named_by_its_line(file, marker):
    lines = written(Baseline(lint=Counter([LintDebt("a.py", "RNN302", "x")]))).split("\n")
    write_file(file, "\n".join([*lines[:3], marker, *lines[3:]]))
    with pytest.raises(BaselineError, match=r"b\.json: .*line 4 is a marker of a merge conflict"):
        read(file, name="b.json")
