"""Every example in a docstring runs, and every public recipe has one."""

from __future__ import annotations

import doctest
import importlib

import pytest

from rnninit_hooks.recipes.registry import recipes

from .test_imports import STRUCTURED


@pytest.mark.parametrize("module", ["registry", "draws", "fills", "memory", "iid", "scaled", "orthogonal", "matrices", "data", *STRUCTURED])
def test_examples_run(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"rnninit_hooks.recipes.{module}"))
    assert result.attempted > 0 and result.failed == 0


@pytest.mark.parametrize("kind", sorted(recipes()))
def test_every_recipe_says_what_it_is(kind: str) -> None:
    cls = recipes()[kind]
    assert cls.kind == kind
    assert ">>>" in (cls.__doc__ or "")
    assert cls.formula and "\n" not in cls.formula and cls.source and "\n" not in cls.source
