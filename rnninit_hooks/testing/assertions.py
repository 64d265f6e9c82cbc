"""One assertion for test suites, and a fingerprint of everything that an initialisation may not change by accident."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from rnninit_hooks.checking import check

if TYPE_CHECKING:
    from rnninit_hooks.rules.models import Policy


def assert_obeys(model: nn.Module, policy: Policy | str | Path) -> None:
    """Fail with the printed report when a model does not obey a policy.

    >>> import torch, rnninit_hooks as ri
    >>> from rnninit_hooks.testing import assert_obeys
    >>> gru = torch.nn.GRU(3, 4)
    >>> _ = ri.apply(gru, "gru-classic")
    >>> assert_obeys(gru, "gru-classic")
    """
    report = check(model, policy)
    if not report.ok:
        raise AssertionError(str(report))


def fingerprint(model: nn.Module) -> dict[str, tuple[object, ...]]:
    """Identity, dtype, device, strides and `requires_grad` of every parameter, by name."""
    named = model.named_parameters(remove_duplicate=False)
    return {
        name: (id(p), p.dtype, p.device, p.stride(), p.requires_grad, p.is_leaf, p.grad_fn, type(p))
        for name, p in named
        if isinstance(p, torch.Tensor)
    }
