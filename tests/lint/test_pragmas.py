"""Ignore comments silence with a reason, and are judged themselves."""

from __future__ import annotations

import pytest

from rnninit_hooks.lint.runner import chosen, lint_paths, lint_text

_LINE = "import torch\ngru = torch.nn.GRU(4, 8)\ntorch.nn.init.orthogonal_(gru.weight_hh_l0){}\n"

CASES = [
    ("", ["RNN302"]),
    ("  # rnninit: ignore[RNN302] the paper's own code does so", []),
    ("  # rnninit:ignore[RNN302] no blank", []),
    ("  # rnninit: ignore[RNN302, RNN307] one is unused", ["RNN322"]),
    ("  # rnninit: ignore[RNN302]", ["RNN302", "RNN321"]),
    ("  # rnninit: ignore[RNN303] another code", ["RNN302", "RNN322"]),
    ("  # rnninit: ignore[RNN999] no code", ["RNN302", "RNN322"]),
    ("  # rnninit: ignore[] nothing named", ["RNN302", "RNN322"]),
    ("  # rnninit: ignore RNN302 no bracket", ["RNN302"]),
    ("; x = '# rnninit: ignore[RNN302] inside a string'", ["RNN302"]),
]


@pytest.mark.parametrize(("comment", "codes"), CASES)
def test_a_comment_silences_its_line(comment, codes):
    assert [finding.code for finding in lint_text(_LINE.format(comment))] == codes


def test_what_is_silenced_is_kept_with_its_reason(tmp_path):
    (tmp_path / "a.py").write_text(_LINE.format("  # rnninit: ignore[RNN302] the paper's own code does so"))
    (tmp_path / "b.py").write_text(_LINE.format("  # rnninit: ignore[RNN302]"))
    outcome = lint_paths([tmp_path])
    assert [(one.code, one.place.file, why) for one, why in outcome.ignored] == [
        ("RNN302", str(tmp_path / "a.py"), "the paper's own code does so")
    ]  # fmt: skip
    assert outcome.counts == {"errors": 0, "warnings": 2, "infos": 0, "ignored": 1, "baselined": 0, "stale": 0}


def test_a_comment_on_another_line_silences_nothing():
    text = "# rnninit: ignore[RNN302] above\n" + _LINE.format("")
    assert [(finding.code, finding.place.line) for finding in lint_text(text)] == [("RNN322", 1), ("RNN302", 4)]


def test_a_code_that_is_not_judged_leaves_its_comment_alone():
    text = _LINE.format("  # rnninit: ignore[RNN302] why")
    assert lint_text(text, codes=chosen(["RNN303", "RNN322"])) == ()
