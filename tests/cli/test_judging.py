"""Reports, tables and outcomes as judgements."""

from __future__ import annotations

from rnninit_hooks.cli.failures import CannotJudge
from rnninit_hooks.cli.judging import of_failure, of_lint, of_reports, of_rule_files
from rnninit_hooks.cli.pages import FileVerdict
from rnninit_hooks.findings import Finding
from rnninit_hooks.lint.runner import Outcome
from rnninit_hooks.rows import FactTable, Report, Row, SlotFacts


def row(rule, status):
    return Row(f"w[{rule}]", "w", "", "LSTM", (2, 2), "float32", status, rule=rule)


def test_a_rule_is_judged_when_all_that_it_decides_was():
    rows = (row("a", "obeys"), row("b", "obeys"), row("b", "write"), row(None, "untouched"))
    (checked,) = of_reports("check", [("m:f", Report("check", rows))], "error").subjects
    assert (checked.rules, checked.unjudged) == (("a", "b"), ("b",))
    assert checked.note == "check: 2 slots obey, 1 slot not judged, 0 errors, 0 warnings"
    (planned,) = of_reports("plan", [("m:f", Report("plan", rows))], "error").subjects
    assert planned.unjudged == ()


def test_a_table_has_the_columns_that_were_measured():
    slot = SlotFacts("rnn.b[a]", "rnn.b", "rnn", "LSTM", (2, 3), "float32", 0.25, 1.0, 0.0, 2.0, effective_bias=1.5)
    (own,) = of_reports("inspect", [("m:f", FactTable((slot,)))], "never").subjects
    assert own.table == (("slot", "shape", "mean", "std", "min", "max", "effective bias"), ("rnn.b[a]", "2x3", "0.25", "1", "0", "2", "1.5"))


def test_every_file_is_a_subject():
    found = Finding("RNN001", "no")
    lint = of_lint(Outcome(("a.py", "b.py"), ()), "info")
    assert [one.name for one in lint.subjects] == ["a.py", "b.py"] and (lint.noun, lint.fail_on) == ("file", "info")
    rules = of_rule_files([FileVerdict("x.yaml", 2, 7), FileVerdict("y.yaml", 0, None, (found,))])
    assert [(one.name, one.note, one.findings) for one in rules.subjects] == [("x.yaml", "2 rules", ()), ("y.yaml", "0 rules", (found,))]


def test_a_failure_says_its_reason_and_its_findings():
    found = Finding("RNN001", "no")
    judged = of_failure("plan", CannotJudge("--rules", "unreadable", fix="mend it", findings=(found,)))
    assert judged.summary == "plan: could not judge: --rules: unreadable; fix: mend it"
    assert [one.findings for one in judged.subjects] == [(found,)] and of_failure("plan", CannotJudge("x", "y")).subjects == ()
