"""Judgements as the command line makes them, without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from rnninit_hooks.findings import CODES, Finding, Place
from rnninit_hooks.report.judgement import FAIL_ON, Judgement, Subject

BREAKS = Finding(
    "RNN201", "breaks orthogonal(gain=1.0)", address="rnn.weight_hh_l0[forget]", rule="recurrent",
    place=Place("init.rules.yaml", 5, 7), expected="singular values 1", fix="apply the policy",
)  # fmt: skip
LEFT = Finding("RNN103", "no rule decides it", "warning", address="rnn.bias_l0[cell]")
HINT = Finding("RNN212", "nothing was done for its memory", "info", address="rnn")
STACKED = Finding(
    "RNN302", "one matrix over 4 gates", "warning", place=Place("code/a b.py", 3, 1), excerpt="orthogonal_(w)\n^",
)  # fmt: skip
MODEL = Subject("nets.py:build", (BREAKS, LEFT, HINT), ((STACKED, "on purpose"),), ("recurrent", "open", "lazy"), ("lazy",), "nets.py", "a note")
FOLDERS = {"folder": Path("/repo/part"), "root": Path("/repo")}

_ROUGH = st.sampled_from(["\n", "\r\n", "]]>", "|", "\\|", "%", "::", ",", "<b>", "&amp;", "`", "{0}", "[a](b)", "😀", "\x00", "\x1b[0m", "\u2028", "\ud800", "@me #1"])
ANY = st.lists(_ROUGH | st.text(max_size=9), max_size=4).map("".join)
LONG = ANY | st.builds(lambda piece: ((piece or "x|") * 5000)[:10_000], _ROUGH)
MAYBE = st.none() | ANY


def findings() -> st.SearchStrategy[Finding]:
    place = st.none() | st.builds(Place, ANY, st.integers(1, 10**6), st.integers(1, 999))
    return st.builds(
        Finding, st.sampled_from(sorted(CODES)), LONG, st.sampled_from(["error", "warning", "info"]),
        address=MAYBE, rule=MAYBE, place=place, expected=MAYBE, fix=MAYBE, excerpt=MAYBE,
    )  # fmt: skip


def subjects() -> st.SearchStrategy[Subject]:
    own = st.lists(findings(), max_size=2).map(tuple)
    excused = st.lists(st.tuples(findings(), ANY), max_size=1).map(tuple)
    table = st.just(()) | st.lists(st.tuples(ANY, ANY), min_size=2, max_size=3).map(tuple)
    return st.builds(Subject, ANY, own, excused, st.lists(ANY, max_size=2, unique=True).map(tuple), note=MAYBE, file=MAYBE, table=table)


def judgements() -> st.SearchStrategy[Judgement]:
    return st.builds(
        Judgement, st.sampled_from(["plan", "check", "lint"]), st.lists(subjects(), max_size=2).map(tuple),
        st.sampled_from(["target", "file"]), st.sampled_from(FAIL_ON), failure=MAYBE, **{key: st.just(value) for key, value in FOLDERS.items()},
    )  # fmt: skip


def model(*subjects: Subject, **facts: Any) -> Judgement:
    return Judgement("check", subjects or (MODEL,), **(FOLDERS | facts))
