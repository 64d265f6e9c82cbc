"""Say, apply, see and enforce how PyTorch modules are initialised, gate by gate.

Names resolve on first use (PEP 562), so that reading rules never wakes torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "rnninit_hooks.errors": (
        "AddressError", "PendingInit", "PolicyError", "RegistrationError", "RnnInitError", "RnnInitWarning",
        "RuleFileError", "WriteError",
    ),
    "rnninit_hooks.findings": ("CODES", "Code", "Finding", "Place"),
    "rnninit_hooks.rows": ("FactTable", "Report", "Row", "SlotFacts"),
    "rnninit_hooks.rules.models": ("Allow", "Match", "Policy", "Rule"),
    "rnninit_hooks.rules.load": ("load", "loads", "preset"),
    "rnninit_hooks.rules.schema": ("json_schema",),
    "rnninit_hooks.recipes.base": ("Block", "Breach", "Draw", "Recipe"),
    "rnninit_hooks.recipes.registry": ("recipe",),
    "rnninit_hooks.recipes.fills": ("Constant", "Identity", "Keep", "Ones", "Zeros"),
    "rnninit_hooks.recipes.iid": ("HiddenUniform", "Normal", "TruncNormal", "Uniform"),
    "rnninit_hooks.recipes.scaled": (
        "KaimingNormal", "KaimingUniform", "LecunNormal", "LecunUniform", "XavierNormal", "XavierUniform",
    ),
    "rnninit_hooks.recipes.orthogonal": ("Orthogonal",),
    "rnninit_hooks.layouts.model": ("Layout", "Part"),
    "rnninit_hooks.layouts.registry": ("register_layout",),
    "rnninit_hooks.address": ("Address",),
    "rnninit_hooks.planning": ("Plan", "plan"),
    "rnninit_hooks.applying": ("apply",),
    "rnninit_hooks.checking": ("check",),
    "rnninit_hooks.inspection": ("inspect",),
    "rnninit_hooks.hooks": ("Handle", "attach", "enforced", "initialized", "materialize"),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = ["__version__", *sorted(_HOME_OF)]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
