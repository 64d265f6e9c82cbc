"""Small examples of every format, word for word, and the law that no text breaks one."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree as Tree

import pytest
from hypothesis import HealthCheck, given, settings
from markdown_it import MarkdownIt

from rnninit_hooks.findings import CODES, Finding, Place
from rnninit_hooks.report.judgement import FAIL_ON, UNJUDGED, Judgement, Subject, fails
from rnninit_hooks.report.markdown import LIMIT
from rnninit_hooks.report.paths import repository
from rnninit_hooks.report.renderers import LINES, RENDERERS
from rnninit_hooks.report.sentences import one_line

from .judged import BREAKS, FOLDERS, HINT, LEFT, MODEL, STACKED, judgements, model

anything = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def lines(form, judgement):
    return RENDERERS[form](judgement).split("\n")


def suites(judgement):
    return Tree.fromstring(RENDERERS["junit"](judgement).encode())


def cases(judgement):
    return {case.get("name"): next((kind.tag for kind in case), "passed") for case in suites(judgement).iter("testcase")}


def cells(text):
    """The rows of every table as a reader of GitHub's Markdown sees them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    rows, row = [], []
    for token, after in pairwise(tokens):
        if token.type in ("td_open", "th_open"):
            row.append("".join(child.content for child in after.children if child.type != "html_inline"))
        if token.type == "tr_close":
            rows.append(row)
            row = []
    return rows


def test_concise():
    assert lines("concise", model()) == [
        "init.rules.yaml:5:7: RNN201 rnn.weight_hh_l0[forget]: breaks orthogonal(gain=1.0); expected singular values 1",
        "rnn.bias_l0[cell]: RNN103 no rule decides it",
        "rnn: RNN212 nothing was done for its memory",
    ]
    assert lines("concise", model(MODEL, Subject("b:c", (Finding("RNN005", "empty"),))))[-1] == "b:c: RNN005 empty [b:c]"
    assert RENDERERS["concise"](model(Subject("a:b"))) == ""


def test_github():
    assert lines("github", model()) == [
        "::error file=part/init.rules.yaml,line=5,col=7,title=RNN201 law-broken::rnn.weight_hh_l0[forget]: breaks "
        "orthogonal(gain=1.0); expected singular values 1%0Afix: apply the policy%0Arule: recurrent",
        "::warning file=part/nets.py,title=RNN103 untouched-recurrent-slot::rnn.bias_l0[cell]: no rule decides it",
        "::notice file=part/nets.py,title=RNN212 no-memory-set::rnn: nothing was done for its memory",
    ]
    odd = Finding("RNN201", "100% ::x", place=Place("a,b:c.yaml", 1, 2))
    assert lines("github", model(Subject("m", (odd,)))) == [
        "::error file=part/a%2Cb%3Ac.yaml,line=1,col=2,title=RNN201 law-broken::100%25 ::x"
    ]


def test_a_preset_is_no_file_of_the_repository():
    own = Subject("m:f", (Finding("RNN101", "idle", place=Place("builtin:keras", 3, 1), rule="a"),))
    assert lines("github", model(own)) == ["::error title=RNN101 idle-rule::idle%0Arule: a"]
    (result,) = json.loads(RENDERERS["sarif"](model(own)))["runs"][0]["results"]
    assert result["locations"] == [{}]
    assert lines("github", model(replace(own, file="m.py"))) == ["::error file=part/m.py,title=RNN101 idle-rule::idle%0Arule: a"]


def test_junit():
    assert cases(model()) == {
        "RNN201 law-broken rnn.weight_hh_l0[forget] (recurrent)": "failure",
        "RNN103 untouched-recurrent-slot rnn.bias_l0[cell]": "failure",
        "RNN212 no-memory-set rnn": "system-out",
        "RNN302 stacked-orthogonal 3:1": "skipped",
        "open": "passed",
        "lazy": "skipped",
    }
    whole = suites(model())
    assert [whole.get(key) for key in ("name", "tests", "failures", "errors", "skipped")] == ["rnninit check", "6", "2", "0", "2"]
    first = next(whole.iter("testcase"))
    assert (first.get("classname"), first.get("file"), first.get("line")) == ("nets.py:build", "part/init.rules.yaml", "5")
    assert first[0].get("message") == "breaks orthogonal(gain=1.0)" and "fix: apply the policy" in first[0].text


def test_junit_fails_on_what_the_call_fails_on():
    assert list(cases(model(fail_on="error")).values()).count("failure") == 1
    assert list(cases(model(fail_on="info")).values()).count("failure") == 3
    never = cases(model(fail_on="never"))
    assert "failure" not in never.values() and never["recurrent"] == "passed"


def test_junit_of_clean_files_is_not_empty_and_an_unread_one_is_an_error():
    unread = Finding(UNJUDGED, "no Python", place=Place("c.py", 1, 1))
    judged = Judgement("lint", (Subject("a.py"), Subject("b.py", (STACKED,)), Subject("c.py", (unread,))), "file", fail_on="never")
    assert [[case.get("name"), *(kind.tag for kind in case)] for case in suites(judged).iter("testcase")] == [
        ["lint"], ["RNN302 stacked-orthogonal 3:1", "system-out"], ["lint"], ["RNN320 source-not-judged 1:1", "error"],
    ]  # fmt: skip


def test_an_allowed_rule_is_not_told_to_hold():
    assert cases(model(Subject("m:f", (), ((BREAKS, "later"),), ("recurrent",)))) == {
        "RNN201 law-broken rnn.weight_hh_l0[forget] (recurrent)": "skipped"
    }


def test_markdown():
    head, *rows = cells(RENDERERS["markdown"](model()))
    assert head == ["level", "code", "target", "place", "finding"]
    assert rows[0] == [
        "error", "RNN201 law-broken", "nets.py:build", "init.rules.yaml:5:7",
        "rnn.weight_hh_l0[forget]: breaks orthogonal(gain=1.0); expected singular values 1 (fix: apply the policy)",
    ]  # fmt: skip
    assert [row[0] for row in rows] == ["error", "warning", "info", "allowed"]
    assert rows[-1][-1] == "one matrix over 4 gates (allowed: on purpose)"
    clean = RENDERERS["markdown"](model(Subject("a:b")))
    assert clean == "### rnninit <code>check&#58; 1 target, 0 errors, 0 warnings, 0 infos</code>"


def test_markdown_has_no_mention_link_or_reference():
    nasty = "@team #12 https://x.org www.x.org ![i](j) <img src=x> $a$ :tada: 0c1"
    text = RENDERERS["markdown"](model(Subject("m:f", (Finding("RNN201", nasty),))))
    assert not re.search(r"(?<!&)[@#]\w|://|www\.|\]\(|<img|:\w+:", text)
    assert cells(text)[1][-1] == nasty


def test_markdown_that_is_too_long_says_how_much_is_left_out():
    many = tuple(Finding("RNN201", f"finding {number}", address="a" * 300) for number in range(300))
    text = RENDERERS["markdown"](model(Subject("m:f", many)))
    shown = len(cells(text)) - 1
    assert 50 < shown < 300 and len(text) <= LIMIT
    assert text.endswith(f"\n{300 - shown} rows left out: the text would be longer than 65536 characters.")


def test_what_was_measured_is_a_table():
    own = model(Subject("m:f", table=(("slot", "mean"), ("w[a|b]", "0.5"))))
    assert cells(RENDERERS["markdown"](own)) == [["slot", "mean"], ["w[a|b]", "0.5"]]
    assert "<tr><td>w[a|b]</td><td>0.5</td></tr>" in RENDERERS["html"](own)


def test_html():
    page = RENDERERS["html"](model(Subject("<m>", (Finding("RNN201", "a <b> & 'c' é", excerpt="x < y\n^"),))))
    assert "a &lt;b&gt; &amp; &#x27;c&#x27; &#233;" in page and "<h2>&lt;m&gt;</h2>" in page and "<pre>x &lt; y\n^</pre>" in page
    assert not re.search(r"<script|<link|<img|\ssrc=|href=", page) and page.isascii()


@pytest.mark.parametrize("form", RENDERERS)
def test_what_could_not_be_judged_is_never_told_as_clean(form):
    failed = Judgement("plan", (Subject("--rules", (STACKED,)),), "subject", failure="no rules <x>", **FOLDERS)
    text = RENDERERS[form](failed)
    assert "no rules" in text and "one matrix over 4 gates" in text
    assert {
        "concise": "rnninit: could not judge: no rules <x>\n",
        "github": "::error title=rnninit plan could not judge::no rules <x>\n",
        "sarif": '"executionSuccessful": false',
        "junit": 'errors="2"',
        "markdown": "could not judge",
        "html": "plan: could not judge: no rules &lt;x&gt;",
    }[form] in text


def test_every_level_and_every_threshold():
    table = {level: [fails(one, level) for one in (BREAKS, LEFT, HINT)] for level in FAIL_ON}
    assert table == {"error": [True, False, False], "warning": [True, True, False], "info": [True] * 3, "never": [False] * 3}
    assert model().failed and not model(fail_on="never").failed and not model(Subject("m", (HINT,))).failed
    assert model().summary == "check: 1 target, 1 error, 1 warning, 1 info, 1 allowed"


def test_the_root_is_that_of_the_repository(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert repository(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    (tmp_path / ".git").mkdir()
    assert repository(tmp_path / "a" / "b") == tmp_path


def test_the_code_of_what_was_not_read_is_the_lints():
    from rnninit_hooks.lint.runner import UNREAD

    assert UNJUDGED == UNREAD and UNJUDGED in CODES and RENDERERS.keys() >= LINES


@anything
@given(judgements())
def test_lines_are_one_for_each_finding(judged):
    told = sum(1 for _ in judged.found) + (judged.failure is not None)
    for form in LINES:
        text = RENDERERS[form](judged)
        assert len(text.splitlines()) == told and all(char.isprintable() for char in text if char != "\n")
    assert all(re.match(r"::(error|warning|notice) ([a-z]+=[^,:]*,?)+::", line) for line in RENDERERS["github"](judged).splitlines())


@anything
@given(judgements())
def test_any_judgement_is_well_formed_xml_whose_counts_are_right(judged):
    whole = suites(judged)
    kinds = {"failures": "failure", "errors": "error", "skipped": "skipped", "tests": "testcase"}
    for element in (whole, *whole):
        assert {key: element.get(key) for key in kinds} == {key: str(len(list(element.iter(tag)))) for key, tag in kinds.items()}
    expected = 0 if judged.failure is not None else sum(fails(one, judged.fail_on) and one.code != UNJUDGED for _, one in judged.found)
    assert len(list(whole.iter("failure"))) == expected
    assert len(list(whole.iter("testcase"))) >= len(judged.subjects)


@anything
@given(judgements())
def test_any_judgement_is_a_table_of_as_many_cells(judged):
    text = RENDERERS["markdown"](judged)
    rows = cells(text)
    told = [one_line(finding.message)[:50] for _, finding in judged.found]
    found = [row for row in rows if len(row) == 5 and row[0] in ("error", "warning", "info")]
    assert len(text) <= LIMIT and {len(row) for row in rows} <= {2, 5}
    assert "left out" in text or len(found) == len(told)
    assert all(message in row[-1] for message, row in zip(told, found, strict=False) if len(row[-1]) < 500)


@anything
@given(judgements())
def test_any_judgement_is_a_page_without_markup_of_its_own(judged):
    page = RENDERERS["html"](judged)
    assert page.isascii()
    assert set(re.findall(r"</?([a-z0-9]+)", page.partition("<body>")[2])) <= {"body", "html", "h1", "h2", "p", "table", "tr", "th", "td", "span", "br", "pre"}
