"""`rnninit recipes`: the whole catalogue, one recipe, and a name that is none."""

from __future__ import annotations

import json

import pytest

from rnninit_hooks.cli import main
from rnninit_hooks.recipes.registry import recipes


def test_every_recipe_is_listed_with_formula_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for kind, one in recipes().items():
        assert f"{kind} " in text
        assert one.formula.split()[0] in text and one.source.split()[0] in text


def test_one_recipe_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "chrono", "orthogonal", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["recipes"]
    assert [(one["kind"], one["fields"]) for one in found] == [("chrono", {"t_max": "required"}), ("orthogonal", {"gain": 1.0})]


def test_an_unknown_kind_could_not_be_judged(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "orthogonl"]) == 2
    assert "write 'orthogonal'" in capsys.readouterr().err
