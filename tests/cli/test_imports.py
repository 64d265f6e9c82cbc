"""What a command does not need it does not import."""

from __future__ import annotations

import subprocess
import sys

import pytest

_CODE = """
import sys
from rnninit_hooks.cli import main
code = main(sys.argv[2:])
woken = [name for name in sys.argv[1].split(",") if name in sys.modules]
sys.exit(f"woke {woken}" if woken else code)
"""


@pytest.mark.parametrize(
    ("words", "asleep"),
    [
        ("--version", "torch,rich,pydantic,yaml,numpy"),
        ("explain RNN101", "torch,rich,pydantic,yaml,numpy"),
        ("explain", "torch,pydantic,yaml,numpy"),
        ("presets", "torch,numpy"),
        ("presets lstm-classic", "torch,rich,numpy"),
        ("schema", "torch,rich,numpy"),
        ("rules init.rules.yaml", "torch,numpy"),
        ("lint models.py --select RNN311 --format json", "torch,numpy,rich,pydantic,yaml"),
        ("plan models.py:build --rules init.rules.yaml --format json", "rich"),
        ("apply models.py:build --rules init.rules.yaml -o w.safetensors --format json", "rich"),
    ],
)
def test_asleep_stays_asleep(project, words, asleep):
    ran = subprocess.run([sys.executable, "-c", _CODE, asleep, *words.split()], capture_output=True, text=True, check=False)
    assert (ran.returncode, "woke" in ran.stderr) == (0, False), ran.stderr


def test_a_bad_rule_file_wakes_no_torch_even_for_plan(project):
    words = ["plan", "models.py:build", "--rules", "bad.yaml"]
    ran = subprocess.run([sys.executable, "-c", _CODE, "torch", *words], capture_output=True, text=True, check=False)
    assert ran.returncode == 2 and "woke" not in ran.stderr
