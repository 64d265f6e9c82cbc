"""Find the layout of a cell that nobody described, by probing a copy of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from rnninit_hooks.anatomy import organ
from rnninit_hooks.dissection import dissect_organ
from rnninit_hooks.layouts.model import Kind, Layout
from rnninit_hooks.layouts.model import Part as LayoutPart
from rnninit_hooks.probing.bench import Bench, Group, Wiring
from rnninit_hooks.probing.laboratory import copied, quiet
from rnninit_hooks.probing.linking import Cut, NotFound, link
from rnninit_hooks.probing.normed import straighten
from rnninit_hooks.probing.roles import Role, Roles, find_roles
from rnninit_hooks.probing.stepping import STATE_SIZES, Step, find_step
from rnninit_hooks.probing.strips import alive, find_strips
from rnninit_hooks.probing.tracing import DOUBLE, SINGLE, Strip, Tolerance, Tracer
from rnninit_hooks.probing.wiring import find_wiring, plain_wiring

_LSTM = {"retain": "forget", "input": "input", "candidate": "cell", "output": "output", "reset": "reset", "hidden": "hidden"}
_GRU = {**_LSTM, "retain": "update", "candidate": "new"}
_GATE = re.compile(r"gate_\d+")
_SHORT = {"forget": "f", "input": "i", "cell": "g", "output": "o", "reset": "r", "update": "z", "new": "n", "hidden": "h"}


@dataclass(frozen=True)
class Inference:
    """What probing found: a layout, or the reason why there is none."""

    layout: Layout | None
    reason: str | None = None


def infer_layout(module: nn.Module) -> Layout | None:
    """The layout of an unknown recurrent cell or one-layer module, or None rather than a guess.

    A private float64 copy is probed; the module, its buffers and the random streams stay as they are. `layout.order`,
    `axis`, `polarity` and `constant` say which block is which; `evidence` says what was seen, `confidence` how much of
    it was exact (1: every constant was measured). Use `infer` to hear why nothing was found.

    >>> import torch, rnninit_hooks as ri
    >>> found = ri.infer_layout(torch.nn.GRUCell(3, 4))
    >>> found.order["weight_hh"], found.polarity["update"], found.separate
    (('reset', 'update', 'new'), 1, ('new',))
    """
    return infer(module).layout


def infer(module: nn.Module) -> Inference:
    """The same with the reason when nothing was found."""
    if not isinstance(module, nn.Module):
        raise TypeError(f"infer_layout takes an instance of torch.nn.Module, found {module!r}; call the class first")
    if any(parameter.is_meta for parameter in module.parameters()):
        return Inference(None, "it is on the meta device; build it on a real one")
    if not any(True for _ in module.parameters()):
        return Inference(None, "it has no parameters")
    with quiet():
        try:
            return _strictly_or_not(_Inference(module))
        except NotFound as why:
            return Inference(None, str(why))
        except Exception as error:  # whatever a foreign module raises, such as one that keeps graphs between calls
            return Inference(None, f"probing it failed: {error}")


def _strictly_or_not(inference: _Inference) -> Inference:
    """In float64; where that fails, once more for a module that computes in float32 whatever it is given."""
    try:
        return Inference(inference.layout(DOUBLE))
    except NotFound as why:
        try:
            return Inference(inference.layout(SINGLE))
        except NotFound:
            return Inference(None, str(why))


class _Inference:
    def __init__(self, module: nn.Module) -> None:
        self.type = type(module)
        try:
            self.module = copied(module)
        except Exception as error:  # whatever a module that cannot be copied raises
            raise NotFound(f"it cannot be copied: {error}") from error
        step = find_step(self.module)
        if step is None:
            raise NotFound("no way was found to call it for one step with an explicit state")
        self.step: Step = step
        fading = find_wiring(self.module, step)
        wiring = fading or plain_wiring(self.module, step)
        if wiring is None:
            raise NotFound("no state of it lives on by itself, unit by unit")
        if step.guessed and (step.form.words == "h, c" or not fading):
            raise NotFound("the names of its arguments do not tell the input from the state")
        self.wiring: Wiring = wiring

    def layout(self, tolerance: Tolerance) -> Layout:
        """Trace, cut, push, name."""
        tracer = Tracer(self.module, self.step, self.wiring, tolerance)
        strips, others = find_strips(tracer)
        self._refuse_entangled(tracer, others)
        cuts, loose = link(tracer, straighten(tracer, strips))
        if not cuts:
            raise NotFound("no parameter feeds a gate of the memory")
        rough = self._rough(cuts, self._projections(tracer, others))
        roles = find_roles(Bench(self.module, self.step, self.wiring, self._group(rough), 1))
        if roles.trouble:
            raise NotFound(roles.trouble)
        return self._named(rough, cuts, roles, [*(strip.name for strip in loose), *others])

    def _refuse_entangled(self, tracer: Tracer, others: Sequence[str]) -> None:
        entangled = [name for name in others if tracer.parameters[name].dim() > 1 and alive(tracer, name, memory=True)]
        if entangled:
            raise NotFound(f"{', '.join(entangled)} moves the memory and is multiplied with neither the input nor a state")

    def _projections(self, tracer: Tracer, others: Sequence[str]) -> list[str]:
        return [name for name in others if tracer.parameters[name].dim() == 2 and alive(tracer, name)]

    def _group(self, layout: Layout) -> Group:
        return Group(None, None, 0, dissect_organ(organ(self.module, "", layout=layout), layout).slots)

    def _rough(self, cuts: Sequence[Cut], projections: Sequence[str]) -> Layout:
        parts = [self._part(cut, tuple(f"gate_{gate}" for gate in cut.gates)) for cut in cuts]
        parts += [LayoutPart(name, re.escape(name), kind="projection") for name in projections]
        weights = tuple(part.name for part in parts if part.order and part.kind != "bias")
        return Layout(self._class(), (self._class(),), tuple(parts), size=self._size(), required=weights)

    def _size(self) -> str | None:
        """The attribute that says how many units there are, so that the layout refuses what is built otherwise."""
        units = int(torch.Size(self.step.states[self.wiring.state]).numel())
        return next((name for name in STATE_SIZES if getattr(self.module, name, None) == units), None)

    def _class(self) -> str:
        return f"{self.type.__module__}.{self.type.__qualname__}"

    def _part(self, cut: Cut, order: tuple[str, ...]) -> LayoutPart:
        strip = cut.strip
        kinds = tuple((self._kind(source), width) for source, width in strip.columns)
        bias = not strip.columns and cut.diagonal is None
        kind: Kind | None = "bias" if bias else self._kind(cut.diagonal) if cut.diagonal else kinds[0][0]
        several = len(kinds) > 1
        axis = strip.axis
        return LayoutPart(
            _part_name(strip), re.escape(strip.name), kind=None if several else kind, order=order, axis=axis,
            transposed=bool(strip.columns) and axis == 1, partner=_partner(strip) if bias else None,
            effective="bias" if bias else None, sign=cut.sign, interleaved=cut.interleaved,
            columns=kinds if several else (), fixed=strip.fixed,
        )  # fmt: skip

    def _kind(self, source: str) -> Kind:
        if source == "x":
            return "input"
        memory = source in (f"s{self.wiring.state}", "new")
        return "peephole" if memory and len(self.step.states) > 1 else "recurrent"

    def _named(self, rough: Layout, cuts: Sequence[Cut], roles: Roles, loose: Sequence[str]) -> Layout:
        names = self._names(roles)
        parts = [replace(part, order=tuple(names[gate] for gate in part.order)) for part in rough.parts]
        alone = [part for part in parts if part.effective]
        parts = [replace(part, partner=None, effective=None) if len(alone) == 1 else part for part in parts]
        main = {names[gate]: role for gate, role in roles.found.items() if role.part != "recurrent part"}
        unsure = [name for name, role in main.items() if role.constant is None and role.part != "hidden"]
        separate = tuple(names[gate] for gate, role in roles.found.items() if role.part == "recurrent part")
        return replace(
            rough, parts=tuple(parts), short={_SHORT[name]: name for name in main if _SHORT[name] not in main},
            separate=tuple(name for name in separate if len(alone) > 1),
            polarity={name: role.polarity for name, role in main.items() if role.polarity},
            constant={name: role.constant for name, role in main.items() if role.constant},
            evidence=tuple(self._evidence(main, names, loose, roles)), confidence=1.0 if not unsure else 0.7,
        )  # fmt: skip

    def _names(self, roles: Roles) -> dict[str, str]:
        parts = {role.part for role in roles.found.values()}
        table = _GRU if len(self.step.states) == 1 and "input" not in parts else _LSTM
        names = {gate: table[role.part] for gate, role in roles.found.items() if role.part != "recurrent part"}
        if len(set(names.values())) != len(names):
            raise NotFound(f"several gates do the same: {', '.join(sorted(names.values()))}")
        candidate = next((names[gate] for gate, role in roles.found.items() if role.part == "candidate"), "new")
        return {**names, **{gate: candidate for gate, role in roles.found.items() if role.part == "recurrent part"}}

    def _evidence(self, roles: dict[str, Role], names: dict[str, str], loose: Sequence[str], found: Roles) -> Iterator[str]:
        yield str(self.step)
        for name, role in roles.items():
            yield f"{name} ({role.part}): {_GATE.sub(lambda found: names[found[0]], role.evidence)}"
        if found.coupled:
            yield "what is not kept is written: one gate does both"
        if loose:
            yield f"no gates in {', '.join(dict.fromkeys(loose))}"


def _part_name(strip: Strip) -> str:
    return strip.name + "".join(f"[{index}]" for _, index in strip.fixed if strip.fixed and len(strip.fixed) == 1 and index)


def _partner(strip: Strip) -> str:
    """`ih` or `hh` where the name says so, so that `place` finds it; else the name itself."""
    return next((word for word in ("ih", "hh") if word in strip.name), _part_name(strip))
