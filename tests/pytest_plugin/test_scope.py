"""Which files and models a run speaks of; a configuration that cannot be meant is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
TEST = "def test_a(): pass\n"


def test_the_named_file_joins_testpaths_and_other_files_do_not(suite):
    suite.configure("models.py:good", more='rnninit = true\ntestpaths = ["tests"]')
    suite.write("tests/test_a.py", TEST)
    suite.write("tests/base.rules.yaml", "version: 1\nrules:\n  - {id: x, match: {kind: bias}, init: {kind: ones}}\n")
    suite().assert_outcomes(passed=5, skipped=1)
    suite("tests").assert_outcomes(passed=1)


def test_a_file_on_the_command_line_is_collected_whatever_the_configuration_names(suite):
    suite.configure("models.py:good")
    suite.write("other.rules.yaml", "version: 1\nrules:\n  - {id: x, match: {kind: bias}, init: {kind: ones}}\nuntouched: allow\n")
    ran = suite("other.rules.yaml")
    ran.assert_outcomes(passed=1, failed=1)
    ran.stdout.fnmatch_lines(["other.rules.yaml:3:5: RNN202*"])


@pytest.mark.parametrize("paths", ['["."]', '["tests", "init.rules.yaml"]', '["tests"]'])
def test_a_named_file_is_collected_once(suite, paths):
    suite.configure("models.py:good", more=f"rnninit = true\ntestpaths = {paths}")
    suite.write("tests/__init__.py", "")
    suite().assert_outcomes(passed=4, skipped=1)


def test_without_named_rules_every_rule_file_in_the_paths_counts(suite):
    suite.write("pyproject.toml", '[tool.rnninit]\ntargets = ["models.py:good"]\n[tool.pytest.ini_options]\nrnninit = true\n')
    suite.write("deep/er/x.rules.yml", "version: 1\nextends: ../../init.rules.yaml\n")
    suite.write("deep/plain.yaml", "a: 1\n")
    suite().assert_outcomes(passed=8, skipped=2)


def test_pytests_own_configuration_wins(suite):
    suite.write("mine/init.rules.yaml", "version: 1\nextends: ../init.rules.yaml\n")
    suite.configure(
        "models.py:raises", more='rnninit = true\nrnninit_rules = ["mine/init.rules.yaml"]\nrnninit_targets = ["models.py:good"]'
    )
    found = [line for line in suite("--collect-only", "-q").outlines if "::" in line]
    assert len(found) == 5 and all(line.startswith("mine/init.rules.yaml::models.py:good::") for line in found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[tool.rnninit]\nrulse = "a"\n', "*unknown key 'rulse'*write 'rules'*"),
        ('[tool.rnninit]\nrules = "gone.rules.yaml"\n', "*gone.rules.yaml'*no such file*"),
        ("[tool.rnninit]\ntargets = 3\n", "*targets is 3*"),
    ],
)
def test_a_configuration_that_cannot_be_meant_stops_the_run(suite, text, said):
    suite.write("pyproject.toml", text + "[tool.pytest.ini_options]\nrnninit = true\n")
    ran = suite()
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines([f"ERROR: {said}"])


def test_switched_on_for_nothing_is_said(suite):
    suite.write("pyproject.toml", '[tool.rnninit]\nrules = "lstm-classic"\n[tool.pytest.ini_options]\nrnninit = true\ntestpaths = ["tests"]\n')
    suite.write("tests/test_a.py", TEST)
    suite().stdout.fnmatch_lines(["*initialisation policy*", "switched on, but no rule was judged*preset 'lstm-classic'*"])
    assert "switched on" not in suite("tests/test_a.py").stdout.str()


def test_layouts_of_the_project_are_known(suite):
    suite.write("pyproject.toml", '[tool.rnninit]\nrules = "init.rules.yaml"\ntargets = ["models.py:good"]\nlayouts = ["no.layouts.yaml"]\n[tool.pytest.ini_options]\nrnninit = true\n')
    ran = suite()
    ran.assert_outcomes(errors=5)
    ran.stdout.fnmatch_lines(["rnninit: --layouts*no.layouts.yaml*"])


def test_installing_the_package_installs_the_plugin():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert '[project.entry-points.pytest11]\nrnninit = "rnninit_hooks.pytest_plugin"\n' in text
    assert '"schemas/*.json"' in text
