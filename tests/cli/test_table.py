"""The command line as a table: words, exit status, what is said where."""

from __future__ import annotations

import pytest

ORTHOGONAL = "orthogonal(gain=1.0)"

CASES = [
    # what was asked for, exit status, fragments on stdout, fragments on stderr
    ("plan models.py:build --rules init.rules.yaml", 0, ["rnn  LSTM", ORTHOGONAL, "plan: 5 slots to write, "], []),
    ("plan models:build --rules init.rules.yaml", 0, ["plan: 5 slots to write, "], []),
    ("plan acme.nets:build --rules init.rules.yaml", 0, ["plan: 5 slots to write, "], []),
    ("plan models.py:Nested.Inner --rules init.rules.yaml", 0, ["plan: 5 slots to write, "], []),
    ("plan models.py:ready --rules init.rules.yaml", 0, ["(root)  LSTM"], []),
    ("plan models.py:build --rules init.rules.yaml --arg layers=2", 0, ["weight_hh_l1", "plan: 10 slots"], []),
    ('plan models.py:build --rules init.rules.yaml --arg cell="GRU"', 0, ["rnn  GRU", "[update]"], []),
    ("plan models.py:build --rules init.rules.yaml --arg cell=GRU --arg bias=false", 0, ["plan: 3 slots"], []),
    ("plan models.py:build models.py:ready --rules init.rules.yaml", 0, ["models.py:build\n", "models.py:ready\n"], []),
    ("plan models.py:build --rules lstm-classic", 0, ["xavier_uniform(gain=1.0)", "3 parameters outside"], []),
    ("plan models.py:build --rules warns.yaml", 1, ["RNN103 untouched-recurrent-slot warning", "0 errors, 7 warnings"], []),
    ("plan models.py:build --rules idle.yaml", 1, ["idle.yaml:4:5: RNN101 idle-rule error:", "1 error, "], []),
    ("plan models.py:linear --rules gru-classic", 1, ["RNN101"], []),
    ("check models.py:build --rules init.rules.yaml", 1, ["check: 0 slots obey, 5 slots break", "RNN201"], []),
    ("check models.py:stacked --rules init.rules.yaml", 1, ["RNN203 stacked-not-per-gate error"], []),
    ("inspect models.py:build", 0, ["rnn  LSTM", "retention", "inspect: "], []),
    ("inspect models.py:poisoned", 0, ["nan"], []),
    ("rules init.rules.yaml", 0, ["init.rules.yaml: 2 rules, seed 3"], []),
    ("rules init.rules.yaml bad.yaml", 1, ["bad.yaml:5:18: RNN011 unknown-recipe error:", "RNN010", "RNN006", "^"], []),
    ("rules nowhere.yaml", 1, ["RNN001"], []),
    ("schema", 0, ['"$schema"', "orthogonal"], []),
    ("presets", 0, ["lstm-classic", "gru-classic", "rnn-orthogonal", "torch-default", "Gers"], []),
    ("presets lstm-classic", 0, ["version: 1", "lstm-forget-open"], []),
    ("presets builtin:gru-classic", 0, ["gru-recurrent"], []),
    ("explain", 0, ["RNN101  idle-rule", "RNN205  not-finite"], []),
    ("explain RNN101", 0, ["# RNN101 idle-rule", "## How to allow it"], []),
    ("explain idle-rule", 0, ["# RNN101 idle-rule"], []),
    ("explain rnn101", 0, ["# RNN101 idle-rule"], []),
    ("--version", 0, ["rnninit 0."], []),
    ("--help", 0, ["plan", "exit status"], []),
    ("plan --help", 0, ["--rules", "--arg"], []),
    # what cannot be judged
    ("", 2, [], ["rnninit: usage: no command", "expected"]),
    ("plam models.py:build", 2, [], ["rnninit: usage:", "plam"]),
    ("plan models.py:build --rule init.rules.yaml", 2, [], ["rnninit: usage:", "--rule"]),
    ("plan models.py:build", 2, [], ["rnninit: --rules: no rules are named", "RNNINIT_RULES", "pyproject.toml"]),
    ("plan --rules init.rules.yaml", 2, [], ["rnninit: TARGET: none is named", "targets"]),
    ("plan models.py:build --rules bad.yaml", 2, [], ["rnninit: --rules: ", "bad.yaml:5:18: RNN011 unknown-recipe", "^"]),
    ("plan models.py:build --rules nowhere.yaml", 2, [], ["RNN001"]),
    ("plan models.py:build --rules lstm-clasic", 2, [], ["rnninit: ", "RNN0"]),
    ("plan models.py --rules init.rules.yaml", 2, [], ["rnninit: TARGET 'models.py': no target; expected package.module"]),
    ("plan nowhere.py:build --rules init.rules.yaml", 2, [], ["TARGET 'nowhere.py:build': no file"]),
    ("plan nowhere.nets:build --rules init.rules.yaml", 2, [], ["no module named 'nowhere'"]),
    ("plan acme.nests:build --rules init.rules.yaml", 2, [], ["no module named 'acme.nests'"]),
    ("plan acme.half:build --rules init.rules.yaml", 2, [], ["needs 'a_package_that_nobody_has'", "fix: install it"]),
    ("plan acme.wrong:build --rules init.rules.yaml", 2, [], ["importing acme.wrong raised ValueError: at import"]),
    ("plan models.py:biuld --rules init.rules.yaml", 2, [], ["models has no 'biuld'", "fix: write 'build'"]),
    ("plan models.py:Nested.Iner --rules init.rules.yaml", 2, [], ["Nested has no 'Iner'", "'Inner'"]),
    ("plan models.py:broken --rules init.rules.yaml", 2, [], ["calling it raised RuntimeError: no weights today"]),
    ("plan models.py:leaves --rules init.rules.yaml", 2, [], ["calling it raised SystemExit: 7"]),
    ("plan models.py:nothing --rules init.rules.yaml", 2, [], ["it gave a NoneType; expected a torch.nn.Module"]),
    ("plan models.py:number --rules init.rules.yaml", 2, [], ["TARGET 'models.py:number': it is 3; expected a class"]),
    ("plan models.py:needs --rules init.rules.yaml", 2, [], ["TypeError: needs() missing 1 required", "--arg name=value"]),
    ("plan models.py:build --rules init.rules.yaml --arg hiden=3", 2, [], ["unexpected keyword argument 'hiden'"]),
    ("plan models.py:build --rules init.rules.yaml --arg hidden", 2, [], ["--arg 'hidden': no key=value pair"]),
    ("plan models.py:build --rules init.rules.yaml --arg a=1 --arg a=2", 2, [], ["a is given twice"]),
    ("plan models.py:ready --rules init.rules.yaml --arg a=1", 2, [], ["an instance takes no --arg"]),
    ("plan models.py:build --rules init.rules.yaml --seed x", 2, [], ["'x' is no seed"]),
    ("plan models.py:build --rules init.rules.yaml --seed -1", 2, [], ["seed"]),
    ("check models.py:build --rules init.rules.yaml --weights none.safetensors", 2, [], ["no such file"]),
    ("apply models.py:build --rules init.rules.yaml", 2, [], ["-o"]),
    ("apply models.py:build --rules init.rules.yaml -o w.pt", 2, [], ["a .pt file; expected a name that ends in .safetensors"]),
    ("apply models.py:build --rules init.rules.yaml -o no/w.safetensors", 2, [], ["a folder that exists"]),
    ("apply models.py:build models.py:ready --rules init.rules.yaml -o w.safetensors", 2, [], ["2 are named"]),
    ("plan models.py:build --rules init.rules.yaml -o no/report.txt", 2, [], ["--output", "cannot be written"]),
    ("rules", 2, [], ["no rules are named"]),
    ("presets lstm-clasic", 2, [], ["preset 'lstm-clasic': unknown", "fix: write 'lstm-classic'"]),
    ("explain RNN999", 2, [], ["code 'RNN999': unknown"]),
    ("explain idle-rul", 2, [], ["fix: write 'idle-rule'"]),
    ("explain RNN101 --format yaml", 2, [], ["rnninit: usage:", "yaml"]),
]  # fmt: skip


@pytest.mark.parametrize(("words", "code", "out", "err"), CASES, ids=[case[0] or "(nothing)" for case in CASES])
def test_words_give_status_and_text(project, words, code, out, err):
    ran = project(*words.replace('"', "").split())
    assert ran.code == code, (ran.out, ran.err)
    flat_out, flat_err = (" ".join(text.split()) for text in (ran.out, ran.err))
    for fragment in out:
        assert fragment in ran.out or " ".join(fragment.split()) in flat_out
    for fragment in err:
        assert fragment in ran.err or " ".join(fragment.split()) in flat_err


@pytest.mark.parametrize("words", [case[0] for case in CASES if case[1] == 2])
def test_a_failure_speaks_with_one_voice_on_stderr_only(project, words):
    ran = project(*words.split())
    talk = ("a model file that talks", "a factory that talks", "acme")
    said = [line for line in ran.err.splitlines() if not line.startswith(talk)]
    assert ran.out == "" and said[0].startswith("rnninit: ")
    assert "Traceback" not in ran.err and "; " in said[0]


def test_traceback_is_shown_on_request(project):
    ran = project("plan", "models.py:broken", "--rules", "init.rules.yaml", "--traceback")
    assert ran.code == 2 and "Traceback" in ran.err and "in broken" in ran.err


def test_an_interrupt_is_130(project):
    ran = project("plan", "models.py:interrupted", "--rules", "init.rules.yaml")
    assert (ran.code, ran.out) == (130, "") and ran.err.endswith("rnninit: interrupted\n")
