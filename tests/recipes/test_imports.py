"""Reading rules wakes neither torch nor numpy: every recipe file but the sampler imports without them."""

from __future__ import annotations

import subprocess
import sys

import pytest

STRUCTURED = [
    "vectors", "sparse", "spectral", "rotations", "reflections", "structured", "convolutional", "joint_orthogonal", "horizons",
    "retained", "rings", "state_spaces", "hippo", "decays", "heads", "pretrained", "truncated", "frameworks", "data",
]  # fmt: skip


def fresh(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize("module", ["base", "registry", "laws", "fills", "memory", "iid", "scaled", "orthogonal", "matrices", "targets", "checkpoints", *STRUCTURED])
def test_importing_wakes_no_torch(module: str) -> None:
    code = f"import sys, rnninit_hooks.recipes.{module}; print([m for m in ('torch', 'numpy') if m in sys.modules])"
    assert fresh(code) == "[]"


def test_finding_building_printing_and_refusing_wakes_no_torch() -> None:
    code = (
        "import sys\nfrom rnninit_hooks.recipes.registry import find, recipes\nfrom rnninit_hooks.recipes.base import Block\n"
        "print(find('orthogonal')(gain=0.5), find('xavier_uniform')().refuse(Block('a', (3,))) is not None, len(recipes()) >= 50)\n"
        "[cls.model_json_schema() for cls in recipes().values()]\n"
        "print([m for m in ('torch', 'numpy') if m in sys.modules])"
    )
    assert fresh(code).splitlines() == ["orthogonal(gain=0.5) True True", "[]"]


def test_the_sampler_does_wake_torch() -> None:
    assert fresh("import sys, rnninit_hooks.recipes.draws; print('torch' in sys.modules)") == "True"
