"""Where a forward must not initialise (replicas, tracing, export, transforms, fakes), and calm for where it may."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

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


def several_ranks() -> str | None:
    """Why a batch must not decide here: every rank sees another."""
    if torch.distributed.is_available() and torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1:
        return (
            "torch.distributed runs, so that every rank would measure another batch and hold other weights; call "
            "ri.calibrate(model, policy, batch) on one process before it is initialised, and load the result on every rank"
        )
    return None


@contextmanager
def calm() -> Iterator[None]:
    """Shut out the caller's modes: what is written must not become an inference tensor, bfloat16 or meta."""
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        stack.enter_context(torch.device("cpu"))
        for kind in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
            stack.enter_context(torch.autocast(kind, enabled=False))
        yield


def _exporting() -> bool:
    exporting = getattr(torch.compiler, "is_exporting", None)
    return bool(exporting and exporting())


def _transformed() -> bool:
    return torch._C._functorch.peek_interpreter_stack() is not None


def _capturing() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()
