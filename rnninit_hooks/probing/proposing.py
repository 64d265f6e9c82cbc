"""What probing has to say about a whole model: layouts that are disproved, and proposals for modules without one."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from rnninit_hooks.anatomy import organs
from rnninit_hooks.findings import Finding
from rnninit_hooks.layouts.model import Layout
from rnninit_hooks.layouts.registry import layout_of
from rnninit_hooks.probing.inferring import infer
from rnninit_hooks.probing.verifying import verify_organ
from rnninit_hooks.suspects import suspects, suspicion


def probed(model: nn.Module, *, everything: bool) -> Iterator[Finding]:
    """RNN107 and RNN116 for layouts, each class and shape once; torch's own classes only if `everything` is asked for."""
    seen: set[object] = set()
    for organ in organs(model):
        layout = layout_of(organ.module)
        shapes = tuple((member.local, member.shape) for member in organ.members)
        if layout and layout.recurrent and (everything or not _is_torch(organ.module)) and (layout.name, shapes) not in seen:
            seen.add((layout.name, shapes))
            yield from verify_organ(organ, layout)


def _is_torch(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.nn.modules.")


def unknown(model: nn.Module, *, probe: bool) -> Iterator[Finding]:
    """RNN108 for every module that looks recurrent and has no layout, with what probing proposes if that is wanted."""
    for organ in suspects(model):
        yield suspicion(organ, proposal(organ.module) if probe else None)


def proposal(module: nn.Module) -> str:
    """In words, what probing finds of a module."""
    found = infer(module)
    return f"probing proposes {describe(found.layout)}" if found.layout else f"probing found no layout: {found.reason}"


def describe(layout: Layout) -> str:
    """One line: the order of every parameter, what retains, what is added."""
    orders = "; ".join(f"{part.name} ({', '.join(part.order)})" for part in layout.parts if part.order)
    does = {1: "keeps", -1: "overwrites"}
    keeps = [f"{gate} {does[sign]} the old state when open" for gate, sign in layout.polarity.items()]
    adds = [f"forward adds {value:+g} to {gate}" for gate, value in layout.constant.items()]
    return "; ".join([orders, *keeps, *adds])
