"""Which state is the memory, and where it comes out: with every parameter 0, the memory still fades by itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rnninit_hooks.probing.bench import Wiring
from rnninit_hooks.probing.laboratory import Noise, free
from rnninit_hooks.probing.stepping import Step


def find_wiring(module: nn.Module, step: Step) -> Wiring | None:
    """The state and the output that are the memory before and after a step; None when nothing fades by itself.

    Sought among outputs of a state's size that depend on it unit by unit and straight; the least entangled one wins.
    """
    found = {(state, output): size for state in range(len(step.states)) for output, size in _fading(module, step, state)}
    if not found:
        return None
    ties = _entanglement(module, step)
    state, output = min(found, key=lambda pair: (ties[pair[1]], pair))
    return Wiring(state, output)


def plain_wiring(module: nn.Module, step: Step) -> Wiring | None:
    """The wiring of a module without a memory of its own: the only state, and the first output of its size."""
    if len(step.states) != 1:
        return None
    outputs = step(module, *_point(step, 3))
    sizes = [output.numel() for output in outputs]
    wanted = torch.Size(step.states[0]).numel()
    return Wiring(0, sizes.index(wanted)) if wanted in sizes else None


def _point(step: Step, seed: int) -> tuple[Tensor, list[Tensor]]:
    noise = Noise(seed)
    return noise.of(*step.input), [noise.of(*shape).requires_grad_() for shape in step.states]


def _fading(module: nn.Module, step: Step, state: int) -> list[tuple[int, int]]:
    with torch.no_grad():
        for parameter in free(module):
            parameter.zero_()
    slopes = [_slopes(module, step, state, seed) for seed in (3, 4)]
    straight = []
    for output, (one, two) in enumerate(zip(*slopes, strict=True)):
        if one is not None and two is not None and bool((one > 1e-6).all()) and bool(((one - two).abs() < 1e-9).all()):
            straight.append((output, one.numel()))
    return straight


def _slopes(module: nn.Module, step: Step, state: int, seed: int) -> list[Tensor | None]:
    x, states = _point(step, seed)
    target = states[state]
    return [_diagonal(output, target) for output in step(module, x, states)]


def _diagonal(output: Tensor, state: Tensor) -> Tensor | None:
    """d output / d state unit by unit, or None where one unit depends on another."""
    if output.numel() != state.numel() or not output.requires_grad:
        return None
    weights = Noise(9).of(output.numel())
    pulls = [torch.autograd.grad((output.reshape(-1) * w).sum(), state, retain_graph=True, allow_unused=True)[0]
             for w in (torch.ones_like(weights), weights)]  # fmt: skip
    if pulls[0] is None or pulls[1] is None:
        return None
    plain, weighted = pulls[0].reshape(-1), pulls[1].reshape(-1)
    return plain if bool((weighted - plain * weights).abs().max() < 1e-12) else None


def _entanglement(module: nn.Module, step: Step) -> list[int]:
    """How many numbers of the parameters each output depends on, at a generic point."""
    noise = Noise(5)
    with torch.no_grad():
        for parameter in free(module):
            parameter.copy_(noise.like(parameter, 0.4))
    outputs = step(module, *_point(step, 6))
    parameters = free(module)
    counts = []
    for output in outputs:
        weights = Noise(8).of(*output.shape)
        total = (output * weights).sum()
        grads = torch.autograd.grad(total, parameters, retain_graph=True, allow_unused=True) if total.requires_grad else []
        counts.append(sum(int((grad.abs() > 1e-14).sum()) for grad in grads if grad is not None))
    return counts
