"""Every broken rule file of the reader's own table, seen through the command line."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

_TABLE = Path(__file__).parents[1] / "rules" / "table.py"
_SPEC = importlib.util.spec_from_file_location("rnninit_rules_table", _TABLE)
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)
BROKEN = _MODULE.BROKEN


@pytest.mark.parametrize(("name", "content", "places"), BROKEN, ids=[case[0] for case in BROKEN])
def test_each_problem_is_printed_with_file_line_and_column(project, name, content, places):
    (project.folder / "broken.yaml").write_bytes(content)
    judged = project("rules", "broken.yaml")
    refused = project("plan", "models.py:build", "--rules", "broken.yaml")
    assert (judged.code, refused.code) == (1, 2)
    for code, line, column in places:
        assert f"broken.yaml:{line}:{column}: {code} " in judged.out
        assert f"broken.yaml:{line}:{column}: {code} " in refused.err
