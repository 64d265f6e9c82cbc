"""A small project for pytest inside pytest: models that obey, disobey, wait, raise; a rule file; the plugin."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

import rnninit_hooks as ri

MODELS = """
import torch, rnninit_hooks as ri
from torch import nn

def good():
    model = nn.LSTM(8, 8)
    ri.apply(model, "init.rules.yaml")
    return model

def shut():
    model = good()
    with torch.no_grad():
        model.bias_ih_l0[8:16] = 0
    return model

def doubled():
    return nn.ModuleDict({"rnn": good(), "more": nn.GRU(8, 8)})

def pending():
    model = nn.LSTM(8, 8)
    ri.attach(model, "init.rules.yaml")
    return model

def raises():
    raise ValueError("no weights today")
"""
RULES = """\
version: 1
rules:
  - id: weights-orthogonal
    match: {kind: [input, recurrent]}
    init: {kind: orthogonal}
  - id: bias-zero
    match: {kind: bias}
    init: {kind: zeros}
  - id: forget-open
    match: {module: LSTM, kind: bias, gate: forget}
    init: {kind: constant, value: 1.0}
    why: 'Gers 2000'
  - id: projection
    match: {kind: projection}
    init: {kind: zeros}
    idle: allow
"""
INI = '[tool.rnninit]\nrules = "init.rules.yaml"\ntargets = {targets}\n[tool.pytest.ini_options]\n{more}\n'


def plugin_words() -> tuple[str, ...]:
    """Nothing where the package is installed; its entry point loads the plugin then."""
    installed = any(point.value == "rnninit_hooks.pytest_plugin" for point in entry_points(group="pytest11"))
    return () if installed else ("-p", "rnninit_hooks.pytest_plugin")


class Suite:
    """The folder, and pytest in it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        pytester.makepyfile(models=MODELS)
        self.write("init.rules.yaml", RULES)

    def write(self, name: str, text: str) -> None:
        path = self.pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def configure(self, *targets: str, more: str = "rnninit = true") -> None:
        self.write("pyproject.toml", INI.format(targets=[*targets], more=more))

    def __call__(self, *words: str) -> pytest.RunResult:
        words = (*plugin_words(), "-p", "no:cacheprovider", "-p", "no:randomly", *words)
        return self.pytester.runpytest_inprocess(*words)

    def apart(self, *words: str) -> pytest.RunResult:
        return self.pytester.runpytest_subprocess(*plugin_words(), *words)


@pytest.fixture(scope="session")
def _awake():
    """What a run inside imports would be forgotten after it, and torch cannot be imported twice."""
    import rnninit_hooks.cli.commands
    import rnninit_hooks.hooks
    import rnninit_hooks.pytest_plugin.items
    import rnninit_hooks.pytest_plugin.summary
    import rnninit_hooks.pytest_plugin.verdict  # noqa: F401

    ri.check(__import__("torch").nn.LSTM(2, 2), "lstm-classic")


@pytest.fixture
def suite(_awake, pytester, monkeypatch) -> Suite:
    for name in ("RNNINIT_RULES", "RNNINIT_FORMAT", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    return Suite(pytester)
