"""Modules that look recurrent and that no layout describes: told by names and signatures, without running anything."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from torch import nn

from rnninit_hooks.anatomy import Organ, organs
from rnninit_hooks.findings import Finding
from rnninit_hooks.layouts.registry import layout_of

_CLASS = re.compile(r"LSTM|GRU|RNN|SRU|MGU|JANET|Recurrent|Cell$")
_STATE = re.compile(
    r"(h|c|hx|cx|hc|[hc]_?(t|0|tm1|prev|last)|prev_?(h|c|state|hidden)|(cell|cur|initial|last)?_?states?|hidden(_state)?)$"
)
_WEIGHT = re.compile(r"(weight|w|kernel|u)_?hh(_l\d+)?(_reverse)?|recurrent_(kernel|weight)|(weight_)?h2h", re.IGNORECASE)


def suspects(model: nn.Module) -> Iterator[Organ]:
    """Innermost modules that look recurrent and have no layout, each once."""
    if not any(_may(module) for module in model.modules()):  # nearly always, and far cheaper than what follows
        return
    known = list(organs(model))
    described = {organ.path for organ in known if (found := layout_of(organ.module)) and found.recurrent}
    odd = {organ.path: organ for organ in known if organ.path not in described and _looks_recurrent(organ)}
    seen: set[int] = set()
    for path, organ in odd.items():
        inside = any(_below(other, path) for other in {*described, *odd} - {path})
        within = any(_below(path, other) for other in described)
        if not inside and not within and id(organ.module) not in seen:
            seen.add(id(organ.module))
            yield organ


def _may(module: nn.Module) -> bool:
    named = any(_CLASS.search(base.__name__) for base in type(module).__mro__ if base is not nn.Module)
    return (named or any(map(_WEIGHT.fullmatch, module._parameters))) and layout_of(module) is None


def _below(path: str, above: str) -> bool:
    return path.startswith(f"{above}." if above else "") and path != above


def _looks_recurrent(organ: Organ) -> bool:
    if any(_WEIGHT.fullmatch(member.local) for member in organ.members):
        return True
    named = any(_CLASS.search(base.__name__) for base in type(organ.module).__mro__ if base is not nn.Module)
    return named and _takes_state(organ.module) and any(p.dim() > 1 for p in organ.module.parameters())


def _takes_state(module: nn.Module) -> bool:
    try:
        names = list(inspect.signature(module.forward).parameters)
    except (TypeError, ValueError):
        return False
    return any(_STATE.fullmatch(name) for name in names)


def suspicion(organ: Organ, proposal: str | None = None) -> Finding:
    """The finding about one such module."""
    kind = type(organ.module).__name__
    found = f"this {kind} looks recurrent and has no layout, so that its gates are unknown"
    return Finding(
        "RNN108", f"{found}; {proposal}" if proposal else found, level="warning", address=organ.path or None,
        fix="see `rnninit layouts TARGET --write FILE`, register the layout, or allow this code if it is not recurrent",
    )  # fmt: skip
