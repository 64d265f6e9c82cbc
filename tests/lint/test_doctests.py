"""Every example in a docstring of the lint runs."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize("module", ["arithmetic", "events", "outline", "parameters", "runner"])
def test_examples_run(module):
    result = doctest.testmod(importlib.import_module(f"rnninit_hooks.lint.{module}"))
    assert result.attempted > 0 and result.failed == 0
