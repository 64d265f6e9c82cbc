"""A sample of the inputs of `python -m tests.fuzz`: every one gets a clean answer."""

from __future__ import annotations

import pytest

from tests.fuzz import runner


def judged(kind: str, inputs: int, seed: int) -> runner.Tally:
    tally = runner.run(kind, inputs, seed)
    assert not tally.crashes, f"{tally.crashes[0][0]!r}\n{tally.crashes[0][1]}"
    return tally


@pytest.mark.parametrize("kind", runner.KINDS)
def test_odd_inputs_get_clean_answers(kind):
    tally = judged(kind, 1500, 0)
    assert 0 < tally.refused < tally.inputs, "some are refused and some are not, or the generator is of no use"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("kind", runner.KINDS)
def test_many_odd_inputs_get_clean_answers(kind, seed):
    judged(kind, 8_000, seed)


def test_a_crash_is_counted_with_its_input(monkeypatch):
    def broken(raw: bytes) -> bool:
        if len(raw) % 2:
            raise KeyError("broken")
        return False

    monkeypatch.setitem(runner.KINDS, "rules", (runner.rule_file, broken))
    tally = runner.run("rules", 60, 0)
    assert 0 < len(tally.crashes) < 60 and all(len(raw) % 2 and "KeyError" in trace for raw, trace in tally.crashes)


def test_an_input_can_be_made_again_from_its_number():
    first, second = ([make(runner.Random(f"{kind} 3 7")) for kind, (make, _) in runner.KINDS.items()] for _ in range(2))
    assert first == second
