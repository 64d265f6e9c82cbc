"""The reader: every broken file is refused with all its problems and their places; nothing hangs, nothing runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rnninit_hooks as ri
from rnninit_hooks.rules.document import LARGEST, raw_bytes, read, scalar
from tests.rules.table import BROKEN, GOOD


def problems(text: bytes | str, tmp_path: Path) -> list[ri.Finding]:
    file = tmp_path / "init.rules.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ri.RuleFileError) as caught:
        ri.load(file)
    return list(caught.value.findings)


@pytest.mark.parametrize(("raw", "expected"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_broken_file_is_refused_with_every_problem_and_its_place(raw, expected, tmp_path):
    found = problems(raw, tmp_path)
    assert [(f.code, f.place.line, f.place.column) for f in found] == expected
    assert all(f.place.file.endswith("init.rules.yaml") and f.message for f in found)
    assert not Path("/tmp/rnninit-was-here").exists()


def test_all_problems_of_a_file_come_at_once_sorted_with_line_and_caret(tmp_path):
    text = "version: 1\nseed: x\nrules:\n  - {id: a, match: {kinds: bias}, init: {kind: zero}}\n  - {id: b, id: c, init: {kind: zeros, x: 1}}\n"
    found = problems(text, tmp_path)
    assert [(f.code, f.place.line) for f in found] == [
        ("RNN008", 2),
        ("RNN006", 4),
        ("RNN011", 4),
        ("RNN007", 5),
        ("RNN003", 5),
        ("RNN006", 5),
    ]
    line, caret = found[1].excerpt.splitlines()
    assert line[caret.index("^") :].startswith("kinds: bias")
    assert "did you mean 'kind'" in found[1].message and "did you mean 'zeros'" in found[2].message


def test_the_message_of_the_error_is_what_a_person_needs(tmp_path):
    file = tmp_path / "r.yaml"
    file.write_text("version: 1\nrules:\n  - {id: a, match: {gates: f}, init: {kind: zeros}}\n")
    with pytest.raises(ri.RuleFileError) as caught:
        ri.load(file)
    assert str(caught.value) == (
        "the rules cannot be read: 1 problem\n"
        f"{file}:3:21: RNN006 the key 'gates' is unknown here; did you mean 'gate'?; "
        "expected one of parameter, module, kind, gate, layer, direction\n"
        "      - {id: a, match: {gates: f}, init: {kind: zeros}}\n"
        "                        ^"
    )


SCALARS = {
    "1": 1, "-7": -7, "+3": 3, "012": 12, "0o17": 15, "0x1F": 31, "1.5": 1.5, "1e-3": 1e-3, "1E5": 1e5, ".5": 0.5, "1.": 1.0,
    "true": True, "False": False, "TRUE": True, "null": None, "~": None, "": None, "yes": "yes", "off": "off", "on": "on",
    "no": "no", "y": "y", "1_000": "1_000", "0b1": "0b1", "12:30:45": "12:30:45", "2026-11-23": "2026-11-23", "1e": "1e",
    "tRUE": "tRUE", "0o8": "0o8", "--1": "--1", "=": "=", "0x": "0x",
}  # fmt: skip


@pytest.mark.parametrize("text", SCALARS)
def test_scalars_are_those_of_yaml_1_2(text):
    found = scalar(text)
    assert found == SCALARS[text] and type(found) is type(SCALARS[text])


@pytest.mark.parametrize("text", ["'1'", '"true"', "'~'", '"1e-3"'])
def test_quoted_scalars_are_text(text):
    assert isinstance(read(f"a: {text}", "x").data["a"], str)


def test_line_ends_and_byte_order_marks_make_no_difference(tmp_path):
    text = f"version: 1\nrules:\n  - {GOOD}\n"
    expected = ri.loads(text)
    for variant in (text.replace("\n", "\r\n").encode(), b"\xef\xbb\xbf" + text.encode(), text.rstrip().encode()):
        file = tmp_path / "variant.yaml"
        file.write_bytes(variant)
        assert ri.load(file) == expected


def judged(text: bytes) -> bool:
    """True when the reader gives a policy or says why not; anything else raises."""
    document = read(text, "fuzz.yaml")
    if document.problems:
        return True
    try:
        ri.loads(text.decode("utf-8-sig"))
    except ri.RuleFileError as error:
        return bool(error.findings)
    return True


@given(st.binary(max_size=200))
def test_any_bytes_give_a_policy_or_a_clean_error(raw):
    assert judged(raw)


GOOD_FILE = (
    "version: 1\nextends: builtin:lstm-classic\nseed: 3\nrules:\n  - " + GOOD + "\nallow:\n  - {code: RNN103, reason: x}\n"
)
PIECES = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    "\n",
    "  ",
    "- ",
    "&a ",
    "*a",
    "!!x ",
    "'",
    '"',
    "#",
    "|",
    ">",
    "?",
    "1e9",
    ".nan",
    "~",
    "kind",
    "\t",
    ",",
]


@given(st.lists(st.tuples(st.integers(0, len(GOOD_FILE)), st.integers(0, 5), st.sampled_from(PIECES)), min_size=1, max_size=4))
def test_a_mutated_good_file_gives_a_policy_or_a_clean_error(edits):
    text = GOOD_FILE
    for at, cut, piece in edits:
        text = text[:at] + piece + text[at + cut :]
    assert judged(text.encode())


@pytest.mark.slow
@settings(max_examples=20_000)
@given(st.text(alphabet=st.sampled_from("".join(PIECES) + "abz019_-"), max_size=120))
def test_any_yaml_like_text_gives_a_policy_or_a_clean_error(text):
    assert judged(text.encode())


def test_a_file_without_end_is_not_read_to_its_end(tmp_path):
    endless = Path("/dev/zero")
    if not endless.exists():
        endless = tmp_path / "large.yaml"
        endless.write_bytes(b"#" * 3_000_000)
    with pytest.raises(ri.RuleFileError) as caught:
        ri.load(endless)
    assert [finding.code for finding in caught.value.findings] == ["RNN018"]


def test_a_large_but_allowed_file_is_read():
    rules = "".join(f"  - {GOOD.replace('id: a', f'id: r{index}')}\n" for index in range(400))
    """Twenty times what a policy needs: forty rules with their reasons are 8 KiB."""
    text = "version: 1\nrules:\n" + rules + "# "
    assert len(ri.loads(text + "x" * (LARGEST - len(text))).rules) == 400


def test_nesting_and_number_of_values_are_bounded():
    assert not read("[" * 33 + "]" * 33, "x").problems
    assert [problem.code for problem in read("[" * 34 + "]" * 34, "x").problems] == ["RNN018"]
    assert not read("[" + "a," * 5_990 + "]", "x").problems
    assert [problem.code for problem in read("[" + "a," * 6_001 + "]", "x").problems] == ["RNN018"]


@pytest.mark.parametrize("key", ["rules", "allow"])
def test_a_thousand_entries_are_read_and_no_more(key):
    text = "version: 1\nextends: builtin:keras\n" + f"{key}:\n"
    with pytest.raises(ri.RuleFileError) as caught:
        ri.loads(text + "  - {}\n" * 1000)
    assert len(caught.value.findings) >= 2000 and "RNN018" not in {finding.code for finding in caught.value.findings}
    with pytest.raises(ri.RuleFileError) as caught:
        ri.loads(text + "  - {}\n" * 1001)
    assert [(finding.code, finding.place.line) for finding in caught.value.findings] == [("RNN018", 4)]


def test_a_file_of_misspelt_words_gets_suggestions_for_the_first_hundred():
    text = "version: 1\nextends: builtin:keras\n" + "".join(f"seeds{index}: 1\n" for index in range(150))
    with pytest.raises(ri.RuleFileError) as caught:
        ri.loads(text)
    assert len(caught.value.findings) == 150
    assert ["did you mean 'seed'" in finding.message for finding in caught.value.findings] == [True] * 100 + [False] * 50


def test_only_as_much_is_read_as_a_rule_file_may_have(tmp_path):
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (LARGEST + 5000))
    assert len(raw_bytes(large)) == LARGEST + 1


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n", "\u2028"])
def test_the_line_shown_is_the_line_meant_whatever_ends_it(end):
    with pytest.raises(ri.RuleFileError) as caught:
        ri.loads("\ufeff" + end.join(["versions: 1", "seed: x", "rules:", f"  - {GOOD}", ""]))
    shown = {finding.code: finding.excerpt.splitlines() for finding in caught.value.findings}
    assert shown["RNN006"] == ["    versions: 1", "    ^"]
    assert shown["RNN008"] == ["    seed: x", "          ^"]
