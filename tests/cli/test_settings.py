"""default < pyproject.toml < environment < flag."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnninit_hooks.cli.failures import CannotJudge
from rnninit_hooks.cli.settings import Settings, TargetName, settings

NO_FLAGS: dict[str, object] = {}


def read(folder: Path, text: str, environment=None, **flags):
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return settings(folder, environment or {}, flags=flags)


def test_without_anything_there_is_text_and_nothing_else(tmp_path):
    assert settings(tmp_path, {}, flags=NO_FLAGS) == Settings(None, (), "text")


def test_the_order_is_file_environment_flag(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = '[tool.rnninit]\nrules = "a.yaml"\ntargets = ["x:y"]\n'
    assert read(tmp_path, text).rules == "a.yaml"
    assert read(tmp_path, text, {"RNNINIT_RULES": "b.yaml"}).rules == "b.yaml"
    assert read(tmp_path, text, {"RNNINIT_RULES": "b.yaml"}, rules="c.yaml").rules == "c.yaml"
    assert read(tmp_path, text, {"RNNINIT_FORMAT": "json"}).format == "json"
    assert read(tmp_path, text, {"RNNINIT_FORMAT": "json"}, format="text").format == "text"
    assert read(tmp_path, text).targets == (TargetName("x:y", tmp_path),)
    assert read(tmp_path, text, targets=["z:w"]).targets == (TargetName("z:w", tmp_path),)


def test_empty_variables_count_as_unset(tmp_path):
    found = read(tmp_path, '[tool.rnninit]\nrules = "keras"\n', {"RNNINIT_RULES": "", "RNNINIT_FORMAT": ""})
    assert (found.rules, found.format) == ("keras", "text")


def test_the_nearest_file_counts_and_its_paths_are_relative_to_it(tmp_path, monkeypatch):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    (tmp_path / "pyproject.toml").write_text('[tool.rnninit]\nrules = "outer.yaml"\n')
    (tmp_path / "a" / "pyproject.toml").write_text('[tool.rnninit]\nrules = "r/init.yaml"\ntargets = ["m.py:f"]\n')
    found = settings(inner, {}, flags=NO_FLAGS)
    assert Path(found.rules) == tmp_path / "a" / "r" / "init.yaml"
    assert found.targets == (TargetName("m.py:f", tmp_path / "a"),)
    assert read(inner, '[tool.rnninit]\nrules = "keras"\n') == Settings("keras")


@pytest.mark.parametrize("name", ["lstm-classic", "builtin:lstm-classic"])
def test_a_preset_stays_a_preset_unless_a_file_has_that_name(tmp_path, name):
    assert read(tmp_path, f'[tool.rnninit]\nrules = "{name}"\n').rules == name


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ('[tool.rnninit]\nrulse = "a"\n', ["unknown key 'rulse'", "rules or targets", "write 'rules'"]),
        ("[tool.rnninit]\nbanana = 1\n", ["unknown key 'banana'", "remove it"]),
        ("[tool.rnninit]\nrules = 3\n", ["rules is 3", "a path or a preset name"]),
        ('[tool.rnninit]\nrules = ""\n', ["rules is ''"]),
        ('[tool.rnninit]\ntargets = "a:b"\n', ["targets is 'a:b'", "a list of targets"]),
        ("[tool.rnninit]\ntargets = [1]\n", ["targets is [1]"]),
        ("[tool]\nrnninit = 3\n", ["tool.rnninit is 3", "a table"]),
        ("[tool.rnninit\n", ["cannot be read", "a TOML file"]),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_name(tmp_path, text, fragments):
    with pytest.raises(CannotJudge) as caught:
        read(tmp_path, text)
    assert all(fragment in str(caught.value) for fragment in [*fragments, "pyproject.toml"])


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "pyproject.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(CannotJudge, match="cannot be read"):
        settings(tmp_path, {}, flags=NO_FLAGS)


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(CannotJudge, match=r"RNNINIT_FORMAT 'jsn'.*write 'json'"):
        settings(tmp_path, {"RNNINIT_FORMAT": "jsn"}, flags=NO_FLAGS)


def test_a_configured_project_needs_no_words(project):
    project.write(
        "pyproject.toml", '[tool.rnninit]\nrules = "init.rules.yaml"\ntargets = ["models:build", "models.py:ready"]\n'
    )
    ran = project("plan")
    assert ran.code == 0 and "models:build" in ran.out and "models.py:ready" in ran.out
    assert project("rules").out == "init.rules.yaml: 2 rules, seed 3\n"


def test_a_configured_project_works_from_a_folder_below(project, monkeypatch):
    project.write(
        "pyproject.toml",
        '[tool.rnninit]\nrules = "init.rules.yaml"\ntargets = ["models:build", "acme/nets.py:build"]\n',
    )
    project.write("deep/er/x.txt", "")
    project.write("acme/nets.py", "from torch import nn\ndef build():\n    return nn.LSTM(4, 4)\n")
    monkeypatch.chdir(project.folder / "deep" / "er")
    ran = project("plan")
    assert ran.code == 0, ran.err
    assert ran.out.count("plan: ") == 2


def test_the_environment_chooses_rules_and_format(project, monkeypatch):
    monkeypatch.setenv("RNNINIT_RULES", "idle.yaml")
    monkeypatch.setenv("RNNINIT_FORMAT", "json")
    ran = project("plan", "models.py:build")
    assert ran.code == 1 and ran.out.startswith("{")
    assert project("plan", "models.py:build", "--rules", "init.rules.yaml", "--format", "text").code == 0


def test_a_wrong_pyproject_stops_a_plan_but_not_a_page(project):
    project.write("pyproject.toml", "[tool.rnninit]\nrulse = 'x'\n")
    ran = project("plan", "models.py:build", "--rules", "init.rules.yaml")
    assert ran.code == 2 and "write 'rules'" in ran.err
    assert project("explain", "RNN101").code == 0 and project("rules", "init.rules.yaml").code == 0
