"""Every defect that people make, put into a clean file: found in the source by the lint, or in the model by `check` or a probe."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

import rnninit_hooks as ri
from rnninit_hooks.lint.runner import lint_text
from tests.lint.seeds import SEEDS, Seed

CRASH = None
FOUND: dict[str, tuple[str, str | None, str | None]] = {
    # defect: found by the lint, by `ri.check` with a fitting policy, by `ri.inspect(probe=True)` without one
    "clean LSTM": ("", "", ""),
    "clean GRU": ("", "", ""),
    "clean half and half": ("", "", ""),
    "D1 dead name test": ("RNN301", "RNN202", "RNN212"),
    "D3 doubled": ("RNN303", "RNN202", "RNN208"),
    "D3 doubled through all_weights": ("RNN303", "RNN202", "RNN208"),
    "D4 partner left at default": ("RNN317", "RNN202", ""),
    "D5 layer 0 only": ("RNN304", "RNN202 RNN204", "RNN209"),
    "D6 reverse missed": ("RNN306", "RNN202 RNN204", "RNN209"),
    "D7 stacked orthogonal": ("RNN302", "RNN203", "RNN203"),
    "D8 stacked Xavier": ("RNN307", "RNN203", ""),
    "D9 stacked identity": ("RNN314", "RNN203", ""),
    "D9 unit draws": ("RNN315", "RNN201", ""),
    "D10 wrong slot": ("RNN318", "RNN202", "RNN210 RNN212"),
    "D11 wrong polarity": ("", "RNN202", "RNN211"),
    "D12 quarters on a GRU": ("RNN308", "RNN202", "RNN209"),
    "D12 four gates on a GRU": ("RNN308", "RNN201", ""),
    "D13 chrono on both": ("RNN303", "RNN202", ""),
    "D14 in-place on a view": ("RNN309", CRASH, CRASH),
    "D14 lost copy": ("RNN310", "", ""),
    "D15 four names for all_weights": ("RNN311", CRASH, CRASH),
    "D16 projection forgotten": ("", "RNN201", ""),
    "D17 no bias": ("RNN316", CRASH, CRASH),
    "D18 norm weights drawn": ("RNN312", CRASH, CRASH),
    "D18 norm weights zeroed": ("RNN312", "RNN201 RNN202", "RNN212"),
    "D20 init after load": ("RNN305", "RNN201 RNN202 RNN203", "RNN212"),
    "D20 a second init": ("RNN307", "RNN201", "RNN203"),
    "D23 a prefix that never is": ("RNN301", "RNN201", ""),
    "D24 a new Parameter": ("RNN313", "RNN202 RNN204", "RNN208 RNN209"),
    "D27 copied gates": ("", "RNN213", ""),
    "D29 nothing at all": ("", "RNN201 RNN202 RNN203", "RNN212"),
}
POLICY = """
version: 1
extends: builtin:{cell}-classic
untouched: allow
rules:
  - {{id: norm, match: {{module: LayerNorm, parameter: 'weight$'}}, init: {{kind: ones}}}}
  - {{id: open, match: {{module: [LSTM, GRU], kind: bias, gate: retain}}, init: {{kind: constant, value: 1.0}}, idle: allow}}
"""
EACH = pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)


def codes(findings) -> str:
    return " ".join(sorted({finding.code for finding in findings}))


def built(seed: Seed) -> nn.Module:
    space = {"init_weights": lambda module: module.reset_parameters()}
    torch.manual_seed(0)
    exec(compile(seed.source, seed.name, "exec"), space)
    return space["Net"]()


def test_every_seed_has_its_row_and_every_defect_is_found_by_somebody():
    assert list(FOUND) == [seed.name for seed in SEEDS]
    assert all(any(row) != name.startswith("clean") for name, row in FOUND.items())


@EACH
def test_the_lint_finds_what_the_table_says_and_nothing_else(seed):
    assert codes(lint_text(seed.source)) == FOUND[seed.name][0]


@EACH
def test_the_built_model_has_what_the_table_says_and_nothing_else(seed):
    _, check, probe = FOUND[seed.name]
    if check is CRASH:
        with pytest.raises((RuntimeError, ValueError, AttributeError), match=seed.crashes):
            built(seed)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = built(seed)
    assert codes(ri.check(model, ri.loads(POLICY.format(cell=seed.cell.lower()))).findings) == check
    assert codes(ri.inspect(model, probe=True).findings) == probe
