"""`rnninit layouts`, `--layouts` and `--probe`, as a user meets them."""

from __future__ import annotations

import json

import pytest

from rnninit_hooks.cli import main
from rnninit_hooks.layouts import registry

CELLS = '''
import torch
from torch import nn


class OddCell(nn.Module):
    """Two Linears, g i f o, and forward adds 1 to forget."""

    def __init__(self, size=6, hidden=8):
        super().__init__()
        self.inp, self.rec = nn.Linear(size, 4 * hidden), nn.Linear(hidden, 4 * hidden, bias=False)

    def forward(self, x, state):
        h, c = state
        g, i, f, o = (self.inp(x) + self.rec(h)).chunk(4, -1)
        c = torch.sigmoid(f + 1) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


def build():
    return nn.ModuleDict({"odd": OddCell(), "rnn": nn.LSTM(16, 32)})


def known():
    return nn.LSTM(3, 4)
'''
RULES = """
version: 1
untouched: allow
rules:
  - {id: keep, match: {kind: bias, gate: retain}, init: {kind: retention, value: 0.9}}
"""


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    (tmp_path / "cells.py").write_text(CELLS, encoding="utf-8")
    (tmp_path / "init.rules.yaml").write_text(RULES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    registry.layouts()
    monkeypatch.setattr(registry, "_BY_NAME", dict(registry._BY_NAME))
    monkeypatch.setattr(registry, "_BY_CLASS", dict(registry._BY_CLASS))
    return tmp_path


def test_registered_layouts_are_listed(capsys):
    assert main(["layouts"]) == 0
    assert "torch.GRU  reset, update, new  (torch.nn.modules.rnn.GRU)" in capsys.readouterr().out


def test_a_target_shows_what_is_known_and_what_is_proposed(capsys):
    assert main(["layouts", "cells.py:build"]) == 1
    out = capsys.readouterr().out
    assert "odd  OddCell  proposed by probing" in out and "inp.weight: cell, input, forget, output (axis 0)" in out
    assert "forward adds +1 to forget" in out and "rnn  LSTM  layout torch.LSTM" in out and "RNN108" in out
    assert main(["layouts", "cells.py:known"]) == 0


def test_json_holds_the_same(capsys):
    main(["layouts", "cells.py:build", "--format", "json"])
    modules = json.loads(capsys.readouterr().out)["reports"][0]["modules"]
    odd = next(module for module in modules if module["module"] == "odd")
    assert odd["proposed"] and odd["layout"]["polarity"] == {"forget": 1} and odd["layout"]["constant"] == {"forget": 1.0}
    assert odd["layout"]["order"]["rec.weight"] == ["cell", "input", "forget", "output"]


def test_a_proposal_written_registered_and_obeyed(project, capsys):
    assert main(["layouts", "cells.py:build", "--write", "odd.layouts.yaml"]) == 1
    assert main(["layouts", "cells.py:build", "--write", "odd.layouts.yaml"]) == 2
    assert "exists already" in capsys.readouterr().err
    (project / "pyproject.toml").write_text('[tool.rnninit]\nlayouts = ["odd.layouts.yaml"]\nrules = "init.rules.yaml"\n')
    assert main(["apply", "cells.py:build", "-o", "w.safetensors"]) == 0
    assert main(["check", "cells.py:build", "--weights", "w.safetensors", "--probe"]) == 0
    capsys.readouterr()
    assert main(["plan", "cells.py:build"]) == 0
    assert "inp.bias" in capsys.readouterr().out
    assert main(["layouts", "cells.py:build"]) == 0


def test_registration_code_can_be_written(project):
    assert main(["layouts", "cells.py:build", "--write", "odd.py"]) == 1
    text = (project / "odd.py").read_text(encoding="utf-8")
    exec(text, {})
    assert any(name.endswith("OddCell") for name in registry.layouts())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["layouts", "cells.py:known", "--write", "a.yaml"], "nothing is proposed"),
        (["layouts", "cells.py:build", "--write", "a.txt"], "no such format"),
        (["plan", "cells.py:known", "--rules", "init.rules.yaml", "--layouts", "none.yaml"], "RNN001"),
    ],
)
def test_misuse_is_said(words, said, capsys):
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_inspect_probe_prints_memory_and_findings(capsys):
    assert main(["inspect", "cells.py:build", "--probe"]) == 1
    out = capsys.readouterr().out
    assert "rnn layer 0 forward" in out and "of its state in a step" in out and "RNN108" in out
    assert main(["inspect", "cells.py:known", "--probe", "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)["reports"][0]
    assert report["memory"][0]["layer"] == 0 and report["findings"][0]["code"] == "RNN212"


def test_plan_probe_proposes(capsys):
    main(["plan", "cells.py:build", "--rules", "init.rules.yaml", "--probe"])
    assert "probing proposes" in capsys.readouterr().out
