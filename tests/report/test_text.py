"""A report as text: grouped by module, nothing dropped, nothing wider than the page."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.cells import cell_len

from rnninit_hooks.findings import Finding, Place
from rnninit_hooks.report.text import render_findings, render_report
from rnninit_hooks.rows import Report

from .fakes import GATES, broken, lstm_rows, report, row, untouched

LONG = "encoder.blocks.11.temporal_mixer.inner_recurrent_network"


def lines(text: str) -> list[str]:
    return text.splitlines()


def flat(text: str) -> str:
    return " ".join(text.split())


def test_gates_that_share_a_fate_stand_on_one_line_under_their_module():
    text = render_report(report(*lstm_rows()), width=140)
    assert lines(text)[0] == "encoder.rnn  LSTM"
    assert lines(text)[1].split() == [
        "weight_hh_l0",
        "[input",
        "forget",
        "cell",
        "output]",
        "256x256",
        "orthogonal(gain=1.0)",
        "recurrent-orthogonal",
        "(init.rules.yaml:5)",
    ]
    assert [flat(line) for line in lines(text)[2:4]] == [
        "bias_l0 [input cell output] 256 zeros() biases (init.rules.yaml:9)",
        "bias_l0 [forget] 256 constant(value=1.0) forget-open (init.rules.yaml:12)",
    ]


def test_str_of_a_report_is_the_text_at_80_columns():
    assert str(report(*lstm_rows())) == render_report(report(*lstm_rows()), width=80)


def test_where_one_line_is_too_narrow_the_decision_moves_to_the_next():
    text = lines(render_report(report(*lstm_rows()), width=80))
    assert text[1].split()[0] == "weight_hh_l0" and "orthogonal" not in text[1]
    assert flat(text[2]) == "orthogonal(gain=1.0) recurrent-orthogonal (init.rules.yaml:5)"


def test_every_address_is_in_the_text():
    rows = [*lstm_rows("a"), *lstm_rows("b", dtype="bfloat16"), row("weight_hr_l0", module="a", kind="projection")]
    text = flat(render_report(report(*rows), width=80))
    for one in rows:
        local = one.parameter.rpartition(".")[2]
        assert local in text and one.module in text
        assert one.gate is None or one.gate in text


def test_parameters_outside_recurrent_modules_are_counted_not_dropped():
    outside = [untouched("weight"), untouched("bias"), untouched("in_proj_weight", "attention", type="X")]
    gates = [replace(untouched("in_proj_weight", "attention"), gate=gate) for gate in ("query", "key")]
    text = render_report(report(*lstm_rows(), *outside, *gates))
    assert "3 parameters outside recurrent modules: untouched" in lines(text)
    assert "head" not in text


def test_an_untouched_recurrent_slot_is_listed():
    text = render_report(report(row(gate="input", status="untouched", rule=None, recipe=None, place=None)))
    assert "weight_hh_l0  [input]  256x256  untouched" in text


@pytest.mark.parametrize(
    ("verb", "statuses", "verdict"),
    [
        ("plan", ["write"] * 12, "plan: 12 slots to write, 0 errors, 0 warnings"),
        ("plan", ["write", "keep", "untouched"], "plan: 1 slot to write, 1 slot kept, 0 errors, 0 warnings"),
        ("apply", ["written", "written"], "apply: 2 slots written, 0 errors, 0 warnings"),
        ("check", ["obeys", "breaks"], "check: 1 slot obeys, 1 slot breaks, 0 errors, 0 warnings"),
        ("check", ["write"], "check: 0 slots obey, 1 slot not judged, 0 errors, 0 warnings"),
        ("attach", ["pending", "loaded", "touched"],
         "attach: 1 slot pending, 1 slot loaded, left alone, 1 slot changed by others, left alone, 0 errors, 0 warnings"),
        ("plan", [], "plan: 0 slots to write, 0 errors, 0 warnings"),
    ],
)  # fmt: skip
def test_the_last_line_is_the_verdict(verb, statuses, verdict):
    rows = [row(f"weight_hh_l{index}", status=status) for index, status in enumerate(statuses)]
    assert flat(render_report(report(*rows, verb=verb))).endswith(verdict)


def test_the_verdict_counts_errors_and_warnings():
    findings = (broken("rnn.a"), broken("rnn.b"), Finding("RNN102", "hidden", level="warning"))
    assert lines(render_report(report(findings=findings)))[-1] == "plan: 0 slots to write, 2 errors, 1 warning"


def test_a_status_that_is_not_the_usual_one_is_said():
    text = render_report(report(row(status="breaks"), row("weight_hh_l1", status="obeys"), verb="check"), width=140)
    assert "breaks orthogonal(gain=1.0)" in text and "obeys orthogonal" not in text
    assert "not judged orthogonal(gain=1.0)" in render_report(report(row(), verb="check"), width=140)


def test_an_empty_report_has_a_verdict_and_nothing_else():
    assert render_report(Report("check", ())) == "check: 0 slots obey, 0 errors, 0 warnings"


def test_a_finding_names_place_code_level_address_and_advice():
    text = render_findings([broken("rnn.weight_hh_l0[forget]", level="warning")], width=200)
    assert lines(text) == [
        "init.rules.yaml:5:5: RNN201 law-broken warning: rnn.weight_hh_l0[forget]: breaks orthogonal(gain=1.0)",
        "    expected: singular values 1",
        "    fix: apply the policy (ri.apply), or change the rule if the model is right",
    ]


def test_errors_come_before_warnings_and_infos():
    levels = ["info", "warning", "error", "warning"]
    findings = [Finding("RNN101", f"number {index}", level=level) for index, level in enumerate(levels)]
    text = render_findings(findings)
    order = [text.index(f"number {index}") for index in (2, 1, 3, 0)]
    assert order == sorted(order)


def test_findings_of_one_kind_in_one_module_collapse_and_each_address_stays():
    addresses = [f"encoder.rnn.weight_hh_l{layer}[{gate}]" for layer in range(3) for gate in GATES]
    model = report(*(row(f"weight_hh_l{layer}", gate) for layer in range(3) for gate in GATES))
    text = render_report(replace(model, findings=tuple(map(broken, addresses)), verb="check"))
    assert flat("init.rules.yaml:5:5: RNN201 law-broken error: 12 findings in encoder.rnn") in flat(text)
    for layer in range(3):
        assert f"weight_hh_l{layer}[input forget cell output]" in text
    assert text.count("expected: singular values 1") == 1


def test_messages_that_differ_are_all_told():
    findings = [broken(f"rnn.weight_hh_l0[{gate}]", message=f"residual of {gate}") for gate in GATES]
    text = render_findings(findings)
    assert all(f"residual of {gate}" in text for gate in GATES) and "4 findings in rnn" in text
    assert text.count("expected: singular values 1") == 1


def test_findings_without_an_address_do_not_collapse():
    text = render_findings([Finding("RNN101", "one"), Finding("RNN101", "two")])
    assert lines(text) == ["RNN101 idle-rule error: one", "RNN101 idle-rule error: two"]


def test_findings_of_two_modules_do_not_collapse():
    text = render_findings([broken("a.rnn.weight_hh_l0[input]"), broken("b.rnn.weight_hh_l0[input]")])
    assert "2 findings" not in text


def test_an_excerpt_keeps_its_caret_under_the_column():
    excerpt = "    init: {kind: ortogonal}\n                 ^"
    text = lines(render_findings([Finding("RNN011", "no recipe", excerpt=excerpt)]))
    assert text[2].index("^") == text[1].index("ortogonal")


def test_a_long_excerpt_is_cropped_around_the_caret():
    excerpt = "x" * 300 + "HERE" + "x" * 300 + "\n" + " " * 300 + "^"
    text = lines(render_findings([Finding("RNN002", "bad", excerpt=excerpt)]))
    assert text[2].index("^") == text[1].index("HERE") and max(map(len, text)) <= 80


def test_excused_findings_are_counted_with_their_reasons():
    excused = tuple((broken(f"rnn.weight_hh_l0[{gate}]"), "pretrained by the tokenizer team") for gate in GATES)
    text = render_report(report(allowed=excused))
    assert flat(text).startswith(
        "allowed: 4 x RNN201 law-broken at rnn.weight_hh_l0[input forget cell output]: pretrained by the tokenizer team"
    )
    assert lines(text)[-1].endswith("4 findings allowed")


def test_a_plan_gives_each_rules_reason_once_and_a_finding_repeats_it():
    rows = lstm_rows(why="Saxe 2014, per gate")
    text = render_report(report(*rows, findings=(broken("encoder.rnn.weight_hh_l0[input]"),)))
    assert "recurrent-orthogonal: Saxe 2014, per gate" in lines(text)
    assert "    why: Saxe 2014, per gate" in lines(text)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_page(width):
    why = "because " * 40
    rows = [*lstm_rows(LONG, why=why), *lstm_rows("rnn", dtype="bfloat16", note="decided by its other name " * 5)]
    findings = tuple(broken(f"rnn.weight_hh_l0[{gate}]", message="a long story " * 20) for gate in GATES)
    idle = Finding("RNN101", "wörter und 文字 " * 30, place=Place("r.yaml", 1, 1), expected="e " * 90, fix="f " * 90)
    excused = ((broken("rnn.x"), "reason " * 30),)
    text = render_report(report(*rows, findings=(*findings, idle), allowed=excused), width=width)
    assert max(map(cell_len, lines(text))) <= width


def test_a_name_longer_than_the_page_is_never_cut():
    name = "a" * 100
    text = render_report(report(row(module=name), findings=(broken(f"{name}.weight_hh_l0[forget]"),)))
    assert f"{name}.weight_hh_l0[forget]:" in text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("[bold]x[/bold]", "[bold]x[/bold]"), ("[/]", "[/]"), (":smile:", ":smile:"), ("büro.文字", "büro.文字"),
        ("a\x1b[31mb", "a\\x1b[31mb"), ("line\nbreak", "line\\nbreak"), ("\ud800", "\\ud800"), ("a\\[b]", "a\\[b]"),
    ],
)  # fmt: skip
def test_names_are_shown_as_they_are_and_cannot_move_the_cursor(name, shown):
    rows = [row(module=name, rule=name, recipe=name, note=name, why=name)]
    text = render_report(report(*rows, findings=(broken(f"{name}.weight_hh_l0", message=name),)))
    assert text.count(shown) >= 4
    assert "\x1b" not in text


def test_the_root_module_has_a_name():
    assert lines(render_report(report(row(module=""))))[0] == "(root)  LSTM"


def test_a_scalar_has_a_shape():
    assert "scalar" in render_report(report(row(shape=())))
