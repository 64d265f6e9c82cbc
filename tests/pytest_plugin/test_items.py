"""A rule file becomes items: ids, verdicts, texts; what is broken is an error with its place, never a silence."""

from __future__ import annotations

import json

import pytest

pytest_plugins = ["pytester"]
RULES = ["weights-orthogonal", "bias-zero", "forget-open", "projection", "_policy"]


def test_off_unless_switched_on(suite):
    suite.configure("models.py:shut", more="")
    suite.write("test_a.py", "def test_a(): pass\n")
    suite().assert_outcomes(passed=1)
    suite("--rnninit").assert_outcomes(passed=4, failed=1, skipped=1)
    suite("--rnninit", "-o", "rnninit=false", "test_a.py").assert_outcomes(passed=1)


def test_every_rule_is_an_item_and_the_rest_is_one_more(suite):
    suite.configure("models.py:good", "models.py:shut")
    found = [line for line in suite("--collect-only", "-q").outlines if "::" in line]
    assert found == [f"init.rules.yaml::models.py:{name}::{rule}" for name in ("good", "shut") for rule in RULES]


def test_a_broken_rule_fails_with_its_line_its_finding_and_no_frame_of_ours(suite):
    suite.configure("models.py:shut")
    ran = suite()
    ran.assert_outcomes(passed=3, failed=1, skipped=1)
    text = ran.stdout.str()
    ran.stdout.fnmatch_lines([
        "*models.py:shut::forget-open*",
        "init.rules.yaml:9:5: RNN202 effective-bias-wrong error: bias_l0?forget?: breaks",
        "*constant(value=1.0): value is 0 (8 of 8 elements differ)",
        "*expected: value 1",
        "*fix: the gate feels bias_ih_l0 + bias_hh_l0: *",
        "*why: Gers 2000",
        "*= initialisation policy =*",
        "init.rules.yaml::models.py:shut: 3 hold, 1 broken, 1 decide nothing here",
        "  forget-open (init.rules.yaml:9:5): RNN202",
        "*rnninit explain RNN202",
        "FAILED init.rules.yaml::models.py:shut::forget-open*",
    ])  # fmt: skip
    assert "Traceback" not in text and "verdict.py" not in text and "items.py" not in text


def test_a_rule_that_decides_nothing_is_skipped_in_its_own_line(suite):
    suite.configure("models.py:good")
    suite("-rs").stdout.fnmatch_lines(["SKIPPED ?1? init.rules.yaml:13: rule 'projection' decides nothing in models.py:good*"])


def test_what_belongs_to_no_rule_has_its_own_item(suite):
    suite.configure("models.py:doubled")
    suite.write("init.rules.yaml", "version: 1\nrules:\n  - {id: a, match: {module: LSTM, kind: recurrent}, init: {kind: orthogonal}}\n")
    ran = suite()
    ran.assert_outcomes(passed=1, failed=1)
    ran.stdout.fnmatch_lines(["*models.py:doubled::_policy*", "RNN103 untouched-recurrent-slot warning:*"])


def test_an_allowed_finding_passes_and_is_counted(suite):
    suite.configure("models.py:shut")
    allow = "allow:\n  - {code: RNN202, at: 'bias_l0[forget]', reason: 'a trial'}\n"
    with (suite.pytester.path / "init.rules.yaml").open("a") as file:
        file.write(allow)
    ran = suite()
    ran.assert_outcomes(passed=4, skipped=1)
    ran.stdout.fnmatch_lines(["*: 4 hold, 1 decide nothing here; findings allowed: 1"])


def test_a_pending_model_is_judged_as_its_first_forward_would_leave_it(suite):
    suite.configure("models.py:pending")
    suite().assert_outcomes(passed=4, skipped=1)


def test_a_broken_rule_file_is_a_collection_error_with_line_and_caret(suite):
    suite.configure("models.py:good")
    suite.write("init.rules.yaml", "version: 1\nrules:\n  - {id: a, match: {gates: f}, init: {kind: zeros}}\n")
    ran = suite()
    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines(["*ERROR collecting init.rules.yaml*", "init.rules.yaml:3:21: RNN006 *did you mean 'gate'*", "* ^"])
    assert "Traceback" not in ran.stdout.str() and ran.ret == pytest.ExitCode.INTERRUPTED


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("models.py:raises", "*calling it raised ValueError: no weights today; fix: mend it"),
        ("models.py:goood", "*models has no 'goood'*write 'good'*"),
        ("nowhere.models:build", "*no module named 'nowhere'*"),
        ("nowhere.py:build", "*no file *nowhere.py*"),
        ("models", "*no target*"),
    ],
)
def test_a_target_that_cannot_be_built_is_an_error_of_each_item(suite, target, said):
    suite.configure(target)
    ran = suite()
    ran.assert_outcomes(errors=5)
    ran.stdout.fnmatch_lines([f"rnninit: TARGET {target!r}: {said}".replace("[", "[[]"), f"init.rules.yaml::{target}: 5 not judged"])
    assert "verdict.py" not in ran.stdout.str()


def test_where_the_users_factory_raised_is_shown(suite):
    suite.configure("models.py:raises")
    suite().stdout.fnmatch_lines(["*models.py*, line *, in raises", '*raise ValueError("no weights today")'])


def test_without_targets_the_file_is_an_error_that_says_where_to_write_them(suite):
    suite.configure()
    ran = suite()
    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines(["rnninit: init.rules.yaml: no targets are named; *rnninit_targets*"])


def test_one_item_can_be_named_and_names_can_be_searched(suite):
    suite.configure("models.py:good", "models.py:shut")
    suite("init.rules.yaml::models.py:shut::forget-open").assert_outcomes(failed=1)
    suite("-k", "forget and good").assert_outcomes(passed=1, deselected=9)


def test_a_junit_file_holds_codes_and_places(suite):
    suite.configure("models.py:shut")
    suite("--junitxml=j.xml")
    text = (suite.pytester.path / "j.xml").read_text()
    assert 'name="rnninit_codes" value="RNN202"' in text and 'name="rnninit_place" value="init.rules.yaml:9:5"' in text


def test_the_model_is_built_once_and_not_at_all_to_collect(suite):
    suite.write("models.py", suite.pytester.path.joinpath("models.py").read_text() + "\ndef counted():\n    with open('built', 'a') as file:\n        file.write('x')\n    return good()\n")
    suite.configure("models.py:counted")
    suite("--collect-only")
    built = suite.pytester.path / "built"
    assert not built.exists()
    suite().assert_outcomes(passed=4, skipped=1)
    assert built.read_text() == "x"


def test_other_processes_give_the_same_items_and_the_same_summary(suite):
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    suite.configure("models.py:good", "models.py:shut")
    ran = suite.apart("-n", "2", "--dist", "loadscope")
    ran.assert_outcomes(passed=7, failed=1, skipped=2)
    ran.stdout.fnmatch_lines([
        "init.rules.yaml:9:5: RNN202 *",
        "init.rules.yaml::models.py:good: 4 hold, 1 decide nothing here",
        "init.rules.yaml::models.py:shut: 3 hold, 1 broken, 1 decide nothing here",
        "  forget-open (init.rules.yaml:9:5): RNN202",
    ])  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_order_gives_the_same_verdicts(suite, seed):
    """As pytest-randomly does it, which shuffles single items of unknown kinds too."""
    suite.configure("models.py:good", "models.py:shut")
    suite.write("conftest.py", f"import random\ndef pytest_collection_modifyitems(items):\n    random.Random({seed}).shuffle(items)\n")
    ran = suite("-v")
    ran.assert_outcomes(passed=7, failed=1, skipped=2)
    ran.stdout.fnmatch_lines(["init.rules.yaml::models.py:shut: 3 hold, 1 broken, 1 decide nothing here"])


def test_pytest_randomly_itself(suite):
    pytest.importorskip("pytest_randomly", reason="pytest-randomly is not installed")
    suite.configure("models.py:good", "models.py:shut")
    for seed in ("1", "2"):
        suite.apart("-p", "no:cacheprovider", f"--randomly-seed={seed}").assert_outcomes(passed=7, failed=1, skipped=2)


def test_a_suite_without_the_switch_wakes_nothing(suite):
    suite.write(
        "test_light.py",
        "import sys\n\ndef test_light():\n"
        "    woken = {'torch', 'pydantic', 'numpy', 'rich', 'regex', 'yaml', 'rnninit_hooks.cli'} & set(sys.modules)\n"
        "    assert not woken and 'rnninit_hooks.pytest_plugin' in sys.modules\n",
    )
    suite.apart("-p", "no:randomly", "-p", "no:xdist", "-p", "no:hypothesispytest", "test_light.py").assert_outcomes(passed=1)


def test_collecting_wakes_no_torch(suite):
    suite.configure("models.py:good")
    suite.write("conftest.py", "import sys, json\ndef pytest_unconfigure():\n    open('woken.json', 'w').write(json.dumps(sorted(sys.modules)))\n")
    suite.apart("--collect-only", "-p", "no:randomly")
    woken = json.loads((suite.pytester.path / "woken.json").read_text())
    assert "pydantic" in woken and "torch" not in woken
