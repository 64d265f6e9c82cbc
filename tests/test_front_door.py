"""The public names resolve, agree with what type checkers see, cost nothing until used; every docstring's example runs."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import rnninit_hooks as ri

PACKAGE = Path(ri.__file__).parent
# These need extras: test_real_training and test_trackers import them and run their examples.
EXTRAS = ("lightning", "transformers", "wandb", "mlflow", "tensorboard")
ELSEWHERE = ("__main__", *(f"integrations.{name}" for name in EXTRAS))
MODULES = sorted(m.name for m in pkgutil.walk_packages([str(PACKAGE)], "rnninit_hooks.") if not m.name.endswith(ELSEWHERE))


def test_every_public_name_resolves_and_is_listed():
    assert set(ri.__all__) <= set(dir(ri))
    for name in ri.__all__:
        assert getattr(ri, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'plans'"):
        ri.plans  # noqa: B018


def test_type_checkers_see_the_same_names_from_the_same_homes():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == ri._HOME_OF


def test_no_public_name_is_hidden_by_a_submodule():
    for module in MODULES:
        importlib.import_module(module)
    submodules = {name.split(".")[1] for name in MODULES}
    assert not submodules & set(ri.__all__)


def test_importing_the_package_and_reading_rules_wakes_no_torch():
    code = (
        "import sys, rnninit_hooks as ri\n"
        "policy = ri.preset('lstm-classic')\n"
        "ri.json_schema()\n"
        "assert policy.rules and not {'torch', 'numpy', 'rich'} & set(sys.modules), sorted(sys.modules)\n"
        "print('asleep')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "asleep", done.stderr


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_the_docstrings_run(module):
    result = doctest.testmod(importlib.import_module(module))
    assert result.failed == 0


def test_the_public_functions_have_examples():
    finder = doctest.DocTestFinder(recurse=False)
    verbs = [
        "plan",
        "apply",
        "attach",
        "materialize",
        "check",
        "inspect",
        "initialized",
        "enforced",
        "register_layout",
        "recipe",
    ]
    for name in [*verbs, "load", "loads", "preset"]:
        assert any(found.examples for found in finder.find(getattr(ri, name))), f"ri.{name} has no example"
