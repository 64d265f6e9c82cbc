"""Patterns from strangers: what is refused, what passes, and that neither reading nor searching can hang or swell."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rnninit_hooks as ri
from rnninit_hooks.rules import patterns
from rnninit_hooks.rules.repeats import burden

EXPLODING = ["(a+)+$", "(.*a){25}$", "(.*a){30}$", "(x+x+)+y", "(a|aa)+$", "(weight|w\\w*)+q", "(?R)", "(.+)+\\1$"]
AMBIGUOUS = [r"(\w|\d)+$", r"(\w|\d)+!", "(k|k)+z", "(?:a|a)*", "(a|[a-c])*?", "^(?:_|[^.]){9,}$", "(0|.){40}x", "(?P<n>a|a)+"]
SWELLING = ["a{99999999}", "(?:a{1000}){1000}", "(?:a{65535}){65535}", "(?:(?:a?){1000}){1000}", "(a+" * 60 + ")+" * 60]
ORDINARY = [
    r"weight_hh_l\d+", r"^(?!decoder)", ".*", r"layers\.(\d+)\.", r"^encoder\..*bias$", r"(ih|hh)_l[0-3]", "(?i)LSTM",
    r"^(encoder|decoder)\.(?:layers\.\d+\.)+rnn\.(weight|bias)_(ih|hh)_l\d+(_reverse)?$", r"(?:\w|\.)+bias", "(ih|hh)+", "(?:a|a){2}",
    r"(?<=rnn\.)bias", "(k|k)++z", "[]a]+", "[(]+", r"\(+", "(?#a (b)c", "a{,3}b{2,5}", "(?i:a|b)*",
]  # fmt: skip


@pytest.mark.parametrize("pattern", EXPLODING)
def test_exploding_patterns_are_refused_early(pattern):
    assert "takes exponential time" in (patterns.trouble(pattern) or "")


@pytest.mark.parametrize("pattern", AMBIGUOUS)
def test_ambiguous_repetition_is_refused_from_the_text_alone(pattern):
    assert "in two ways" in (burden(pattern) or "")


@pytest.mark.parametrize("pattern", SWELLING, ids=[text[:24] for text in SWELLING])
def test_patterns_that_would_swell_are_refused_before_they_are_compiled(pattern, monkeypatch):
    monkeypatch.setattr(patterns, "compiled", lambda _: pytest.fail("was compiled"))
    assert "grows to over" in (patterns.trouble(pattern) or "")


@pytest.mark.parametrize("pattern", ["(?x)a # [b\n(c)", "(?i-x)a#", "(?V1)[[a]b]"])
def test_what_the_text_cannot_be_judged_under_is_refused(pattern):
    assert "leave the flag out" in (patterns.trouble(pattern) or "")


@pytest.mark.parametrize("pattern", ORDINARY)
def test_ordinary_patterns_pass(pattern):
    assert patterns.trouble(pattern) is None


@pytest.mark.parametrize(
    "pattern", ["(", ")", "[", "a**", "*a", "a{2}{3}", "(?<n>a", r"\L<x>", r"\p{Foo}", "(" * 500 + ")" * 500]
)
def test_what_does_not_compile_says_so(pattern):
    assert "does not compile" in (patterns.trouble(pattern) or "")


def test_a_pause_of_the_machine_refuses_no_good_pattern(monkeypatch):
    late = iter([True])

    def once(pattern: str, name: str, seconds: float) -> bool:
        if next(late, False):
            raise patterns.PatternTimeout(pattern, name)
        return True

    monkeypatch.setattr(patterns, "_found", once)
    assert patterns.trouble("weight_hh") is None and next(late, "asked") == "asked"


def test_probing_ends_even_when_every_probe_is_slow(monkeypatch):
    ticks, probed = iter(range(10_000)), []
    monkeypatch.setattr(patterns.time, "process_time", lambda: 0.03 * next(ticks))
    monkeypatch.setattr(patterns, "_found", lambda pattern, name, seconds: bool(probed.append(name)))
    assert patterns.trouble("weight_hh") is None
    assert 1 <= len(probed) <= 8


def test_the_patterns_of_one_file_share_the_work_of_compiling():
    large = [f"{index}(?:a{{90}}){{90}}" for index in range(30)]
    assert [patterns.trouble(pattern) for pattern in large] == [None] * 30
    with patterns.one_budget():
        told = [patterns.trouble(pattern) for pattern in large]
    assert told[:10] == [None] * 10 and all("as much as one file may have" in (one or "") for one in told[14:])
    with patterns.one_budget():
        assert not any(patterns.trouble(rf"encoder\.layers\.{index}\.rnn\.weight_hh_l\d+") for index in range(400))


def test_a_pattern_that_explodes_on_a_name_is_stopped(monkeypatch):
    monkeypatch.setattr(patterns, "SEARCH_SECONDS", 0.02)
    with pytest.raises(patterns.PatternTimeout) as caught:
        patterns.found_in("(a|aa)+$", ["a" * 60 + "!"])
    assert pickle.loads(pickle.dumps(caught.value)).name == "a" * 60 + "!"


PIECES = [
    "(",
    "(?:",
    ")",
    ")+",
    ")*",
    "){1,3}",
    "){50}",
    "|",
    "a",
    r"\w",
    ".",
    "[a",
    "]",
    "+",
    "*",
    "{30}",
    "^",
    "(?!",
    r"\1",
    "(?R)",
    "(?#",
    "\\",
]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_any_pattern_is_judged(pattern):
    verdict = patterns.trouble(pattern)
    assert verdict is None or (verdict and "\n" not in verdict)
    if verdict is None:
        assert set(patterns.found_in(pattern, ["weight_hh_l0"])) <= {"weight_hh_l0"}


_MEMORY = """
import resource
from rnninit_hooks.rules.patterns import trouble
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
verdicts = [trouble(p) for p in ("a{99999999}", "(?:a{1000}){1000}", "(a+" * 60 + ")+" * 60, "(?:a{100}){99}")]
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, [bool(v) for v in verdicts])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss counts KiB on Linux only")
def test_refusing_a_pattern_costs_little_memory():
    ran = subprocess.run([sys.executable, "-c", _MEMORY], capture_output=True, text=True, check=True)
    grown, verdicts = ran.stdout.split(" ", 1)
    assert verdicts.strip() == "[True, True, True, False]"
    assert int(grown) < 64 * 1024


def test_a_thousand_slow_patterns_take_the_time_of_one(monkeypatch):
    """Each that explodes costs two probes; the file is refused for the first of them, and the machine is not held up."""
    searches = []
    real = patterns._found
    monkeypatch.setattr(patterns, "_found", lambda pattern, name, seconds: searches.append(pattern) or real(pattern, name, seconds))
    rules = "".join(f"  - {{id: r{i}, match: {{parameter: '(a+)+{i}'}}, init: {{kind: zeros}}}}\n" for i in range(300))
    with pytest.raises(ri.RuleFileError) as caught:
        ri.loads("version: 1\nrules:\n" + rules)
    refused = [finding for finding in caught.value.findings if finding.code == "RNN010"]
    assert 1 <= len(refused) < 100 and len(set(searches)) < 100
    assert patterns._left.get() is None
