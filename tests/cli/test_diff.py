"""`rnninit diff`: two rule files, or one and what it was in a revision of a real repository."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from tests.cli.conftest import RULES

PYPROJECT = '[tool.rnninit]\nrules = "init.rules.yaml"\ntargets = ["models.py:build"]\n'
WIDER = RULES.replace("gain: 1.0", "gain: 2.0").replace("Saxe 2014, per gate", "wider | since it saturates")


def git(folder, *words):
    name = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *name, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(project, monkeypatch):
    """The project in a repository whose last revision holds its rules as they are."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.folder.parent))
    project.write("pyproject.toml", PYPROJECT)
    git(project.folder, "init", "-q", "-b", "main")
    commit(project)
    return project


def commit(project):
    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-q", "-m", "a revision")


def test_nothing_changes_is_0_and_something_is_1(repository):
    same = repository("diff", "init.rules.yaml", "init.rules.yaml")
    assert (same.code, same.err) == (0, "a model file that talks while it is imported\na factory that talks\n")
    assert same.out.endswith("diff: 0 slots change, 0 are no longer decided, 0 are newly decided, 15 stay\n  bit-identical\n")
    repository.write("wide.yaml", WIDER)
    changed = repository("diff", "init.rules.yaml", "wide.yaml")
    assert changed.code == 1
    flat = " ".join(changed.out.split())
    assert "- orthogonal(gain=1.0) recurrent-orthogonal (init.rules.yaml:5): Saxe 2014, per gate +" in flat
    assert "+ orthogonal(gain=2.0) recurrent-orthogonal (wide.yaml:5): wider | since it saturates std" in flat
    assert re.search(r"std 0\.2[45]\d*\S* -> 0\.(49|5)", flat)
    assert "diff: 4 slots change" in changed.out


def test_against_a_revision_names_its_lines_and_takes_its_text(repository):
    repository.write("init.rules.yaml", "# one line more\n" + WIDER)
    for words in (["--rev", "HEAD"], ["--rev=HEAD", "init.rules.yaml"], ["HEAD:init.rules.yaml", "init.rules.yaml"]):
        ran = repository("diff", *words, "--format", "json")
        (report,) = json.loads(ran.out)["reports"]
        row = next(row for row in report["rows"] if row["address"] == "rnn.weight_hh_l0[forget]")
        assert (row["change"], row["bits_equal"]) == ("changed", False)
        assert (row["a"]["place"], row["b"]["place"]) == ("HEAD:init.rules.yaml:5:5", "init.rules.yaml:6:5")
        assert (ran.code, report["a"], report["b"]) == (1, "HEAD:init.rules.yaml", "init.rules.yaml")
        assert report["target"] == "models.py:build"


def test_what_a_file_extends_comes_from_the_same_revision(repository):
    rules = "version: 1\nextends: [../base.yaml, 'builtin:lstm-classic']\nseed: 3\n"
    repository.write("sub/own.yaml", rules)
    repository.write("base.yaml", RULES)
    commit(repository)
    repository.write("base.yaml", "version: 1\nextends: sub/third.yaml\n")
    repository.write("sub/third.yaml", WIDER.replace("recurrent-orthogonal", "third"))
    commit(repository)
    (repository.folder / "sub/third.yaml").unlink()
    repository.write("base.yaml", "no rules at all")
    ran = repository("diff", "HEAD~1:sub/own.yaml", "HEAD:sub/own.yaml", "--format", "json")
    places = {row["a"].get("place") for row in json.loads(ran.out)["reports"][0]["rows"]}
    assert ran.code == 0, "the preset that comes last decides all of it"
    assert all(place is None or place.startswith("builtin:lstm-classic") for place in places)
    repository.write("own.yaml", "version: 1\nextends: sub/own.yaml\n")
    ran = repository("diff", "HEAD~1:base.yaml", "HEAD:base.yaml", "--format", "json")
    places = {(row["a"].get("place"), row["b"].get("place")) for row in json.loads(ran.out)["reports"][0]["rows"]}
    assert ("HEAD~1:base.yaml:5:5", "HEAD:sub/third.yaml:5:5") in places


def test_a_problem_of_a_revision_is_told_with_its_line_there(repository):
    repository.write("base.yaml", "version: 1\nrules: 3\n")
    repository.write("init.rules.yaml", RULES.replace("rules:", "extends: [base.yaml, nowhere.yaml]\nrules:"))
    commit(repository)
    repository.write("init.rules.yaml", RULES)
    (repository.folder / "base.yaml").unlink()
    ran = repository("diff", "--rev", "HEAD")
    assert ran.code == 2 and ran.out == ""
    assert "HEAD:base.yaml:2:8: RNN008" in ran.err
    assert "HEAD:init.rules.yaml:4:22: RNN013" in ran.err and "no such file" in ran.err


def test_a_circle_in_a_revision_is_found(repository):
    repository.write("a.yaml", "version: 1\nextends: ./sub/../b.yaml\n")
    repository.write("b.yaml", "version: 1\nextends: a.yaml\n")
    commit(repository)
    ran = repository("diff", "HEAD:a.yaml", "init.rules.yaml")
    assert ran.code == 2 and "RNN014" in ran.err
    assert "in a circle: HEAD:a.yaml -> HEAD:b.yaml -> HEAD:a.yaml" in " ".join(ran.err.split())


def test_paths_count_from_the_root_or_with_a_dot_from_here(repository, monkeypatch):
    repository.write("sub/own.yaml", WIDER)
    commit(repository)
    monkeypatch.chdir(repository.folder / "sub")
    for name in ("HEAD:sub/own.yaml", "HEAD:./own.yaml", "HEAD:../sub/own.yaml"):
        assert repository("diff", name, "own.yaml").code == 0
    assert repository("diff", "HEAD:init.rules.yaml", "HEAD:../init.rules.yaml").code == 0
    assert repository("diff", "--rev", "HEAD", "own.yaml").code == 0
    assert repository("diff", "--rev", "HEAD").code == 0, "the project's rules, which stand above"
    ran = repository("diff", "HEAD:own.yaml", "own.yaml")
    assert ran.code == 2 and "no such file in revision HEAD" in ran.err and "./PATH from here" in ran.err
    ran = repository("diff", "HEAD:../../out.yaml", "own.yaml")
    assert ran.code == 2 and "does not name a file inside the repository" in ran.err


def test_a_hook_of_git_that_names_its_folder_is_no_hindrance(repository, monkeypatch):
    repository.write("sub/own.yaml", RULES)
    commit(repository)
    monkeypatch.setenv("GIT_DIR", ".git")
    assert repository("diff", "--rev", "HEAD", "sub/own.yaml").code == 0


def test_a_package_extends_its_own_files_as_they_are_now(repository, monkeypatch):
    repository.write("acme/rules/base.yaml", WIDER)
    repository.write("acme/rules/team.yaml", "version: 1\nextends: base.yaml\n")
    repository.write("own.yaml", "version: 1\nextends: 'pkg:acme/rules/team.yaml'\n")
    commit(repository)
    repository.write("acme/rules/base.yaml", RULES)
    ran = repository("diff", "HEAD:acme/rules/team.yaml", "acme/rules/team.yaml")
    assert ran.code == 1 and "(HEAD:acme/rules/base.yaml:5)" in ran.out
    with monkeypatch.context() as patch:
        patch.setattr(sys, "path", [str(repository.folder), *sys.path])
        assert repository("diff", "--rev", "HEAD", "own.yaml").code == 0, "a package is the one installed now, all of it"


def test_a_link_of_a_revision_is_followed(repository):
    (repository.folder / "link.yaml").symlink_to("init.rules.yaml")
    commit(repository)
    (repository.folder / "link.yaml").unlink()
    assert repository("diff", "HEAD:link.yaml", "init.rules.yaml").code == 0


def test_weights_that_rules_name_are_those_of_the_working_tree(repository):
    import torch

    torch.save({"weight": torch.zeros(4, 4)}, repository.folder / "w.pt")
    text = "version: 1\nrules:\n  - {id: w, match: {parameter: weight}, init: {kind: pretrained, path: w.pt}}\n"
    repository.write("w.yaml", text)
    git(repository.folder, "add", "w.yaml")
    git(repository.folder, "commit", "-q", "-m", "rules without weights")
    assert repository("diff", "--rev", "HEAD", "w.yaml", "models.py:linear").code == 0


def test_a_file_of_that_very_name_comes_before_a_revision(repository):
    repository.write("HEAD:init.rules.yaml", WIDER)
    assert repository("diff", "HEAD:init.rules.yaml", "init.rules.yaml").code == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--rev", "nowhere"], ["has no revision 'nowhere'", "git rev-parse --verify"]),
        (["--rev=--upload-pack=x"], ["has no revision '--upload-pack=x'"]),
        (["--rev", "HEAD", "absent.yaml"], ["no such file in revision HEAD", "REV:PATH"]),
        (["--rev", "HEAD", "inits.rules.yaml"], ["did you mean 'init.rules.yaml'?"]),
        (["HEAD:inits.rules.yaml", "init.rules.yaml"], ["did you mean 'init.rules.yaml'?"]),
        (["HEAD:acme.yaml", "init.rules.yaml"], ["no such file in revision HEAD"]),
        (["init.rules.yaml", "gone.yaml"], ["gone.yaml: cannot be read"]),
        (["bad.yaml", "init.rules.yaml"], ["RNN011", "bad.yaml:5:18", "mend the file"]),
        (["lstm-classic", "kears"], ["there is no preset 'kears'"]),
        (["init.rules.yaml"], ["RULES_A RULES_B", "rnninit diff --rev REV [RULES] [TARGET...]"]),
        (["init.rules.yaml", "models.py:build"], ["expected two rule files, presets, or REV:PATH"]),
        ([], ["nothing is named"]),
        (["init.rules.yaml", "idle.yaml", "models.py:absent"], ["absent"]),
    ],
)
def test_what_cannot_be_judged_is_2_and_says_what_to_do(repository, words, expected):
    ran = repository("diff", *words)
    assert (ran.code, ran.out) == (2, "")
    for text in expected:
        assert text in " ".join(ran.err.split()), ran.err


def test_rev_asks_for_a_file_since_presets_have_no_revisions(repository):
    repository.write("pyproject.toml", PYPROJECT.replace("init.rules.yaml", "keras"))
    ran = repository("diff", "--rev", "HEAD")
    assert ran.code == 2 and "'keras' is a preset, which has no revisions" in ran.err


def test_outside_of_a_repository_and_without_git(project, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.folder.parent))
    ran = project("diff", "--rev", "HEAD", "init.rules.yaml", "models.py:build")
    assert ran.code == 2 and "is in no git repository" in ran.err
    monkeypatch.setenv("PATH", str(project.folder))
    ran = project("diff", "HEAD:init.rules.yaml", "init.rules.yaml", "models.py:build", "--format", "json")
    assert ran.code == 2 and "git cannot be run" in json.loads(ran.out)["error"]["message"]
    assert "install git" in ran.err


def test_a_failure_replaces_an_old_report(repository):
    path = repository.write("report.json", "{}")
    assert repository("diff", "--rev", "nowhere", "--format", "json", "-o", "report.json").code == 2
    assert "no revision" in path.read_text()


def test_findings_that_come_are_a_change_too(repository):
    repository.write("more.yaml", RULES + "  - {id: never, match: {parameter: nothing}, init: {kind: zeros}}\n")
    ran = repository("diff", "init.rules.yaml", "more.yaml")
    assert ran.code == 1 and "diff: 0 slots change" in ran.out
    assert "findings that come:\nmore.yaml:13:5: RNN101 idle-rule error:" in ran.out


def test_several_targets_each_have_their_part(repository):
    ran = repository("diff", "init.rules.yaml", "idle.yaml", "models.py:build", "models.py:linear")
    assert ran.code == 1 and ran.out.count("diff: ") == 2
    assert "models.py:build\n" in ran.out and "models.py:linear\n" in ran.out


def test_a_seed_holds_for_both_sides(repository):
    repository.write("other.yaml", RULES.replace("seed: 3", "seed: 4"))
    assert repository("diff", "init.rules.yaml", "other.yaml").code == 1
    assert repository("diff", "init.rules.yaml", "other.yaml", "--seed", "9").code == 0


def test_arguments_reach_the_factory_and_layers_are_ranges(repository):
    repository.write("wide.yaml", WIDER)
    ran = repository("diff", "init.rules.yaml", "wide.yaml", "--arg", "layers=3")
    assert "weight_hh_l{0..2}[input forget cell output]" in ran.out


def test_parameters_without_a_shape_are_no_clean_verdict(repository):
    repository.write("lazy.py", "from torch import nn\ndef build():\n    return nn.Sequential(nn.LazyLinear(3))\n")
    head = "version: 1\nidle: allow\nrules:\n"
    for name, kind in (("a", "zeros"), ("b", "ones")):
        repository.write(f"{name}.yaml", f"{head}  - {{id: x, match: {{parameter: weight}}, init: {{kind: {kind}}}}}\n")
    ran = repository("diff", "a.yaml", "b.yaml", "lazy.py:build")
    assert ran.code == 2 and "0.weight has no shape yet" in ran.err and "not judged" in ran.out
    assert repository("diff", "a.yaml", "a.yaml", "lazy.py:build").code == 0


def test_markdown_is_a_heading_a_table_and_a_fold(repository):
    repository.write("wide.yaml", WIDER)
    ran = repository("diff", "init.rules.yaml", "wide.yaml", "--format", "markdown")
    lines = ran.out.splitlines()
    assert lines[0] == "### rnninit diff <code>models.py&#58;build</code>"
    assert "**4 slots change, 0 are no longer decided, 0 are newly decided, 11 stay bit-identical**" in lines[2]
    assert lines[4:6] == ["| slots | what | from | to | figures |", "| --- | --- | --- | --- | --- |"]
    assert "wider &#124; since it saturates" in lines[6] and lines[6].count("|") == 6
    assert "<details><summary>11 bit-identical</summary>" in ran.out and "\n\n</details>" in ran.out
    assert repository("diff", "init.rules.yaml", "wide.yaml", "--format", "markdown", "-o", "c.md").out == ""
    assert (repository.folder / "c.md").read_text() == ran.out


def test_markdown_stays_within_what_a_comment_takes(repository):
    many = "from torch import nn\ndef build():\n    return nn.ModuleDict({f'block_with_a_name_{i}': nn.LSTM(2, 2 + i) for i in range(400)})\n"
    repository.write("many.py", many)
    repository.write("wide.yaml", WIDER)
    ran = repository("diff", "init.rules.yaml", "wide.yaml", "many.py:build", "--format", "markdown")
    assert len(ran.out) <= 65_536 and ran.code == 1
    (left,) = re.findall(r"(\d+) rows left out", ran.out)
    shown = sum(line.startswith("| <code>") for line in ran.out.splitlines())
    assert shown + int(left) == 400 * 4 and shown > 50
    assert ran.out.count("<details>") == ran.out.count("</details>")


def test_help_says_how_revisions_are_named_and_what_the_status_means(project, capsys):
    ran = project("diff", "--help")
    assert ran.code == 0
    for text in (
        "RULES_A RULES_B [TARGET ...]",
        "--rev REV [RULES] [TARGET ...]",
        "HEAD~1:init.rules.yaml",
        "0 nothing changes",
    ):
        assert text in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80
