"""The laws of known findings: multisets, parted exactly; counts that only shrink."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rnninit_hooks.baseline.debts import is_debt, missing, refusal, shrunk, split, taken
from rnninit_hooks.baseline.judging import LintScope, ModelScope
from rnninit_hooks.findings import CODES, Finding, Place

SCOPE = ModelScope("acme:net", "init.rules.yaml")
LINT = LintScope(Path.cwd(), frozenset({"a.py", "b.py"}), ("a.py", "b.py"), frozenset(CODES))
LEVELS = st.sampled_from(["error", "error", "warning", "info"])
MODEL_FINDINGS = st.lists(
    st.builds(
        Finding, st.sampled_from(["RNN103", "RNN201", "RNN202", "RNN205", "RNN110"]), st.text(max_size=3), level=LEVELS,
        address=st.sampled_from([None, "a", "b", "a[forget]"]), rule=st.sampled_from([None, "one", "two"]),
    ), max_size=12,
)  # fmt: skip
LINT_FINDINGS = st.lists(
    st.builds(
        lambda code, file, line, number, level: Finding(
            code, "m", level=level, place=Place(file, number, 1), excerpt=f"{' ' * number}{line}\n^"
        ),
        st.sampled_from(["RNN302", "RNN303", "RNN321"]), st.sampled_from(["a.py", "b.py"]),
        st.sampled_from(["x = 1", "x = 2", "y"]), st.integers(1, 9), LEVELS,
    ), max_size=12,
)  # fmt: skip
CASES = st.one_of(
    st.tuples(MODEL_FINDINGS, MODEL_FINDINGS, st.just(SCOPE)), st.tuples(LINT_FINDINGS, LINT_FINDINGS, st.just(LINT))
)  # fmt: skip


def facts(finding):
    """What makes a finding the one that it is, said without the code under test."""
    file = finding.place.file if finding.place else None
    return finding.code, finding.address, finding.rule, file, (finding.excerpt or "").split("\n")[0].strip(" ")


def parted(findings, counts, scope):
    return split(findings, counts, key=scope.key, judged=scope.judged)


@given(CASES)
def test_what_was_taken_is_known_and_nothing_else(case):
    findings, _, scope = case
    found = parted(findings, taken(findings, scope.key), scope)
    assert list(found.known) == [one for one in findings if is_debt(one)]
    assert list(found.new) == [one for one in findings if not is_debt(one)] and not found.stale


@given(CASES)
def test_findings_and_counts_are_parted_as_multisets(case):
    before, now, scope = case
    counts, present = taken(before, scope.key), taken(now, scope.key)
    found = parted(now, counts, scope)
    assert Counter(found.new) + Counter(found.known) == Counter(now), "nothing is lost, nothing made up"
    assert Counter(map(scope.key, found.known)) == counts & present
    assert Counter(scope.key(one) for one in found.new if is_debt(one)) == present - counts
    assert found.stale == counts - present


@given(CASES)
def test_another_key_is_never_hidden(case):
    before, now, scope = case
    known = parted(now, taken(before, scope.key), scope).known
    assert Counter(map(facts, known)) == Counter(map(facts, filter(is_debt, before))) & Counter(map(facts, filter(is_debt, now)))


@given(CASES, st.integers(0, 9))
def test_lines_may_move_and_words_may_change(case, by):
    findings, _, scope = case
    moved = [
        Finding(
            one.code, one.message + "!", level=one.level, address=one.address, rule=one.rule,
            place=one.place and Place(one.place.file, one.place.line + by, 1), excerpt=one.excerpt and "  " + one.excerpt,
        )
        for one in findings
    ]  # fmt: skip
    assert taken(moved, scope.key) == taken(findings, scope.key)


@given(CASES, st.sets(st.integers(0, 20)))
def test_shrinking_is_monotone_idempotent_and_leaves_alone_what_was_not_judged(case, unjudged):
    before, now, scope = case
    counts, present = taken(before, scope.key), taken(now, scope.key)
    left_alone = {debt for index, debt in enumerate(sorted(counts)) if index in unjudged}

    def judged(debt):
        return debt not in left_alone

    once = shrunk(counts, present, judged=judged)
    assert once <= counts and shrunk(once, present, judged=judged) == once
    assert once == Counter({debt: n if debt in left_alone else min(n, present[debt]) for debt, n in counts.items()}) + Counter()
    fewer = shrunk(counts, Counter(list(present)[1:]), judged=judged)
    assert fewer <= shrunk(counts, present | Counter(list(present)[1:]), judged=judged), "fewer findings, fewer entries"


@given(CASES)
def test_after_shrinking_nothing_is_stale_and_what_is_missing_is_what_is_new(case):
    before, now, scope = case
    present = taken(now, scope.key)
    kept = shrunk(taken(before, scope.key), present, judged=scope.judged)
    found = parted(now, kept, scope)
    assert not found.stale and missing(kept, present) == Counter(scope.key(one) for one in found.new if is_debt(one))
    assert kept + missing(kept, present) == present


@given(MODEL_FINDINGS)
def test_another_target_other_rules_and_a_plan_leave_entries_alone(findings):
    counts = taken(findings, SCOPE.key)
    for other in (ModelScope("acme:other", SCOPE.rules), ModelScope(SCOPE.target, "b.yaml"), ModelScope("acme:net", SCOPE.rules, False)):
        assert not parted([], counts, other).stale
    assert not parted(findings, counts, ModelScope("acme:other", SCOPE.rules)).known
    assert parted([], counts, SCOPE).stale == counts


@given(LINT_FINDINGS)
def test_files_and_codes_that_were_not_judged_are_not_stale(findings):
    counts = taken(findings, LINT.key)
    narrow = LintScope(LINT.folder, frozenset({"a.py"}), ("a.py",), frozenset({"RNN302"}))
    stale = parted([], counts, narrow).stale
    assert stale == Counter({debt: n for debt, n in counts.items() if (debt.file, debt.code) == ("a.py", "RNN302")})


def test_a_removed_file_below_a_judged_folder_is_gone(tmp_path):
    scope = LintScope(tmp_path, frozenset(), ("src", "tests/one.py"), frozenset(CODES))
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "there.py").write_text("")
    files = ("src/gone.py", "src/there.py", "srcs/gone.py", "tests/one.py", "../src/gone.py", "src/deep/gone.py")
    finding = {file: Finding("RNN302", "m", place=Place(str(tmp_path / file), 1, 1), excerpt="x\n^") for file in files}
    assert [file for file, one in finding.items() if scope.judged(scope.key(one))] == ["src/gone.py", "src/deep/gone.py"]
    everything = LintScope(tmp_path, frozenset(), (".",), frozenset(CODES))
    assert [file for file, one in finding.items() if everything.judged(everything.key(one))] == [
        "src/gone.py", "srcs/gone.py", "tests/one.py", "src/deep/gone.py",
    ]  # fmt: skip


def test_what_no_baseline_holds():
    refused = {code for code in CODES if refusal(code)}
    assert refused == {code for code in CODES if code.startswith("RNN0")} | {
        "RNN110", "RNN117", "RNN118", "RNN205", "RNN206", "RNN207", "RNN320", "RNN321", "RNN322",
    }  # fmt: skip
    assert not is_debt(Finding("RNN205", "nan")) and not is_debt(Finding("RNN116", "m", level="info"))
