"""The one door that `torch.jit.script` opens before it looks at hooks: `__prepare_scriptable__`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

ATTRIBUTE = "__prepare_scriptable__"
Settle = Callable[[nn.Module], None]


def offer(module: nn.Module, settle: Settle) -> None:
    """Let a pending module settle when it is scripted; torch could not compile its hooks."""
    if not hasattr(module, ATTRIBUTE):
        module.__dict__[ATTRIBUTE] = partial(_settled, settle, module)


def withdraw(module: nn.Module) -> None:
    """Take the door away again."""
    found = module.__dict__.get(ATTRIBUTE)
    if isinstance(found, partial) and found.func is _settled:
        del module.__dict__[ATTRIBUTE]


def _settled(settle: Settle, module: nn.Module) -> nn.Module:
    settle(module)
    return module
