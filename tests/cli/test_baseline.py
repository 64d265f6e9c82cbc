"""`rnninit baseline`, and what check, plan and lint make of it."""

from __future__ import annotations

import json
import sys

import pytest

FILE = "rnninit.baseline.json"
CONFIG = f'[tool.rnninit]\nrules = "init.rules.yaml"\ntargets = ["models.py:stacked", "models.py:build"]\nbaseline = "{FILE}"\n'
STACKED = "    nn.init.orthogonal_(model.weight_hh_l0)\n"
LEGACY = "import torch\nfrom torch import nn\n\ndef old():\n    rnn = nn.GRU(4, 8)\n    nn.init.orthogonal_(rnn.weight_hh_l0)\n    return rnn\n"


@pytest.fixture
def team(project):
    project.write("pyproject.toml", CONFIG)
    project.write("src/legacy.py", LEGACY)
    return project


def entries(project, section="models"):
    return json.loads((project.folder / FILE).read_text())[section]


def change(project, line: str):
    """Other code where `stacked` draws its one matrix; what was imported is forgotten."""
    text = (project.folder / "models.py").read_text()
    assert STACKED in text
    project.write("models.py", text.replace(STACKED, line))
    sys.modules.pop("models", None)


def mend(project):
    change(project, "    [nn.init.orthogonal_(one) for one in model.weight_hh_l0.data.chunk(4)]\n")


def flat(text: str) -> str:
    return " ".join(text.split())


def test_without_the_file_nothing_is_judged_and_the_fix_is_named(team):
    for words in ("check", "plan", "lint src"):
        ran = team(*words.split())
        assert ran.code == 2 and f"--baseline {FILE!r}: no such file; run `rnninit baseline` once" in ran.err


def test_known_findings_fail_nothing_and_are_counted(team):
    first = team("baseline")
    assert first.code == 0 and FILE + ": models: " in flat(first.out)
    known = sum(entry["count"] for entry in entries(team))
    assert known > 4 and {entry["target"] for entry in entries(team)} == {"models.py:stacked", "models.py:build"}
    ran = team("check")
    assert ran.code == 0 and "RNN203" not in ran.out and flat(ran.out).count("in the baseline") == 2
    document = json.loads(team("check", "--format", "json").out)
    assert sum(report["counts"]["baselined"] for report in document["reports"]) == known
    assert {one["code"] for report in document["reports"] for one in report["baselined"]} >= {"RNN202", "RNN203"}
    assert document["clean"] and all(report["counts"]["errors"] == 0 for report in document["reports"])


def test_a_new_finding_fails_and_is_shown_alone(team):
    team("baseline")
    change(team, f"{STACKED}    nn.init.zeros_(model.weight_hh_l0.data[:16])\n")
    ran = team("check", "models.py:stacked")
    assert ran.code == 1 and "RNN201" in ran.out and "weight_hh_l0[input]" in flat(ran.out)
    assert flat(ran.out).endswith("5 slots break, 4 errors, 1 warning, 1 in the baseline, 1 stale"), ran.out


def test_what_is_gone_is_a_finding_until_the_file_shrinks_and_then_not(team):
    team("baseline")
    before = entries(team)
    mend(team)
    ran = team("check", "models.py:stacked")
    assert ran.code == 1 and f"{FILE}:" in ran.out and "RNN118 stale-baseline" in flat(ran.out) and "run `rnninit baseline`" in flat(ran.out)
    assert "no longer occur" in flat(ran.out)
    assert team("check", "models.py:build").code == 0, "a target that was not judged has no stale entries"
    assert team("plan").code == 0, "a plan does not measure, so that nothing is gone for it"
    shrunk = team("baseline")
    after = entries(team)
    assert shrunk.code == 0 and "removed: models.py:stacked: RNN203" in flat(shrunk.out) and " 0 added" in flat(shrunk.out)
    assert all(entry in before for entry in after) and not [entry for entry in after if entry["code"] == "RNN203"]
    assert team("check").code == 0
    text = (team.folder / FILE).read_text()
    assert team("baseline").code == 0 and (team.folder / FILE).read_text() == text


def test_the_file_never_grows_unless_asked_and_says_what_was_added(team):
    mend(team)
    team("baseline", "models.py:stacked")
    before = (team.folder / FILE).read_text()
    ran = team("baseline")
    assert ran.code == 1 and (team.folder / FILE).read_text() == before
    assert "not added: models.py:build: RNN202 effective-bias-wrong rnn.bias_l0[forget] (rule 'forget-open')" in flat(ran.out)
    assert "add them with --grow" in flat(ran.out)
    grown = team("baseline", "--grow")
    assert grown.code == 0 and "added: models.py:build: RNN202" in flat(grown.out) and team("check").code == 0
    assert flat(team("baseline").out).endswith("6 known, 0 added, 0 removed")
    assert "6 known, 0 added, 0 removed, 1 of them not judged and kept" in flat(team("baseline", "models.py:build").out)


def test_the_lint_has_its_section_and_a_moved_line_stays_known(team):
    team("baseline")
    models = entries(team)
    assert team("lint", "src").code == 1
    assert team("baseline", "--lint", "src").code == 0, "a section that was never taken takes what stands"
    assert entries(team) == models
    assert entries(team, "lint") == [{"file": "src/legacy.py", "code": "RNN302", "line": "nn.init.orthogonal_(rnn.weight_hh_l0)", "count": 1}]
    team.write("src/legacy.py", "\n\n# moved\n" + LEGACY)
    ran = team("lint", "src")
    assert ran.code == 0 and flat(ran.out) == "lint: 1 file, 0 findings, 1 in the baseline"
    team.write("src/legacy.py", LEGACY + LEGACY.replace("old", "second"))
    ran = team("lint", "src")
    assert ran.code == 1 and "src/legacy.py:13:5: RNN302" in ran.out and "1 finding, 1 in the baseline" in flat(ran.out)
    assert team("baseline", "--lint", "src").code == 1 and entries(team, "lint")[0]["count"] == 1
    team.write("src/legacy.py", LEGACY.replace("rnn.weight", "rnn .weight"))
    assert flat(team("lint", "src").out).endswith("lint: 1 file, 2 findings, 1 stale"), "another text is another finding"


def test_lint_entries_of_other_files_are_not_stale_and_those_of_removed_files_are(team):
    team.write("src/other.py", LEGACY)
    team("baseline", "--lint", "src")
    team.write("src/legacy.py", "")
    assert team("lint", "src/other.py").code == 0 and team("lint", "src", "--select", "RNN303").code == 0
    assert team("lint", "src").code == 1
    (team.folder / "src" / "legacy.py").unlink()
    ran = team("lint", "src", "--format", "json")
    assert ran.code == 1 and json.loads(ran.out)["counts"] == {
        "errors": 0, "warnings": 1, "infos": 0, "ignored": 0, "baselined": 1, "stale": 1,
    }  # fmt: skip
    team("baseline", "--lint", "src")
    assert [entry["file"] for entry in entries(team, "lint")] == ["src/other.py"] and team("lint", "src").code == 0


def test_ignored_findings_are_counted_with_their_reasons(team):
    team("baseline", "--lint", "src")
    team.write("src/own.py", LEGACY.replace("weight_hh_l0)", "weight_hh_l0)  # rnninit: ignore[RNN302] as in run 7"))
    ran = team("lint", "src")
    assert flat(ran.out) == "lint: 2 files, 0 findings, 1 ignored with a reason, 1 in the baseline"
    document = json.loads(team("lint", "src", "--format", "json").out)
    assert [(one["code"], one["reason"]) for one in document["ignored"]] == [("RNN302", "as in run 7")]


def test_what_is_not_finite_is_refused(team):
    ran = team("baseline", "models.py:poisoned")
    assert ran.code == 1 and "refused: RNN205 not-finite at weight_hh_l0" in flat(ran.out)
    assert "a model that holds nan or inf cannot run" in flat(ran.out)
    assert team("check", "models.py:poisoned").code == 1 and "RNN205" not in (team.folder / FILE).read_text()


def test_rules_that_cannot_be_read_and_files_that_cannot_be_judged_write_nothing(team):
    team.write("src/cut.py", "import torch\nx = (\n")
    assert team("baseline", "--rules", "bad.yaml").code == 2
    ran = team("baseline", "--lint", "src")
    assert ran.code == 2 and "RNN320" in ran.err and not (team.folder / FILE).exists()


@pytest.mark.parametrize("words", ["check", "plan", "lint src", "baseline", "baseline --lint src"])
@pytest.mark.parametrize("text", ["", "{", '{"version": 9}', '{"version": 1, "models": 3}'])
def test_a_mangled_file_cannot_be_judged_and_is_left_as_it_is(team, words, text):
    team.write(FILE, text)
    ran = team(*words.split())
    assert ran.code == 2 and f"rnninit: --baseline {FILE!r}: " in ran.err and "restore it from version control" in ran.err
    assert (team.folder / FILE).read_text() == text


def test_paths_in_the_file_are_its_own_folders_wherever_one_stands(team, monkeypatch):
    team("baseline"), team("baseline", "--lint", "src")
    monkeypatch.chdir(team.folder / "src")
    assert team("check").code == 0 and team("lint", ".").code == 0
    assert team("check", "../models.py:stacked").code == 0 and team("lint", "legacy.py").code == 0
    assert team("baseline").code == 0 and "models: " in team("baseline").out


def test_the_flag_names_another_file_and_arguments_are_part_of_the_target(team):
    assert team("baseline", "models.py:build", "--arg", "cell=GRU", "-o", "other.json").code == 0
    assert json.loads((team.folder / "other.json").read_text())["models"][0]["target"] == "models.py:build --arg cell=GRU"
    assert team("check", "models.py:build", "--arg", "cell=GRU", "--baseline", "other.json").code == 0
    assert team("check", "models.py:build", "--baseline", "other.json").code == 1


def test_weights_and_records_are_not_what_a_baseline_knows(team):
    team("baseline")
    team("apply", "models.py:stacked", "-o", "w.safetensors")
    assert team("check", "models.py:stacked", "--weights", "w.safetensors").code == 0, "and nothing is called stale"
    ran = team("check", "models.py:stacked", "--weights", "w.safetensors", "--baseline", FILE)
    assert ran.code == 2 and "--weights judges something else" in ran.err


def test_what_could_not_be_measured_is_not_gone(team):
    team("baseline", "models.py:stacked")
    before = entries(team)
    change(team, f"{STACKED}    model = nn.LSTM(16, 16, device='meta')\n")
    ran = team("check", "models.py:stacked")
    assert ran.code == 1 and "RNN113" in ran.out and "RNN118" not in ran.out
    assert team("baseline", "models.py:stacked").code == 1 and entries(team) == before


def test_json_says_what_was_done(team):
    document = json.loads(team("baseline", "--format", "json").out)
    assert document["verb"] == "baseline" and document["models"]["known"] == sum(e["count"] for e in document["models"]["added"])
    assert document["models"]["removed"] == document["models"]["outside"] == document["models"]["refused"] == []


@pytest.mark.parametrize("value", ["3", '""', "[]"])
def test_a_wrong_setting_is_refused(project, value):
    project.write("pyproject.toml", f"[tool.rnninit]\nbaseline = {value}\n")
    ran = project("check", "models.py:build", "--rules", "init.rules.yaml")
    assert ran.code == 2 and "baseline is" in ran.err and f'write baseline = "{FILE}"' in ran.err


def test_without_a_setting_the_file_stands_beside_the_project_file(project, monkeypatch):
    project.write("pyproject.toml", '[tool.rnninit]\nrules = "init.rules.yaml"\ntargets = ["models.py:stacked"]\n')
    project.write("deep/x.txt", "")
    monkeypatch.chdir(project.folder / "deep")
    assert project("baseline").code == 0 and (project.folder / FILE).is_file()


def test_what_only_callers_show_is_not_gone_where_they_are_not_judged(team):
    helper = "import torch\n\ndef start(module):\n    for p in module.parameters():\n        if p.dim() > 1:\n"
    team.write("src/helper.py", f"{helper}            torch.nn.init.orthogonal_(p)\n")
    team.write("src/net.py", "from torch import nn\nfrom helper import start\nrnn = nn.LSTM(4, 8)\nstart(rnn)\n")
    team("baseline", "--lint", "src")
    assert {one["file"] for one in entries(team, "lint")} == {"src/helper.py", "src/legacy.py"}
    for words in (["src"], ["src/helper.py"], ["src/helper.py", "src/net.py"]):
        ran = team("lint", *words)
        assert ran.code == 0 and "RNN118" not in ran.out, words
    team.write("src/net.py", "from torch import nn\nrnn = nn.LSTM(4, 8)\n")
    assert "RNN118" in team("lint", "src").out and "RNN118" not in team("lint", "src/helper.py").out
