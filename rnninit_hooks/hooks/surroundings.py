"""Where a forward must not initialise: replicas, tracing, export, functional transforms, fake tensors, graph capture."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def hostile(module: nn.Module) -> str | None:
    """Why this forward can neither initialise nor run truthfully, or None."""
    for wrong, reason in (
        (getattr(module, "_is_replica", False), "this is a DataParallel replica, whose parameters are copies"),
        (_exporting(), "the model is being exported, and the initialisation would be baked into the graph"),
        (torch._C._get_tracing_state() is not None, "the model is being traced by torch.jit"),
        (_transformed(), "a functional transform (torch.func) is running"),
        (_capturing(), "a CUDA graph is being captured, which would replay the initialisation"),
    ):
        if wrong:
            return reason
    return None


def faked() -> bool:
    """True under FakeTensorMode, where nothing real can be written."""
    return type(torch.empty(0, device="cpu")) is not Tensor


def _exporting() -> bool:
    exporting = getattr(torch.compiler, "is_exporting", None)
    return bool(exporting and exporting())


def _transformed() -> bool:
    return torch._C._functorch.peek_interpreter_stack() is not None


def _capturing() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()
