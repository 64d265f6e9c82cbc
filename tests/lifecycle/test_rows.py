"""One test per hazard row, named after it; and the hook that comes to everybody's mind, which fails most of them."""

from __future__ import annotations

import pytest

from tests.lifecycle import rows_copies, rows_loads, rows_modes, rows_structure, rows_tools, rows_writes
from tests.lifecycle.judge import judge
from tests.lifecycle.table import ROWS, Row
from tests.lifecycle.ways import Naive, Ours

FAMILIES = (rows_copies, rows_loads, rows_modes, rows_structure, rows_tools, rows_writes)


def _test_of(row: Row):
    @pytest.mark.filterwarnings("ignore")  # of torch, about its older tools
    def test() -> None:
        assert judge(row, Ours()) is None

    return test


globals().update({f"test_row_{name}": _test_of(row) for name, row in ROWS.items()})


def test_every_row_has_a_test_and_every_family_has_rows():
    assert {f"test_row_{name}" for name in ROWS} == {name for name in globals() if name.startswith("test_row_")}
    assert all(any(row.deed.__module__ == family.__name__ for row in ROWS.values()) for family in FAMILIES)


@pytest.mark.filterwarnings("ignore")
def test_the_naive_hook_fails_most_rows(record_property):
    verdicts = {name: judge(row, Naive()) for name, row in ROWS.items()}
    failed = {name: verdict for name, verdict in verdicts.items() if verdict is not None}
    record_property("naive", f"fails {len(failed)} of {len(verdicts)} rows")
    print(f"\nthe naive hook fails {len(failed)} of {len(verdicts)} rows:")
    for name, verdict in failed.items():
        print(f"  {name}: {verdict}")
    print(f"and holds {', '.join(sorted(set(verdicts) - set(failed)))}")
    assert len(failed) >= 50
    assert {"load_whole", "data_copy", "pickled", "functional_call", "tied_part_first"} <= set(failed)
    assert len(failed) < len(verdicts), "a table that nobody passes proves nothing"
