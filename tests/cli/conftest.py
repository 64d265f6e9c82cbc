"""A small project in a folder of its own: models, rule files, and a way to call the command in it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rnninit_hooks.cli import main

_ROOT = str(Path(__file__).parents[2])
MODELS = """
import os
import sys
import torch
from torch import nn

print("a model file that talks while it is imported")

class Tagger(nn.Module):
    def __init__(self, hidden=16, layers=1, cell="LSTM", bias=True):
        super().__init__()
        self.embed = nn.Embedding(10, 8)
        self.rnn = getattr(nn, cell)(8, hidden, num_layers=layers, bias=bias)
        self.head = nn.Linear(hidden, 10)

class Nested:
    class Inner(Tagger):
        pass

def build(**keywords):
    print("a factory that talks")
    return Tagger(**keywords)

def linear():
    return nn.Linear(4, 4)

def tied():
    model = nn.Module()
    model.embed = nn.Embedding(10, 16)
    model.rnn = nn.LSTM(16, 16)
    model.head = nn.Linear(16, 10, bias=False)
    model.head.weight = model.embed.weight
    return model

def broken():
    raise RuntimeError("no weights today")

def leaves():
    sys.exit(7)

def interrupted():
    raise KeyboardInterrupt

def nothing():
    return None

def needs(size):
    return nn.LSTM(size, size)

def poisoned():
    model = nn.LSTM(4, 4)
    with torch.no_grad():
        model.weight_hh_l0[0, 0] = float("nan")
    return model

def stacked():
    model = nn.LSTM(16, 16)
    nn.init.orthogonal_(model.weight_hh_l0)
    return model

def many():
    return nn.ModuleDict({f"a_rather_long_name_for_block_{i}": Tagger(layers=2) for i in range(3)})

ready = nn.LSTM(4, 4)
number = 3
"""
RULES = """\
version: 1
seed: 3
untouched: allow
rules:
  - id: recurrent-orthogonal
    match: {kind: recurrent}
    init: {kind: orthogonal, gain: 1.0}
    why: 'Saxe 2014, per gate'
  - id: forget-open
    match: {kind: bias, gate: retain}
    init: {kind: constant, value: 1.0}
    idle: allow
"""
IDLE = """\
version: 1
untouched: allow
rules:
  - id: never
    match: {parameter: 'forget_gate'}
    init: {kind: zeros}
"""
BAD = """\
version: 1
rules:
  - id: a
    match: {kind: recurrent}
    init: {kind: ortogonal}
  - id: b
    match: {parameter: 'x(', kimd: bias}
    init: {kind: zeros}
"""
WARNS = RULES.replace("untouched: allow\n", "")


@dataclass(frozen=True)
class Ran:
    """What a call gave."""

    code: int
    out: str
    err: str


class Project:
    """The folder, and `rnninit` in it."""

    def __init__(self, folder: Path, capsys: Any) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *argv: str) -> Ran:
        self._capsys.readouterr()
        code = main(list(argv))
        captured = self._capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path


@pytest.fixture
def project(tmp_path, capsys, monkeypatch):
    for name in ("RNNINIT_RULES", "RNNINIT_FORMAT", "RNNINIT_FAIL_ON", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]))
    known, path = set(sys.modules), list(sys.path)
    own = Project(tmp_path, capsys)
    files = {"models.py": MODELS, "init.rules.yaml": RULES, "idle.yaml": IDLE, "bad.yaml": BAD, "warns.yaml": WARNS}
    for name, text in files.items():
        own.write(name, text)
    own.write("acme/__init__.py", "")
    own.write("acme/nets.py", "from models import *\nimport models\nprint('acme')\n")
    own.write("acme/half.py", "import a_package_that_nobody_has\n")
    own.write("acme/wrong.py", "raise ValueError('at import')\n")
    yield own
    assert sys.path == path, "a command must leave sys.path as it was"
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]
