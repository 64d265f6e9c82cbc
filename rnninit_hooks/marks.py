"""Marks on modules and parameters: ours while something is pending, those of other libraries on what must be kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rnninit_hooks.anatomy import Member
from rnninit_hooks.findings import CODES, Finding
from rnninit_hooks.report.words import count
from rnninit_hooks.rows import Status

if TYPE_CHECKING:
    from torch import nn

PENDING = "_rnninit_pending"
GUEST = "_rnninit_guest"
_LOADED = "_is_hf_initialized"  # transformers sets it on every parameter that a checkpoint brought
_KEPT = "_no_reinit"  # mamba_ssm sets it on parameters such as the bias of dt_proj


def marked(member: Member) -> Status | None:
    """`loaded` or `keep` when one of the tensors behind a parameter says so, else None."""
    stored = member.door.stored(member.owner, member.leaf)
    if any(getattr(tensor, _KEPT, False) is True for tensor in stored):
        return "keep"
    return "loaded" if any(getattr(tensor, _LOADED, False) is True for tensor in stored) else None


def unwritten(model: nn.Module) -> Iterator[Finding]:
    """RNN119 when an initialisation is still pending, so that whoever looks at the numbers knows what they are worth."""
    waiting = [path or "(root)" for path, module in model.named_modules() if PENDING in module.__dict__]
    if waiting:
        yield Finding(
            "RNN119", f"an initialisation is pending on {count(len(waiting), 'module')}; it has not written what is there now",
            CODES["RNN119"].level, address=waiting[0], expected="a model whose first forward has run",
            fix="call ri.materialize(model) before, or run one forward",
        )  # fmt: skip
