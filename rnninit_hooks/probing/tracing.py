"""Which numbers of a module feed one and the same pre-activation: told from gradients at generic points.

At a generic point the gradient of anything with respect to a weight is that of its pre-activation times what the weight
is multiplied with. So a weight's columns must be proportional to the input or to a state, and two rows (or a row and a
bias) belong to one gate unit exactly when what is left of their gradients is equal, at every point and for every output.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rnninit_hooks.probing.bench import Wiring
from rnninit_hooks.probing.laboratory import Noise
from rnninit_hooks.probing.stepping import Step

POINTS, MOST_POINTS, PATIENCE = 3, 24, 4


@dataclass(frozen=True)
class Tolerance:
    """How exactly numbers must agree: `ratio` within one gradient, `same` between gradients, `bit` for units."""

    ratio: float = 1e-8
    same: float = 1e-7
    bit: float = 1e-7


DOUBLE = Tolerance()
SINGLE = Tolerance(1e-5, 5e-5, 5e-5)  # for modules that compute in float32 whatever they are given


@dataclass(frozen=True, eq=False)
class Shot:
    """Gradients at one generic point of one scalar: d scalar / d parameter by name, and the sources there."""

    grads: dict[str, Tensor]
    sources: dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Strip:
    """Rows of one parameter that each feed one pre-activation.

    `axis` is the axis of the rows; `fixed` the (axis, index) pairs that pick a vector out of a larger parameter.
    `signature` (rows, shots) is the gradient of the row's pre-activation, up to a common factor where `scaled` (rows)
    says that something gates the source. `columns` are the sources along the other axis with their widths; none for a
    vector.
    """

    name: str
    axis: int
    signature: Tensor
    scaled: Tensor
    columns: tuple[tuple[str, int], ...] = ()
    fixed: tuple[tuple[int, int], ...] = ()

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.signature)


class Tracer:
    """Gradients of a module's step at generic points."""

    def __init__(self, module: nn.Module, step: Step, wiring: Wiring, tolerance: Tolerance = DOUBLE) -> None:
        self.module, self.step, self.wiring, self.tolerance = module, step, wiring, tolerance
        self.parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self.size = int(torch.Size(step.states[wiring.state]).numel())
        self.shots = [shot for seed in range(POINTS) for shot in self._shots(seed)]
        self.outputs = len(self.shots) // POINTS
        self._wake_all()

    def _wake_all(self) -> None:
        """More points, as long as they find numbers that had no effect so far: half of all rectified units sleep."""
        asleep, idle = self._asleep(), 0
        for seed in range(POINTS, MOST_POINTS):
            if not asleep or idle == PATIENCE:
                return
            more = list(self._shots(seed))
            still = {name: dead & _never(more, name) for name, dead in asleep.items()}
            woken = sum(int(dead.sum()) for dead in asleep.values()) - sum(int(dead.sum()) for dead in still.values())
            idle = 0 if woken else idle + 1
            self.shots += more if woken else []
            asleep = {name: dead for name, dead in still.items() if bool(dead.any())}

    def _asleep(self) -> dict[str, Tensor]:
        """Where a parameter that matters has numbers that never did."""
        dead = {name: _never(self.shots, name) for name in self.parameters}
        return {name: found for name, found in dead.items() if bool(found.any()) and not bool(found.all())}

    def _run(
        self, seed: int, mask: Tensor | None = None, fixed: Mapping[str, Tensor] | None = None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        noise = Noise(100 + seed)
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                drawn = noise.like(parameter, 0.6 / max(1, *parameter.shape) ** 0.5 if parameter.dim() > 1 else 0.6)
                parameter.copy_((fixed or {}).get(name, drawn))
        x, states = noise.of(*self.step.input), [noise.of(*shape) for shape in self.step.states]
        if mask is not None:
            states[self.wiring.state] = states[self.wiring.state] * mask.reshape(states[self.wiring.state].shape)
        named = {"x": x.reshape(-1), **{f"s{k}": state.reshape(-1) for k, state in enumerate(states)}}
        return self.step(self.module, x, [state.requires_grad_() for state in states]), named

    def _grads(self, target: Tensor, weights: Tensor) -> dict[str, Tensor]:
        total = (target.reshape(-1) * weights).sum()
        found = torch.autograd.grad(total, list(self.parameters.values()), retain_graph=True, allow_unused=True)
        return {
            name: torch.zeros_like(p) if grad is None else grad.detach()
            for (name, p), grad in zip(self.parameters.items(), found, strict=True)
        }

    def grads_where(self, fixed: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Gradients of everything that comes out, at a generic point where some parameters have given values."""
        outputs, _ = self._run(5, fixed=fixed)
        total: dict[str, Tensor] = {}
        for k, target in enumerate(self._targets(outputs)):
            for name, grad in self._grads(target, Noise(60 + k).of(target.numel())).items():
                total[name] = total[name] + grad.abs() if name in total else grad.abs()
        return total

    def _targets(self, outputs: list[Tensor]) -> list[Tensor]:
        """The memory first, then the other outputs that differ from it."""
        memory = outputs[self.wiring.output]
        others = [out for k, out in enumerate(outputs) if k != self.wiring.output and out.requires_grad]
        seen = [memory]
        for out in others:
            if not any(out.numel() == one.numel() and torch.equal(out.reshape(-1), one.reshape(-1)) for one in seen):
                seen.append(out)
        return seen

    def _shots(self, seed: int) -> Iterator[Shot]:
        outputs, sources = self._run(seed)
        memory = outputs[self.wiring.output].detach().reshape(-1)
        for k, target in enumerate(self._targets(outputs)):
            yield Shot(self._grads(target, Noise(50 + k).of(target.numel())), {**sources, "new": memory})

    def units_of(self, strips: Sequence[Strip]) -> list[Tensor]:
        """For each row of each strip the memory unit that it moves: -1 where it moves several or none.

        Sought in the memory, then in the memory of a step from a zero state, then in the other outputs; at last by the
        unit of the state without which the row has no effect.
        """
        masks = [None, torch.zeros(self.size, dtype=torch.float64)]
        found = [torch.full((len(strip.signature),), -1, dtype=torch.long) for strip in strips]
        for mask in masks:
            outputs, _ = self._run(7, mask)
            for target in self._targets(outputs):
                if target.numel() == self.size:
                    self._decode(strips, found, [self._grads(target, weights) for weights in _codes(self.size)])
        missing = [k for k, units in enumerate(found) if bool((units < 0).any())]
        if missing:
            self._decode_masked([strips[k] for k in missing], [found[k] for k in missing])
        return found

    def _decode(self, strips: Sequence[Strip], found: list[Tensor], grads: list[dict[str, Tensor]]) -> None:
        for strip, units in zip(strips, found, strict=True):
            rows = [row_sums(strip, grad[strip.name]) for grad in grads]
            scale = rows[0].abs()
            alive = scale > 1e-5 * self.tolerance.ratio * max(1.0, float(scale.max()))
            bits = [row / torch.where(alive, rows[0], torch.ones_like(row)) for row in rows[1:]]
            clean = torch.stack([_is_bit(bit, self.tolerance.bit) for bit in bits]).all(0)
            code = sum(bit.round().long() << k for k, bit in enumerate(bits))
            fresh = alive & clean & (units < 0)
            units[fresh] = torch.as_tensor(code)[fresh]

    def _decode_masked(self, strips: Sequence[Strip], found: list[Tensor]) -> None:
        codes = _codes(self.size)
        signs = []
        for weights in codes:
            outputs, _ = self._run(7, (weights != 0).double())
            target = self._targets(outputs)[0]
            signs.append(self._grads(target, codes[0]))
        for strip, units in zip(strips, found, strict=True):
            rows = [row_sums(strip, grad[strip.name]).abs() > 1e-13 for grad in signs]
            code = sum(row.long() << k for k, row in enumerate(rows[1:]))
            fresh = rows[0] & (units < 0) & (torch.as_tensor(code) < self.size)
            if not strip.columns or strip.columns[0][0] == "x":  # a row that reads the state vanishes with it too
                units[fresh] = torch.as_tensor(code)[fresh]


def _never(shots: Sequence[Shot], name: str) -> Tensor:
    """Where a parameter's gradient is 0 in every shot."""
    return torch.stack([shot.grads[name] == 0 for shot in shots]).all(0)


def _is_bit(values: Tensor, within: float) -> Tensor:
    return (values.abs() < within) | ((values - 1).abs() < within)


def _codes(size: int) -> list[Tensor]:
    """Cotangents: all units with generic weights, then those units whose number has bit k, with the same weights."""
    weights = Noise(77).of(size)
    numbers = torch.arange(size)
    bits = max(1, (size - 1).bit_length())
    return [weights, *(weights * ((numbers >> k) & 1) for k in range(bits))]


def row_sums(strip: Strip, grad: Tensor) -> Tensor:
    """The gradient of each row of a strip: along one generic combination of its first source's columns."""
    rows = rows_of(grad, strip.axis, strip.fixed)
    if rows.dim() == 1:
        return rows
    width = strip.columns[0][1] if strip.columns else rows.shape[1]
    return rows[:, :width] @ Noise(33).of(width)


def rows_of(tensor: Tensor, axis: int, fixed: Sequence[tuple[int, int]] = ()) -> Tensor:
    """A parameter (or its gradient) as (rows, columns): taps of a convolution that see nothing are left out."""
    for at, index in sorted(fixed, reverse=True):
        tensor = tensor.select(at, index)
    if tensor.dim() <= 1:
        return tensor.reshape(-1)
    axis -= sum(at < axis for at, _ in fixed)
    flat = tensor.movedim(axis, 0)
    if flat.dim() > 2:
        taps = flat.reshape(*flat.shape[:2], -1)
        flat = taps[..., int(taps.abs().sum((0, 1)).argmax())]
    return flat
