"""How much of the old state each layer keeps, measured on the module as it is: d s'/d s at zero input and zero state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from rnninit_hooks.anatomy import Organ, organs
from rnninit_hooks.findings import Finding
from rnninit_hooks.layouts.model import Layout
from rnninit_hooks.layouts.registry import layout_of
from rnninit_hooks.probing.bench import Wiring
from rnninit_hooks.probing.laboratory import copied, free, quiet
from rnninit_hooks.probing.stepping import Step, find_step
from rnninit_hooks.probing.verifying import groups_of
from rnninit_hooks.probing.wiring import find_wiring
from rnninit_hooks.rows import MemoryFacts
from rnninit_hooks.slots import Slot
from rnninit_hooks.suspects import suspects


def memory_of(model: nn.Module) -> Iterator[MemoryFacts]:
    """The retention of every recurrent layer and direction, known or not, that can be called for one step."""
    known = [(organ, layout) for organ in organs(model) if (layout := layout_of(organ.module)) and layout.recurrent]
    for organ, layout in [*known, *((organ, None) for organ in suspects(model))]:
        with quiet():
            try:
                found = list(_measured(organ, layout))
            except Exception:  # what cannot be copied or run has no measured memory; verification says why
                found = []
        yield from found


def unmeasured(model: nn.Module, memory: Sequence[MemoryFacts]) -> Iterator[Finding]:
    """What should have a memory and gave none: RNN116, so that a gap in the table is no silence."""
    measured = {facts.module for facts in memory}
    for organ in organs(model):
        layout = layout_of(organ.module)
        if layout and layout.recurrent and layout.polarity and organ.path not in measured:
            yield Finding(
                "RNN116", f"the memory of this {type(organ.module).__name__} could not be measured: it holds no numbers yet, "
                "or could not be run for one step", level="info", address=organ.path or None,
                fix="`ri.verify_layout(module)` says why",
            )  # fmt: skip


def _measured(organ: Organ, layout: Layout | None) -> Iterator[MemoryFacts]:
    if any(member.lazy or member.device.type == "meta" for member in organ.members):
        return
    module, scratch = copied(organ.module), copied(organ.module)
    groups = groups_of(module, layout) if layout else []
    places = [(group.layer, group.direction if group.layer is not None else None) for group in groups] or [(None, None)]
    step = find_step(scratch, len(places))
    wiring = find_wiring(scratch, step) if step else None
    if step is None or wiring is None:
        return
    _silence(module, [slot for group in groups for slot in group.slots])
    slopes = retained(module, step, wiring, len(places))
    for (layer, direction), slope in zip(places, slopes, strict=True):
        yield _facts(organ, layer, direction, slope)


def _silence(module: nn.Module, slots: Sequence[Slot]) -> None:
    """Weights to 0 on this copy; biases stay. Without a layout, a matrix is what has two extents above 2."""
    with torch.no_grad():
        for slot in slots:
            if slot.kind not in (None, "bias"):
                for piece in slot.pieces:
                    piece.view(piece.member.door.stored(piece.member.owner, piece.member.leaf)[0].data).zero_()
        for parameter in free(module):
            if not slots and parameter.dim() > 1 and min(parameter.shape) > 2:
                parameter.zero_()


def retained(module: nn.Module, step: Step, wiring: Wiring, groups: int) -> list[Tensor]:
    """Share of the old state that each unit keeps in one step from a zero state, group by group.

    With the weights in place, d s'/d s of a cell whose state is its output would hold what the candidate reads back.
    """
    states = [torch.zeros(shape, dtype=torch.float64, requires_grad=True) for shape in step.states]
    outputs = step(module, torch.zeros(step.input, dtype=torch.float64), states)
    memory = outputs[wiring.output]
    slope = torch.autograd.grad(memory.sum(), states[wiring.state], allow_unused=True)[0]
    slope = torch.zeros_like(states[wiring.state]) if slope is None else slope
    return [slope[k].reshape(-1) for k in range(groups)] if groups > 1 else [slope.reshape(-1)]


def _facts(organ: Organ, layer: int | None, direction: str | None, slope: Tensor) -> MemoryFacts:
    steps = 1 / (1 - slope.clamp(max=1 - 1e-12))
    return MemoryFacts(
        organ.path, type(organ.module).__name__, layer, direction, slope.mean().item(), slope.min().item(),
        slope.max().item(), steps.median().item(),
    )  # fmt: skip
