"""The hooks of .pre-commit-hooks.yaml, run by pre-commit itself from a local clone, in a repository that is good, then bad."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
GOOD = "version: 1\nuntouched: allow\nrules:\n  - {id: open, match: {kind: bias, gate: retain}, init: {kind: ones}}\n"
MODELS = "import rnninit_hooks as ri\nfrom torch import nn\n\ndef build():\n    model = nn.LSTM(4, 4)\n    ri.apply(model, 'init.rules.yaml')\n    return model\n"
PROJECT = '[tool.rnninit]\nrules = "init.rules.yaml"\ntargets = ["models.py:build"]\n'


def test_every_hook_calls_a_verb_and_says_what_it_is_for():
    assert [hook["id"] for hook in HOOKS] == ["rnninit-rules", "rnninit-lint", "rnninit-check"]
    for hook in HOOKS:
        assert hook["entry"] == hook["id"].replace("-", " ") and hook["description"].endswith(".")
    pattern = re.compile(HOOKS[0]["files"])
    assert pattern.search("a/init.rules.yaml") and pattern.search("x.rules.yml") and not pattern.search("rules.yaml.txt")


def tool():
    beside = Path(sys.executable).with_name("pre-commit")
    found = str(beside) if beside.exists() else shutil.which("pre-commit")
    if found is None or shutil.which("git") is None:
        pytest.skip("pre-commit or git is not installed (pip install pre-commit)")
    return found


@pytest.fixture
def team(tmp_path, monkeypatch):
    """A repository that uses the hooks of a clone of this one; `rnninit` there is this checkout's."""
    home, hooks, own = tmp_path / "home", tmp_path / "hooks", tmp_path / "team"
    shim = tmp_path / "bin" / "rnninit"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rnninit_hooks "$@"\n')
    shim.chmod(0o755)
    for name, value in {
        "PATH": f"{shim.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(home),
        "PRE_COMMIT_HOME": str(home / "cache"), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
        **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "t"), ("EMAIL", "t@example.org"))},
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    home.mkdir()
    hooks.mkdir()
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", hooks)
    git(hooks, "init", "-q")
    commit(hooks)
    own.mkdir()
    git(own, "init", "-q")
    rev = git(hooks, "rev-parse", "HEAD").strip()
    use = [{"id": hook["id"]} for hook in HOOKS if hook["id"] != "rnninit-lint" or has_lint()]
    (own / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": [{"repo": str(hooks), "rev": rev, "hooks": use}]}))
    for name, text in {"init.rules.yaml": GOOD, "models.py": MODELS, "pyproject.toml": PROJECT}.items():
        (own / name).write_text(text)
    commit(own)
    return own


def has_lint():
    asked = subprocess.run([sys.executable, "-m", "rnninit_hooks", "lint", "--help"], capture_output=True, text=True, check=False)
    return asked.returncode == 0


def git(folder, *words):
    return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout


def commit(folder):
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "x")


def hook(folder, name, *words):
    done = subprocess.run([tool(), "run", name, "--all-files", *words], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.real
def test_rules_passes_good_files_and_shows_the_place_in_bad_ones(team):
    code, text = hook(team, "rnninit-rules")
    assert code == 0 and re.search(r"rnninit rules\.+Passed", text), text
    (team / "init.rules.yaml").write_text(GOOD.replace("kind: ones", "kind: oness"))
    code, text = hook(team, "rnninit-rules")
    assert code == 1 and "init.rules.yaml:4:64: RNN011 unknown-recipe" in text and "did you mean 'ones'" in text, text
    (team / "init.rules.yaml").rename(team / "init.yaml")
    commit(team)
    assert "no files to check" in hook(team, "rnninit-rules")[1]


@pytest.mark.real
def test_check_runs_before_a_push_and_only_then(team):
    assert "Passed" not in hook(team, "rnninit-check")[1]
    code, text = hook(team, "rnninit-check", "--hook-stage", "pre-push")
    assert code == 0 and re.search(r"rnninit check\.+Passed", text), text
    (team / "models.py").write_text(MODELS.replace("    return", "    model.bias_ih_l0.data.zero_()\n    return"))
    code, text = hook(team, "rnninit-check", "--hook-stage", "pre-push")
    assert code == 1 and "init.rules.yaml:4:5: RNN202" in text and "expected: value 1" in text, text


@pytest.mark.real
def test_a_push_is_stopped(team, tmp_path):
    git(tmp_path, "init", "-q", "--bare", "far")
    git(team, "remote", "add", "far", str(tmp_path / "far"))
    subprocess.run([tool(), "install", "-t", "pre-push"], cwd=team, capture_output=True, check=True)
    (team / "models.py").write_text(MODELS.replace("    return", "    model.bias_ih_l0.data.zero_()\n    return"))
    commit(team)
    pushed = subprocess.run(["git", "push", "far", "HEAD:refs/heads/main"], cwd=team, capture_output=True, text=True, check=False)
    assert pushed.returncode != 0 and "RNN202" in pushed.stdout + pushed.stderr
    assert git(tmp_path / "far", "for-each-ref") == ""
    (team / "models.py").write_text(MODELS)
    commit(team)
    git(team, "push", "far", "HEAD:refs/heads/main")
    assert "refs/heads/main" in git(tmp_path / "far", "for-each-ref")


@pytest.mark.real
def test_lint_reads_python_files(team):
    if not has_lint():
        pytest.skip("this release has no `rnninit lint`")
    code, text = hook(team, "rnninit-lint")
    assert code == 0 and re.search(r"rnninit lint\.+Passed", text), text
    bad = "from torch import nn\n\ndef init(m):\n    for n, p in m.named_parameters():\n        if 'forget' in n:\n            p.data.fill_(1)\n\ninit(nn.LSTM(2, 2))\n"
    (team / "bad.py").write_text(bad)
    git(team, "add", "-A")
    code, text = hook(team, "rnninit-lint")
    assert code == 1 and "bad.py:5" in text and "RNN301" in text, text
