"""Does a module do what its layout says? Asked of the module: every gate is pushed, by every way that leads to it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from rnninit_hooks.anatomy import Organ, organ, organs
from rnninit_hooks.cuts import misfit
from rnninit_hooks.dissection import dissect_organ
from rnninit_hooks.findings import Finding
from rnninit_hooks.layouts.model import Layout
from rnninit_hooks.layouts.registry import layout_of
from rnninit_hooks.probing.bench import FAR, Bench, Group, Handle, Reading
from rnninit_hooks.probing.laboratory import copied, quiet
from rnninit_hooks.probing.roles import Roles, find_roles
from rnninit_hooks.probing.stepping import find_step
from rnninit_hooks.probing.wiring import find_wiring, plain_wiring
from rnninit_hooks.slots import Slot

PARTS = {"input": "input", "cell": "candidate", "new": "candidate", "output": "output", "reset": "reset", "hidden": "hidden"}
PUSH = 1.3
FIX = "correct the layout (ri.register_layout(..., replace=True)); `rnninit layouts TARGET` shows what probing finds"


def verify_layout(module: nn.Module, layout: Layout | None = None) -> tuple[Finding, ...]:
    """What a module's layout claims and the built module does not do; empty when all of it was seen to hold.

    Every recurrent module below `module` is probed under the layout of its class, or `module` itself under `layout`:
    order of the gates in every parameter, orientation, polarity, constants, signs of biases. Private float64 copies are
    probed; the module, its buffers and the random streams stay bit for bit as they are. RNN107 is a claim disproved,
    RNN116 a module that cannot be probed, with the reason; RNN108 says that no layout is there to be proved.

    >>> import torch, rnninit_hooks as ri
    >>> ri.verify_layout(torch.nn.LSTM(3, 4, num_layers=2, bidirectional=True))
    ()
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"verify_layout takes an instance of torch.nn.Module, found {module!r}")
    if layout is not None:
        return tuple(verify_organ(organ(module, "", layout=layout), layout))
    known = [(one, found) for one in organs(module) if (found := layout_of(one.module)) and found.recurrent]
    if not known:
        return (_nothing(module),)
    first = {id(one.module): (one, found) for one, found in reversed(known)}
    return tuple(finding for one, found in reversed(list(first.values())) for finding in verify_organ(one, found))


def _nothing(module: nn.Module) -> Finding:
    return Finding(
        "RNN108", f"no module of this {type(module).__name__} has a recurrent layout, so that there is nothing to verify",
        level="warning", expected="a registered layout", fix="see `rnninit layouts TARGET --write`, or ri.infer_layout(module)",
    )  # fmt: skip


def verify_organ(body: Organ, layout: Layout) -> Iterator[Finding]:
    """Findings about one module under one layout."""
    if trouble := misfit(layout, body):
        found = f"the layout {layout.name} does not fit: {trouble}"
        yield Finding("RNN112", found, level="warning", address=body.path or None, fix=FIX)
        return
    if any(member.lazy or member.device.type == "meta" for member in body.members):
        yield _unprobed(body, "it has parameters without memory")
        return
    with quiet():
        try:
            findings = list(_probe(body, layout))
        except Exception as error:  # whatever a foreign module raises, such as one that keeps graphs between calls
            findings = [_unprobed(body, f"probing it failed ({error})")]
    yield from findings


def _unprobed(body: Organ, why: str) -> Finding:
    return Finding(
        "RNN116", f"{type(body.module).__name__} could not be probed: {why}", level="info", address=body.path or None,
        fix="nothing, if the layout is known to be right; `allow` this code where it stands",
    )  # fmt: skip


def _probe(body: Organ, layout: Layout) -> Iterator[Finding]:
    try:
        module = copied(body.module)
    except Exception as error:  # whatever a module that cannot be copied raises
        yield _unprobed(body, f"it cannot be copied ({error})")
        return
    if any(part.sizes for part in layout.parts):
        yield _unprobed(body, "its gates have unequal sizes")
        return
    groups = groups_of(module, layout)
    step = find_step(module, len(groups))
    wiring = None if step is None else find_wiring(module, step) or plain_wiring(module, step)
    if step is None or wiring is None:
        why = "no way was found to call it for one step" if step is None else "no state of it lives on by itself"
        yield _unprobed(body, why)
        return
    for group in groups:
        bench = Bench(module, step, wiring, group, len(groups), len({one.layer for one in groups}))
        yield from _compare(body, layout, bench, find_roles(bench))


def groups_of(module: nn.Module, layout: Layout) -> list[Group]:
    """The slots of a module by layer and direction, in the order of its states."""
    slots = dissect_organ(organ(module, "", layout=layout), layout).slots
    found = {(slot.layer, slot.direction == "reverse") for slot in slots if slot.gate}
    keys = sorted(found, key=lambda key: (key[0] or 0, key[1]))
    return [
        Group(layer, "reverse" if reverse else "forward", index, tuple(s for s in slots if _belongs(s, layer, reverse)))
        for index, (layer, reverse) in enumerate(keys)
    ]


def _belongs(slot: Slot, layer: int | None, reverse: bool) -> bool:
    return slot.layer is None or (slot.layer == layer and (slot.direction == "reverse") == reverse)


def _compare(body: Organ, layout: Layout, bench: Bench, roles: Roles) -> Iterator[Finding]:
    wrong = [*_wrong_roles(layout, bench, roles), *_wrong_ways(bench, roles)]
    for gate, found, expected in wrong:
        yield Finding("RNN107", found, address=_address(body, bench.group, gate), expected=expected, fix=FIX)
    if roles.trouble and not wrong:
        yield _unprobed(body, roles.trouble)


def _address(body: Organ, group: Group, gate: str) -> str:
    slot = next(slot for slot in group.slots if slot.gate == gate)
    return f"{body.path}.{slot.address}" if body.path else slot.address


Wrong = tuple[str, str, str]


def _wrong_roles(layout: Layout, bench: Bench, roles: Roles) -> Iterator[Wrong]:
    for gate, role in roles.found.items():
        claimed = _claimed(layout, gate)
        seen = f"the layout {layout.name} calls this block {gate}, and it acts as {role.part}: it {role.evidence}"
        if claimed and claimed != role.part and not (claimed == "reset" and role.part == "recurrent part"):
            yield gate, seen, f"a block that acts as {claimed}"
        elif role.part == "retain" and not layout.polarity and role.constant is None:
            continue  # a share that is no plain σ may be left out of a layout
        elif role.part == "retain" and role.polarity != layout.polarity.get(gate):
            yield gate, seen, f"polarity {layout.polarity.get(gate, 0):+d}, as the layout says"
        elif role.constant is not None and abs(role.constant - layout.constant.get(gate, 0.0)) > 1e-4:
            yield gate, f"forward adds {role.constant:+g} to {gate}", f"{layout.constant.get(gate, 0.0):+g}, as the layout says"


def _claimed(layout: Layout, gate: str) -> str | None:
    """What the gate's name and polarity claim; nothing where several gates retain memories of their own."""
    if len(layout.polarity) > 1:
        return None
    if gate in layout.polarity:
        return "retain"
    return None if gate == "hidden" and layout.polarity else PARTS.get(gate)


def _wrong_ways(bench: Bench, roles: Roles) -> Iterator[Wrong]:
    """A parameter that does to the layer what another gate does, or the opposite, leads elsewhere than is claimed.

    One that does something else altogether proves nothing: what it is multiplied with may be gated or normalised.
    """
    for gate in roles.found:
        ways = bench.handles(gate)
        lab = _Lab(bench, roles, gate)
        own, still, against = (lab.read({gate: push}) for push in (PUSH, 0.0, -PUSH))
        for handle in ways[1:]:
            reading = lab.read({gate: PUSH}, handle)
            if _same(reading, own) or _same(reading, still):
                continue
            meant = {other: lab.read({gate: 0.0, other: lab.base[other] + PUSH}) for other in roles.found if other != gate}
            others = [other for other, effect in meant.items() if _same(reading, effect)]
            expected = f"the effect of {ways[0][1].member.local}"
            if others:
                yield gate, f"{handle[1].member.local} leads to {others[0]} where the layout says {gate}", expected
            elif _same(reading, against):
                yield gate, f"{handle[1].member.local} has the other sign than the layout says", expected


class _Lab:
    """Readings about one gate: gates that let the state through are open, and the candidate hears it where it must."""

    def __init__(self, bench: Bench, roles: Roles, gate: str) -> None:
        opened = {name: FAR for name, role in roles.found.items() if role.part == "reset" and name != gate}
        self.bench = bench
        self.base = {**{name: 0.55 - 0.37 * n for n, name in enumerate(bench.group.gates)}, **opened}
        hears = [name for name, role in roles.found.items() if role.part == "candidate" and roles.found[gate].part == "reset"]
        self.echo = [slot for name in hears for slot in bench.group.of(name, "recurrent")]

    def read(self, pushes: dict[str, float], handle: Handle | None = None) -> Reading:
        """The layer with some gates pushed, the first of them by a given way."""
        via = {next(iter(pushes)): handle} if handle else None
        return self.bench.read({**self.base, **pushes}, via=via, echo=self.echo)


def _same(one: Reading, other: Reading) -> bool:
    pairs = zip((one.memory, *one.visible), (other.memory, *other.visible), strict=True)
    return all(bool(torch.allclose(a, b, rtol=0, atol=1e-9)) for a, b in pairs)
