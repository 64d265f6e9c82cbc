"""Marks on modules and parameters: ours while something is pending, those of other libraries on what must be kept."""

from __future__ import annotations

from rnninit_hooks.anatomy import Member
from rnninit_hooks.rows import Status

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
