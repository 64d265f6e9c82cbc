"""Marks that other libraries leave on a parameter: it was loaded, or its class gave it a value that matters."""

from __future__ import annotations

from rnninit_hooks.anatomy import Member
from rnninit_hooks.rows import Status

_LOADED = "_is_hf_initialized"  # transformers sets it on every parameter that a checkpoint brought
_KEPT = "_no_reinit"  # mamba_ssm sets it on parameters such as the bias of dt_proj


def marked(member: Member) -> Status | None:
    """`loaded` or `keep` when one of the tensors behind a parameter says so, else None."""
    stored = member.door.stored(member.owner, member.leaf)
    if any(getattr(tensor, _KEPT, False) is True for tensor in stored):
        return "keep"
    return "loaded" if any(getattr(tensor, _LOADED, False) is True for tensor in stored) else None
