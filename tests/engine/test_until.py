"""An `allow` entry with a last day: it counts to the end of that day, and then says so itself."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks import days

RULES = """\
version: 1
rules:
  - {{id: a, match: {{kind: recurrent}}, init: {{kind: orthogonal}}}}
allow:
  - {{code: RNN103, at: 'bias*', reason: forever}}
  - {{code: RNN103, at: 'weight_ih*', reason: 'a trial', until: {until}}}
"""
DAY = date(2027, 3, 1)


def planned(monkeypatch, today: date, *, until: object = DAY, model: nn.Module | None = None):
    monkeypatch.setattr(days, "today", lambda: today)
    return ri.plan(model or nn.LSTM(2, 2), ri.loads(RULES.format(until=until), name="init.rules.yaml"))


@pytest.mark.parametrize(("later", "codes"), [(-400, []), (0, []), (1, ["RNN103"] * 4 + ["RNN117"]), (900, ["RNN103"] * 4 + ["RNN117"])])
def test_the_day_itself_still_counts(monkeypatch, later, codes):
    plan = planned(monkeypatch, DAY + timedelta(later))
    assert [finding.code for finding in plan.findings] == codes
    assert len(plan.allowed) == (8 if later <= 0 else 4)


def test_the_finding_says_where_when_and_what_to_do(monkeypatch):
    last = planned(monkeypatch, date(2027, 3, 2)).findings[-1]
    assert str(last) == (
        "init.rules.yaml:6:5: RNN117 allow RNN103 at 'weight_ih*' (a trial) counted until 2027-03-01, and today is 2027-03-02; "
        "4 findings that it excused stand again (fix: mend what it excused and remove the entry, or give it a later `until` "
        "and say why in its reason)"
    )
    assert last.level == "warning"


def test_an_expired_entry_that_excuses_nothing_is_said_once(monkeypatch):
    monkeypatch.setattr(days, "today", lambda: date(2027, 3, 2))
    rules = "version: 1\nrules:\n  - {id: a, match: {parameter: '.*'}, init: {kind: zeros}}\nallow:\n  - {code: RNN103, reason: x, until: 2027-03-01}\n"
    (only,) = ri.plan(nn.LSTM(2, 2), ri.loads(rules)).findings
    assert only.code == "RNN117" and "nothing is left" in only.message and only.fix == "remove the entry"


def test_a_check_says_it_once_for_laws_and_for_plans(monkeypatch):
    monkeypatch.setattr(days, "today", lambda: date(2027, 3, 2))
    rules = RULES.format(until="'2027-03-01'") + "  - {code: RNN201, reason: old, until: 2027-02-01}\n"
    found = ri.check(nn.LSTM(2, 2), ri.loads(rules)).findings
    assert sorted(finding.place.line for finding in found if finding.code == "RNN117") == [6, 7]
    assert sum(finding.code == "RNN201" for finding in found) == 4


def test_an_entry_that_still_counts_excuses_before_an_expired_one(monkeypatch):
    monkeypatch.setattr(days, "today", lambda: date(2027, 3, 2))
    rules = RULES.format(until="2027-03-01") + "  - {code: RNN103, at: '*', reason: new, until: 2027-03-02}\n"
    plan = ri.plan(nn.LSTM(2, 2), ri.loads(rules))
    assert [finding.code for finding in plan.findings] == ["RNN117"] and len(plan.allowed) == 8


def test_a_stale_entry_says_its_line_in_an_extended_file_too(tmp_path):
    (tmp_path / "base.yaml").write_text("version: 1\nextends: builtin:lstm-classic\nallow:\n  - {code: RNN105, at: nowhere, reason: old}\n")
    policy = ri.loads("version: 1\nextends: base.yaml\nallow:\n  - {code: RNN302, reason: source}\n", name="own.yaml", base=tmp_path)
    found = {str(finding.place): finding for finding in ri.plan(nn.LSTM(2, 2), policy).findings}
    assert list(found) == [f"{tmp_path}/base.yaml:4:5", "own.yaml:4:5"] and {f.code for f in found.values()} == {"RNN110"}
    assert found["own.yaml:4:5"].fix == "write `# rnninit: ignore[RNN302] reason` on the line of code that it is about"


@pytest.mark.parametrize(
    ("until", "code", "said"),
    [
        ("2025-02-30", "RNN009", "no calendar has"),
        ("2025-2-3", "RNN009", "year-month-day"),
        ("soon", "RNN009", "year-month-day"),
        ("20250301", "RNN008", "a whole number"),
        ("true", "RNN008", "true"),
        ("", "RNN008", "is empty"),
    ],
)
def test_what_is_no_day_is_a_problem_with_its_place(until, code, said):
    with pytest.raises(ri.RuleFileError) as caught:
        ri.loads(RULES.format(until=until), name="r.yaml")
    (problem,) = caught.value.findings
    assert (problem.code, problem.place.line) == (code, 6) and said in problem.message
    before = RULES.splitlines()[5].replace("{{", "{").index("{until}")
    assert problem.place.column == (before + 1 if until else before)


@given(st.dates())
def test_a_day_reads_back_from_yaml(day):
    policy = ri.loads(RULES.format(until=day.isoformat()))
    assert policy.allow[1].until == day and ri.loads(policy.to_yaml()) == policy


def test_entries_are_equal_when_they_say_the_same():
    one, two = ri.loads(RULES.format(until=DAY)).allow[1], ri.loads("\n\n" + RULES.format(until=DAY)).allow[1]
    assert one == two and hash(one) == hash(two) and one.origin != two.origin
    assert one != ri.loads(RULES.format(until="2027-03-02")).allow[1]


def test_today_is_the_day_that_ends_last():
    assert timedelta(0) <= datetime.now(timezone.utc).date() - days.today() <= timedelta(1)
