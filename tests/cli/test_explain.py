"""Every code has a page, and what the pages show is true."""

from __future__ import annotations

import re
import warnings
from importlib.resources import files

import pytest
import torch
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.findings import CODES
from rnninit_hooks.layouts import registry
from rnninit_hooks.lint.runner import LINT_CODES, chosen, lint_text

PAGES = {
    path.name.removesuffix(".md"): path.read_text(encoding="utf-8")
    for path in files("rnninit_hooks.explain").iterdir()
    if path.name.endswith(".md")
}
SECTIONS = ("## What it sees", "## Why it matters", "## A bad and a good example", "## How to allow it")
_FENCE = re.compile(r"^```(\w+) (\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_UNREAD = {"RNN001"}  # a file that is not there has no text to show
_COMPARED = {"RNN119", "RNN206", "RNN207"}
_NOT_ON_A_PLAN = {"RNN118", "RNN119", "RNN107", "RNN108", "RNN114", "RNN115", "RNN116", "RNN120"}
_PROBED = ("RNN208", "RNN209", "RNN210", "RNN211", "RNN212")


def blocks(code: str) -> dict[str, str]:
    """The examples of a page by `language word`."""
    return {f"{language} {word}": text for language, word, text in _FENCE.findall(PAGES[code])}


def codes(prefix: str) -> list[str]:
    return [code for code in CODES if code.startswith(prefix)]


def example(folder, text: str):
    path = folder / "init.rules.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def run(text: str, folder, monkeypatch) -> nn.Module:
    monkeypatch.chdir(folder)
    space = {"torch": torch, "nn": nn, "ri": ri}
    exec(text, space)
    return space["model"]


def found(model: nn.Module, path, verb) -> set[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ri.RnnInitWarning)
        return {finding.code for finding in verb(model, path).findings}


def test_every_code_has_a_page_and_every_page_a_code():
    assert set(PAGES) == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_page_has_its_sections_and_fits_a_terminal(code):
    page, entry = PAGES[code], CODES[code]
    assert page.splitlines()[0] == f"# {code} {entry.name}"
    assert " ".join(page.split("\n\n")[1].split()) == f"{entry.level.capitalize()}: {entry.summary}."
    places = [page.index(f"\n{section}\n") for section in SECTIONS]
    assert places == sorted(places) and page.count("\n## ") == len(SECTIONS)
    bodies = [len(part.strip()) for part in re.split(r"\n## .*\n", page)]
    assert min(bodies) > 30 and page.count("```") >= 4
    assert max(map(len, page.splitlines())) <= 80


@pytest.mark.parametrize("code", CODES)
def test_a_page_has_a_bad_and_a_good_example(code):
    assert {name.split()[1] for name in blocks(code)} >= ({"good"} if code in _UNREAD else {"bad", "good"})


@pytest.mark.parametrize("code", CODES)
def test_rule_files_marked_good_load(code, tmp_path):
    for name, text in blocks(code).items():
        if name in ("yaml good", "yaml rules"):
            assert ri.load(example(tmp_path, text)).rules


@pytest.mark.parametrize("code", [code for code in codes("RNN0") if code not in _UNREAD])
def test_rule_files_marked_bad_have_the_fault_of_their_page(code, tmp_path):
    with pytest.raises(ri.RuleFileError) as caught:
        ri.load(example(tmp_path, blocks(code)["yaml bad"]))
    assert {finding.code for finding in caught.value.findings} == {code}


@pytest.mark.parametrize("code", [code for code in codes("RNN1") if code not in _NOT_ON_A_PLAN])
def test_a_plan_of_the_bad_example_has_the_code_and_of_the_good_one_has_not(code, tmp_path, monkeypatch):
    own = blocks(code)
    model = run(own["python model"], tmp_path, monkeypatch)
    assert code in found(model, example(tmp_path, own["yaml bad"]), ri.plan)
    if "yaml good" in own:
        assert found(model, example(tmp_path, own["yaml good"]), ri.plan) == set()


@pytest.mark.parametrize("code", sorted(_COMPARED))
def test_a_comparison_of_the_bad_example_has_the_code_and_of_the_good_one_has_not(code):
    reports = {}
    for name in ("bad", "good"):
        space = {"nn": nn, "ri": ri}
        exec(blocks(code)[f"python {name}"], space)
        reports[name] = {finding.code for finding in space["report"].findings}
    assert code in reports["bad"] and not reports["good"]


@pytest.mark.parametrize("code", ["RNN107", "RNN108", "RNN116", *_PROBED])
def test_probing_the_bad_model_has_the_code_and_the_good_one_has_not(code, tmp_path, monkeypatch):
    def probed(name: str) -> set[str]:
        model = run(blocks(code)[f"python {name}"], tmp_path, monkeypatch)
        findings = ri.inspect(model, probe=True).findings if code in _PROBED else ri.plan(model, "lstm-classic", probe=True).findings
        return {finding.code for finding in findings}

    assert code in probed("bad")
    assert code not in probed("good") and not probed("good") & {"RNN107", "RNN108", *_PROBED} - {"RNN212"}
    if "acme.Round" in registry.layouts():
        registry.unregister_layout("acme.Round")


@pytest.mark.parametrize("code", [code for code in codes("RNN2") if code not in {*_COMPARED, *_PROBED, "RNN220"}])
def test_a_check_of_the_bad_model_has_the_code_and_of_the_good_one_has_not(code, tmp_path, monkeypatch):
    own = blocks(code)
    path = example(tmp_path, own["yaml rules"])
    assert code in found(run(own["python bad"], tmp_path, monkeypatch), path, ri.check)
    assert found(run(own["python good"], tmp_path, monkeypatch), path, ri.check) == set()


@pytest.mark.parametrize("code", LINT_CODES)
def test_lint_finds_the_code_of_its_page_in_the_bad_example_and_nothing_in_the_good_one(code):
    own = blocks(code)
    judged = (chosen() | {code}) - ({"RNN314"} if code == "RNN321" else set())
    assert [finding.code for finding in lint_text(own["python bad"], codes=judged)] == [code]
    assert lint_text(own["python good"], codes=judged) == ()


def test_what_needs_a_batch_is_refused_without_one_and_written_with_one(tmp_path, monkeypatch):
    own = blocks("RNN120")
    example(tmp_path, own["yaml rules"])
    with pytest.raises(ri.PolicyError) as caught:
        run(own["python bad"], tmp_path, monkeypatch)
    assert {finding.code for finding in caught.value.findings} == {"RNN120"}
    assert run(own["python good"], tmp_path, monkeypatch).weight.isfinite().all()


def test_a_check_says_what_it_cannot_judge_and_the_report_of_the_batch_does_not():
    reports = {}
    for name in ("bad", "good"):
        space = {"nn": nn, "ri": ri, "torch": torch}
        exec(blocks("RNN220")[f"python {name}"], space)
        reports[name] = {finding.code for finding in space["report"].findings}
    assert reports == {"bad": {"RNN220"}, "good": set()}
