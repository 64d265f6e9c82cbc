"""The sample repository of a team: its build is green, a bad change turns it red, and the message says what to do."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.pytest_plugin.conftest import plugin_words

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow
TIDY = """    for name, parameter in model.encoder.named_parameters():
        if "bias" in name:
            nn.init.zeros_(parameter)
"""
DEBT = "    nn.init.orthogonal_(model.decoder.weight_hh_l0)\n"
LINT, CHECK = "rnninit lint acme_speech --format github", "rnninit check --format github"
STACKED = "    for layer in range(2):\n        nn.init.orthogonal_(getattr(model.encoder, f'weight_hh_l{layer}'))\n"


class Team:
    """A copy of the repository; `build` runs the steps of its workflow, except the one that installs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "examples" / "team", folder, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
        workflow = yaml.safe_load((folder / ".github/workflows/init.yml").read_text())
        steps = [step["run"] for step in workflow["jobs"]["policy"]["steps"] if "run" in step]
        self.steps = [step for step in steps if not step.startswith("pip install")]

    def change(self, name: str, old: str, new: str) -> None:
        file = self.folder / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    def run(self, step: str) -> tuple[int, str]:
        command, *words = shlex.split(step)
        module = {"rnninit": ["rnninit_hooks"], "pytest": ["pytest", *plugin_words(), "-p", "no:cacheprovider"]}[command]
        path = os.pathsep.join([str(ROOT), str(self.folder)])
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": ""}
        call = [sys.executable, "-m", *module, *words]
        done = subprocess.run(call, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def build(self) -> dict[str, tuple[int, str]]:
        return {step: self.run(step) for step in self.steps}


@pytest.fixture
def team(tmp_path):
    return Team(tmp_path / "team")


def test_the_build_is_green_and_counts_what_is_owed(team):
    ran = team.build()
    assert list(ran) == ["rnninit rules", LINT, CHECK, "pytest"]
    assert all(code == 0 for code, _ in ran.values()), ran
    assert "acme_speech/init.rules.yaml: 10 rules, seed 7" in ran["rnninit rules"][1]
    assert "acme_speech/init.rules.yaml::acme_speech.models:tagger: " in ran["pytest"][1]
    assert "acme_speech.captions:captioner: 5 hold, 6 decide nothing here; in the baseline: 3" in ran["pytest"][1]
    assert "0 errors, 0 warnings, 3 in the baseline" in team.run("rnninit check")[1]
    assert team.run("rnninit lint acme_speech") == (0, "lint: 3 files, 0 findings, 1 in the baseline\n")


def test_the_same_fault_elsewhere_is_red(team):
    team.change("acme_speech/models.py", "    return model\n", STACKED + "    return model\n")
    assert [code for code, _ in team.build().values()] == [0, 1, 1, 1]


def test_a_debt_that_is_paid_is_red_until_the_file_shrinks_and_never_comes_back(team):
    team.change("acme_speech/captions.py", DEBT, "")
    ran = team.build()
    assert [code for code, _ in ran.values()] == [0, 1, 1, 1]
    for text in (team.run("rnninit check")[1], ran["pytest"][1]):
        assert "rnninit.baseline.json:4:1: RNN118 stale-baseline warning: 3 known findings of" in text
        assert "decoder.weight_hh_l0[new]" in text and "run `rnninit baseline`" in text
    for words in ("rnninit baseline", "rnninit baseline --lint acme_speech"):
        code, text = team.run(words)
        assert code == 0 and "removed: acme_speech" in text and "0 known, 0 added" in text
    assert all(code == 0 for code, _ in team.build().values())
    assert (team.folder / "rnninit.baseline.json").read_text() == '{\n"version": 1,\n"models": [],\n"lint": []\n}\n'
    team.change("acme_speech/captions.py", "    return model\n", DEBT + "    return model\n")
    assert [code for code, _ in team.build().values()] == [0, 1, 1, 1]
    assert team.run("rnninit baseline")[0] == 1, "and no later run writes it down again"
    assert team.run("rnninit baseline --grow")[0] == 0 and "RNN203" in (team.folder / "rnninit.baseline.json").read_text()


def test_a_bad_change_turns_it_red_and_the_message_says_what_to_do(team):
    team.change("acme_speech/models.py", "    return model\n", TIDY + "    return model\n")
    ran = team.build()
    assert [code for code, _ in ran.values()] == [0, 0, 1, 1]
    for step, (_, said_all) in {"check": team.run("rnninit check"), "pytest": ran["pytest"]}.items():
        text = " ".join(said_all.split())
        for said in (
            "acme_speech/init.rules.yaml:8:5: RNN202 effective-bias-wrong error",
            "value is 0 (32 of 32 elements differ)", "expected: value 1",
            "fix: the gate feels bias_ih_l0 + bias_hh_l0: write the value to one and 0 to the other (ri.apply does)",
            "why: decided in March: with 0 the tagger forgot sentences of more than 20 words",
        ):  # fmt: skip
            assert said in text, (step, said)
    text = ran["pytest"][1]
    assert "FAILED acme_speech/init.rules.yaml::acme_speech.models:tagger::forget-open" in text
    assert "FAILED tests/test_models.py::test_a_larger_tagger_obeys_too" in text and "2 failed" in text
    assert "forecaster::" not in text.partition("short test summary")[2]


def test_a_matrix_that_is_orthogonal_only_as_a_stack_is_named_as_such(team):
    team.change("acme_speech/models.py", "    return model\n", STACKED + "    return model\n")
    code, text = team.run("rnninit check acme_speech.models:tagger")
    assert code == 1 and "RNN203 stacked-not-per-gate" in text and "lstm-recurrent" in text


def test_a_typo_in_the_rules_is_red_at_once_with_its_place(team):
    team.change("acme_speech/init.rules.yaml", "kind: timescale", "kind: timescales")
    code, text = team.run("rnninit rules")
    assert code == 1 and "acme_speech/init.rules.yaml:15:18: RNN011 unknown-recipe" in text and "did you mean 'timescale'" in text
    code, text = team.run("pytest")
    assert code == 2 and "acme_speech/init.rules.yaml:15:18: RNN011" in text and "Traceback" not in text


def test_a_rule_that_decides_nothing_in_any_model_is_named(team):
    team.change("acme_speech/init.rules.yaml", "module: GRU, kind: bias", "module: GRUCell, kind: bias")
    assert "acme_speech/init.rules.yaml: decide nothing in any model: long-memory\n" in team.run("pytest")[1]
