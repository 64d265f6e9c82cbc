"""Every format and --fail-on, through the command line, on models and files with findings."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from xml.etree import ElementTree as Tree

import pytest

from rnninit_hooks.cli.forms import FAIL_ON, FORMATS, formats_of
from rnninit_hooks.report import judgement
from rnninit_hooks.report.renderers import LINES, RENDERERS

from .conftest import BAD

STACKED = "import torch\nrnn = torch.nn.GRU(4, 8)\ntorch.nn.init.orthogonal_(rnn.weight_hh_l0)\n"
MILD = "import torch\nrnn = torch.nn.LSTM(4, 8)\ntorch.nn.init.ones_(rnn.bias_hh_l0[8:16])\n"
WARN = ("plan", "models.py:build", "--rules", "warns.yaml")
BREAK = ("check", "models.py:build", "--rules", "init.rules.yaml")
ERROR = ("plan", "models.py:build", "--rules", "idle.yaml")
SHAPES = {
    "concise": r"(.+: RNN\d{3} .+\n)+", "github": r"(::(error|warning|notice) .+::.+\n)+", "sarif": r"\{\n(.*\n)+\}\n",
    "junit": r"<\?xml(.*\n)+</testsuites>\n", "markdown": r"### rnninit <code>(.*\n)+", "html": r"<!DOCTYPE html>\n(.*\n)+</html>\n",
}  # fmt: skip


@pytest.fixture
def sources(project):
    for name, text in {"stacked.py": STACKED, "good.py": "x = 1\n", "cut.py": "x = (\n", "mild.py": MILD}.items():
        project.write(f"code/{name}", text)
    return project


def test_the_table_of_formats_is_whole():
    assert set(FORMATS) == {"text", "json", *RENDERERS} and FAIL_ON == judgement.FAIL_ON


@pytest.mark.parametrize("form", RENDERERS)
@pytest.mark.parametrize("words", [BREAK, WARN, ("rules", "bad.yaml"), ("lint", "code/stacked.py")], ids=" ".join)
def test_a_call_with_findings_has_the_status_of_text(sources, words, form):
    plain, ran = sources(*words), sources(*words, "--format", form)
    assert ran.code == plain.code == 1
    assert re.fullmatch(SHAPES[form], ran.out), ran.out[:400]
    assert ("1 target, " in ran.err or "1 file, " in ran.err) == (form in LINES)
    codes = set(re.findall(r"RNN\d{3}", plain.out))
    assert codes and codes <= set(re.findall(r"RNN\d{3}", ran.out))


@pytest.mark.parametrize("form", RENDERERS)
@pytest.mark.parametrize("words", [BREAK, ("rules", "bad.yaml"), ("lint", "code/stacked.py")], ids=lambda words: words[0])
def test_a_file_holds_what_stdout_would(sources, words, form):
    said = sources(*words, "--format", form)
    ran = sources(*words, "--format", form, "-o", "report.out")
    assert (ran.code, ran.out) == (1, "") and (sources.folder / "report.out").read_text(encoding="utf-8") == said.out


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("words", [("rules", "bad.yaml"), ("lint", "code/stacked.py")], ids=lambda words: words[0])
def test_pages_of_findings_go_to_a_file_too(sources, words, form):
    said = sources(*words, "--format", form)
    assert sources(*words, "--format", form, "--output", "report.out").out == ""
    assert (sources.folder / "report.out").read_text(encoding="utf-8") == said.out


def test_several_targets(project):
    words = ("check", "models.py:build", "models.py:stacked", "--rules", "init.rules.yaml", "--format")
    suites = Tree.fromstring(project(*words, "junit").out)
    assert [suite.get("name") for suite in suites] == ["models.py:build", "models.py:stacked"]
    run = json.loads(project(*words, "sarif").out)["runs"][0]
    assert {result["properties"]["target"] for result in run["results"]} == {"models.py:build", "models.py:stacked"}
    assert all(line.endswith(("[models.py:build]", "[models.py:stacked]")) for line in project(*words, "concise").out.splitlines())
    assert "2 targets" in project(*words, "markdown").out


def test_a_rule_that_holds_is_a_passed_case(project):
    project.write("made.py", "import rnninit_hooks as ri\nfrom torch import nn\ndef build():\n    model = nn.LSTM(4, 4)\n    ri.apply(model, 'init.rules.yaml')\n    return model\n")
    words = ("check", "made.py:build", "--rules", "init.rules.yaml", "--format")
    cases = list(Tree.fromstring(project(*words, "junit").out).iter("testcase"))
    assert [(case.get("classname"), case.get("name"), len(case)) for case in cases] == [
        ("made.py:build", "recurrent-orthogonal", 0), ("made.py:build", "forget-open", 0),
    ]  # fmt: skip
    assert project(*words, "concise").out == project(*words, "github").out == ""
    assert "no findings" in project(*words, "html").out


def test_one_suite_for_each_file_of_the_lint(sources):
    ran = sources("lint", "code", "--format", "junit")
    found = {suite.get("name"): [kind.tag for case in suite for kind in case] for suite in Tree.fromstring(ran.out)}
    assert ran.code == 2
    assert found == {"code/cut.py": ["error"], "code/good.py": [], "code/mild.py": ["system-out"], "code/stacked.py": ["failure"]}


def test_paths_are_those_of_the_repository(sources, monkeypatch):
    (sources.folder / ".git").mkdir()
    monkeypatch.chdir(sources.folder / "code")
    assert sources("lint", "stacked.py", "--format", "github").out.startswith("::warning file=code/stacked.py,line=3,col=1,")
    assert '"uri": "code/stacked.py"' in sources("lint", str(sources.folder / "code" / "stacked.py"), "--format", "sarif").out


@pytest.mark.parametrize(("target", "file"), [("models.py:build", "models.py"), ("acme.nets:build", "acme/nets.py")])
def test_every_result_has_a_file_although_its_rule_is_packaged(project, target, file):
    run = json.loads(project("check", target, "--rules", "lstm-classic", "--format", "sarif").out)["runs"][0]
    files = {result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in run["results"]}
    assert files == {file}


def test_an_inspection_is_a_table(project):
    page = project("inspect", "models.py:build", "--format", "html")
    text = project("inspect", "models.py:build", "--format", "markdown")
    assert page.code == text.code == 0 and "effective bias" in page.out and "| effective bias |" in text.out
    assert page.out.count("<tr>") == text.out.count("\n| <code>") + 1 + text.out.count("| slot |") - 1


@pytest.mark.parametrize(
    "words", ["inspect models.py:build", "apply models.py:build --rules init.rules.yaml -o w.safetensors", "explain", "presets", "layouts", "recipes"]
)
def test_a_format_that_a_command_does_not_speak_is_refused(project, monkeypatch, words):
    ran = project(*words.split(), "--format", "github")
    assert ran.code == 2 and "rnninit: usage: argument --format: invalid choice: 'github'" in ran.err
    monkeypatch.setenv("RNNINIT_FORMAT", "github")
    ran = project(*words.split())
    assert ran.code == 2 and f"`rnninit {words.split()[0]}` has no such format; expected text or json" in ran.err
    assert ran.out.startswith("::error title=rnninit ") and project(*words.split(), "--format", "text").code == 0


@pytest.mark.parametrize("form", RENDERERS)
def test_what_could_not_be_judged_is_told_in_the_format(project, form):
    ran = project("plan", "models.py:build", "--rules", "bad.yaml", "--format", form)
    assert ran.code == 2 and ran.err.startswith("rnninit: --rules: ")
    assert re.fullmatch(SHAPES[form] if form != "concise" else r"rnninit: could not judge: --rules.+\n(bad.yaml:\d+:\d+: RNN0\d\d .+\n){3}", ran.out)
    assert all(code in ran.out for code in ("RNN011", "RNN010", "RNN006"))


@pytest.mark.parametrize("form", ["json", *RENDERERS])
@pytest.mark.parametrize("flag", ["-o {}", "-o{}", "--output {}", "--output={}"])
def test_no_report_of_an_earlier_call_stays(project, form, flag):
    project.write("report.out", "all is well\n")
    words = ["plan", "models.py:broken", "--rules", "init.rules.yaml", "--format", form]
    ran = project(*words, *flag.format("report.out").split())
    assert (ran.code, ran.out) == (2, "")
    assert "no weights today" in (project.folder / "report.out").read_text(encoding="utf-8")


def test_weights_are_no_report(project):
    project.write("w.safetensors", "weights")
    project("apply", "models.py:broken", "--rules", "init.rules.yaml", "--format", "json", "-o", "w.safetensors", "--force")
    assert (project.folder / "w.safetensors").read_text() == "weights"


def test_no_words_at_all_under_a_format_of_the_environment(project, monkeypatch):
    monkeypatch.setenv("RNNINIT_FORMAT", "junit")
    ran = project()
    assert ran.code == 2 and Tree.fromstring(ran.out).get("errors") == "1"


@pytest.mark.parametrize("form", RENDERERS)
def test_a_pipe_that_knows_ascii_only_and_a_reader_that_leaves(project, form):
    project.write("größe文.yaml", BAD)
    words = [sys.executable, "-m", "rnninit_hooks", "rules", "größe文.yaml", "--format", form]
    ran = subprocess.run(words, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"}, check=False)
    assert ran.returncode == 1 and b"RNN011" in ran.stdout and ran.stdout.isascii()
    left = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    left.stdout.close()
    err = left.stderr.read()
    assert left.wait() == 1 and b"BrokenPipe" not in err and b"Traceback" not in err
    left.stderr.close()


LEVELS = [
    # words, status under error, warning, info, never
    (ERROR, (1, 1, 1, 0)),
    (WARN, (0, 1, 1, 0)),
    (("check", "models.py:build", "--rules", "init.rules.yaml"), (1, 1, 1, 0)),
    (("inspect", "models.py:build"), (0, 0, 0, 0)),
    (("lint", "code/stacked.py"), (0, 1, 1, 0)),
    (("lint", "code/mild.py"), (0, 0, 1, 0)),
    (("lint", "code/good.py"), (0, 0, 0, 0)),
    (("lint", "code"), (2, 2, 2, 2)),
    (("plan", "models.py:broken", "--rules", "idle.yaml"), (2, 2, 2, 2)),
]


@pytest.mark.parametrize("form", ["text", "json", "concise"])
@pytest.mark.parametrize(("words", "codes"), LEVELS, ids=[" ".join(case[0]) for case in LEVELS])
def test_fail_on(sources, words, codes, form):
    own = form if form in formats_of(words[0]) else "html"
    assert tuple(sources(*words, "--format", own, "--fail-on", level).code for level in FAIL_ON) == codes
    assert sources(*words, "--format", own).code == codes[1]


def test_fail_on_comes_from_file_environment_or_flag(project, monkeypatch):
    project.write("pyproject.toml", '[tool.rnninit]\nfail-on = "error"\n')
    assert project(*WARN).code == 0 and project(*ERROR).code == 1
    monkeypatch.setenv("RNNINIT_FAIL_ON", "never")
    assert project(*ERROR).code == 0
    assert project(*WARN, "--fail-on", "warning").code == 1


def test_a_wrong_fail_on_is_refused(project, monkeypatch):
    assert "invalid choice: 'eror'" in project(*WARN, "--fail-on", "eror").err
    assert project("apply", "models.py:build", "--rules", "init.rules.yaml", "-o", "w.safetensors", "--fail-on", "never").code == 2
    monkeypatch.setenv("RNNINIT_FAIL_ON", "eror")
    assert "RNNINIT_FAIL_ON 'eror': no such level; expected error or warning or info or never; fix: write 'error'" in project(*WARN).err
    monkeypatch.delenv("RNNINIT_FAIL_ON")
    project.write("pyproject.toml", "[tool.rnninit]\nfail-on = 1\n")
    ran = project(*WARN)
    assert ran.code == 2 and "fail-on 1: no such level" in ran.err


def test_a_suggestion_goes_to_a_file_and_is_no_report(sources):
    said = sources("lint", "code/mild.py", "--suggest")
    assert said.code == 0 and sources("lint", "code/mild.py", "--suggest", "-o", "new.yaml").out == ""
    assert (sources.folder / "new.yaml").read_text(encoding="utf-8") == said.out
    ran = sources("lint", "code/mild.py", "--suggest", "--format", "sarif")
    assert ran.code == 2 and "--suggest: a rule file is no sarif" in ran.err
