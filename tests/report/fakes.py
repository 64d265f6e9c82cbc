"""Rows and reports as the engine makes them, without a model."""

from __future__ import annotations

from typing import Any

from rnninit_hooks.findings import Finding, Place
from rnninit_hooks.rows import FactTable, Report, Row, SlotFacts

FILE = "init.rules.yaml"
GATES = ("input", "forget", "cell", "output")


def row(name: str = "weight_hh_l0", gate: str | None = None, module: str = "encoder.rnn", **facts: Any) -> Row:
    parameter = f"{module}.{name}" if module else name
    address = f"{parameter}[{gate}]" if gate else parameter
    known: dict[str, Any] = {
        "type": "LSTM", "shape": (256, 256), "dtype": "float32", "status": "write", "kind": "recurrent",
        "rule": "recurrent-orthogonal", "recipe": "orthogonal(gain=1.0)", "place": Place(FILE, 5, 5),
    }  # fmt: skip
    return Row(address, parameter, module, gate=gate, **(known | facts))


def lstm_rows(module: str = "encoder.rnn", **facts: Any) -> tuple[Row, ...]:
    weights = [row("weight_hh_l0", gate, module, **facts) for gate in GATES]
    bias = {"kind": "bias", "shape": (256,), "rule": "biases", "recipe": "zeros()", "place": Place(FILE, 9, 5)}
    opened = bias | {"rule": "forget-open", "recipe": "constant(value=1.0)", "place": Place(FILE, 12, 5)}
    biases = [row("bias_l0", gate, module, **(facts | (opened if gate == "forget" else bias))) for gate in GATES]
    return (*weights, *biases)


def untouched(name: str, module: str = "head", **facts: Any) -> Row:
    blank = {"status": "untouched", "kind": None, "rule": None, "recipe": None, "place": None, "type": "Linear"}
    return row(name, None, module, **(blank | facts))


def broken(address: str, **facts: Any) -> Finding:
    known: dict[str, Any] = {
        "rule": "recurrent-orthogonal", "place": Place(FILE, 5, 5), "expected": "singular values 1",
        "fix": "apply the policy (ri.apply), or change the rule if the model is right",
    }  # fmt: skip
    return Finding("RNN201", facts.pop("message", "breaks orthogonal(gain=1.0)"), address=address, **(known | facts))


def report(*rows: Row, verb: Any = "plan", **facts: Any) -> Report:
    return Report(verb, rows, **facts)


def facts(name: str, gate: str | None = None, module: str = "rnn", **numbers: Any) -> SlotFacts:
    parameter = f"{module}.{name}" if module else name
    known: dict[str, Any] = {"mean": -0.00123456, "std": 0.123456, "min": -0.987654, "max": 0.987654}
    address = f"{parameter}[{gate}]" if gate else parameter
    return SlotFacts(address, parameter, module, "LSTM", (256, 256), "float32", gate=gate, **(known | numbers))


def lstm_facts() -> FactTable:
    spectrum = {"spectral_radius": 1.0, "singular_max": 1.0, "singular_min": 0.999999, "orthogonality": 1.23456e-07}
    bias = {"kind": "bias", "effective_bias": 1.0}
    keeping = bias | {"retention": 0.7310586, "time_constant": 3.718282}
    weights = [facts("weight_hh_l0", gate, kind="recurrent", **spectrum) for gate in GATES]
    biases = [facts("bias_l0", gate, **(keeping if gate == "forget" else bias)) for gate in GATES]
    return FactTable((*weights, *biases))
