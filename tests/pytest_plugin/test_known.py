"""The configured baseline counts in a test run as it does for the command line."""

from __future__ import annotations

import sys

import pytest

from rnninit_hooks.cli import main

pytest_plugins = ["pytester"]
FILE = "rnninit.baseline.json"


@pytest.fixture
def known(suite, monkeypatch, capsys):
    """A suite whose one model breaks one rule, which a baseline knows."""
    monkeypatch.chdir(suite.pytester.path)
    suite.configure("models.py:shut")
    pyproject = suite.pytester.path / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("targets", f'baseline = "{FILE}"\ntargets', 1))
    assert main(["baseline"]) == 0
    del sys.modules["models"]
    return suite


def test_a_known_finding_passes_and_is_counted(known):
    ran = known()
    ran.assert_outcomes(passed=4, skipped=1)
    ran.stdout.fnmatch_lines(["init.rules.yaml::models.py:shut: 4 hold, 1 decide nothing here; in the baseline: 1"])


def test_another_finding_still_fails(known):
    models = (known.pytester.path / "models.py").read_text()
    known.write("models.py", models.replace("model.bias_ih_l0[8:16] = 0", "model.bias_ih_l0[:] = 0.5"))
    ran = known()
    ran.assert_outcomes(passed=3, failed=1, skipped=1)
    ran.stdout.fnmatch_lines(["*FAILED init.rules.yaml::models.py:shut::bias-zero*"])


def test_a_finding_that_is_gone_fails_the_item_of_the_rest(known):
    models = (known.pytester.path / "models.py").read_text()
    known.write("models.py", models.replace("model.bias_ih_l0[8:16] = 0", "pass"))
    ran = known()
    ran.assert_outcomes(passed=3, failed=1, skipped=1)
    ran.stdout.fnmatch_lines([f"{FILE}:4:1: RNN118 stale-baseline warning: 1 known finding of", "FAILED init.rules.yaml::models.py:shut::_policy*"])


def test_a_mangled_file_is_an_error_of_each_item(known):
    known.write(FILE, "{")
    ran = known()
    ran.assert_outcomes(errors=5)
    ran.stdout.fnmatch_lines([f"rnninit: --baseline '{FILE}': is no baseline: *"])


def test_the_fixture_judges_a_model_that_no_target_names_so_no_baseline_knows_it(known):
    known.write("test_a.py", "from models import shut\ndef test_a(init_check): init_check(shut())\n")
    ran = known("test_a.py")
    ran.assert_outcomes(failed=1)
