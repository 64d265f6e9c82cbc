"""Rules shared as a package: built as a wheel, installed, extended by `pkg:` from another project, never imported."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rnninit_hooks as ri

ROOT = Path(ri.__file__).parents[1]
PROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "acme-rules"
version = "3.1"
[tool.setuptools]
packages = ["acme_rules", "acme_rules.speech"]
[tool.setuptools.package-data]
"*" = ["*.yaml"]
"""
BASE = "version: 1\nrules:\n  - {id: recurrent, match: {kind: recurrent}, init: {kind: orthogonal}, why: 'house rule 1'}\n"
SPEECH = "version: 1\nextends: ../base.rules.yaml\nseed: 11\nrules:\n  - {id: open, match: {kind: bias, gate: retain}, init: {kind: ones}}\n"
TEAM = "version: 1\nextends: pkg:acme_rules.speech/lstm.rules.yaml\nuntouched: allow\n"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder into which pip has put the built wheel."""
    for needed in ("pip", "setuptools"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed, so no wheel can be built")
    folder = tmp_path_factory.mktemp("acme")
    files = {
        "pyproject.toml": PROJECT, "acme_rules/__init__.py": "raise RuntimeError('reading rules runs no code')\n",
        "acme_rules/base.rules.yaml": BASE, "acme_rules/speech/__init__.py": "", "acme_rules/speech/lstm.rules.yaml": SPEECH,
    }  # fmt: skip
    for name, text in files.items():
        (folder / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "src" / name).write_text(text)
    pip("wheel", "--no-deps", "--no-build-isolation", "-q", "-w", folder / "wheels", folder / "src")
    (wheel,) = (folder / "wheels").glob("acme_rules-3.1-*.whl")
    pip("install", "--no-deps", "--no-index", "-q", "--target", folder / "site", wheel)
    return folder / "site"


def pip(*words):
    done = subprocess.run([sys.executable, "-m", "pip", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def rnninit(folder, site, *words):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(site)])}
    call = [sys.executable, "-m", "rnninit_hooks", *words]
    return subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_team_extends_the_installed_rules_and_sees_where_they_stand(installed, tmp_path):
    (tmp_path / "team.rules.yaml").write_text(TEAM)
    (tmp_path / "models.py").write_text("from torch import nn\nbuild = lambda: nn.LSTM(4, 4)\n")
    read = rnninit(tmp_path, installed, "rules", "team.rules.yaml")
    assert (read.returncode, read.stdout) == (0, "team.rules.yaml: 2 rules, seed 11\n"), read.stderr
    planned = rnninit(tmp_path, installed, "plan", "models.py:build", "--rules", "team.rules.yaml")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "open (pkg:acme_rules.speech/lstm.rules.yaml:5)" in planned.stdout
    assert "base.rules.yaml:3" in planned.stdout and "house rule 1" in planned.stdout


def test_a_file_that_the_package_lacks_is_said_with_the_line_that_asks_for_it(installed, tmp_path):
    (tmp_path / "team.rules.yaml").write_text(TEAM.replace("lstm.rules", "gru.rules"))
    read = rnninit(tmp_path, installed, "rules", "team.rules.yaml")
    assert read.returncode == 1 and "team.rules.yaml:2:10: RNN013" in read.stdout
    assert "'acme_rules.speech' has no file 'gru.rules.yaml'" in " ".join(read.stdout.split())


def test_without_the_package_the_message_names_it(tmp_path):
    (tmp_path / "team.rules.yaml").write_text(TEAM)
    read = rnninit(tmp_path, tmp_path, "rules", "team.rules.yaml")
    assert read.returncode == 1 and "no package 'acme_rules' is installed" in " ".join(read.stdout.split())
