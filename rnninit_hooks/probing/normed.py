"""Weights behind a layer norm: every row moves every gate a little, so that they are told by the norm's gain instead.

With the gain 0 everywhere but at one place, only the pre-activation of that place is left, and of all rows the one that
feeds it moves it most. The norm's shift stands for the bias of that pre-activation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from rnninit_hooks.probing.linking import NotFound, clusters
from rnninit_hooks.probing.tracing import Strip, Tracer, row_sums

ALIVE = 1e-12


def straighten(tracer: Tracer, strips: Sequence[Strip]) -> list[Strip]:
    """The strips, those behind a layer norm with the signature of the shift that follows them."""
    units = tracer.units_of(strips)
    mixed = _mixed(tracer, strips, units)
    clean = [strip for strip, own in zip(strips, units, strict=True) if not strip.columns and bool((own >= 0).all())]
    if not mixed or not clean:
        return list(strips)
    gains = _gains(tracer, mixed, clean)
    shifts = [strip for strip in clean if strip not in gains]
    straight = {strip.name: _straight(tracer, strip, gains, shifts) for strip in mixed}
    return [straight.get(strip.name, strip) for strip in strips]


def _mixed(tracer: Tracer, strips: Sequence[Strip], units: Sequence[Tensor]) -> list[Strip]:
    """Weights of which no row moves one unit alone, nor feeds what a row of another parameter feeds that does."""
    ids, _ = clusters(strips, tracer.tolerance.same)
    told = {number for own, found in zip(ids, units, strict=True) for number in own[found >= 0].tolist()}
    alone = [not told & set(own.tolist()) for own in ids]
    return [s for s, found, only in zip(strips, units, alone, strict=True) if s.columns and only and bool((found < 0).all())]


def _gains(tracer: Tracer, mixed: Sequence[Strip], clean: Sequence[Strip]) -> list[Strip]:
    """Vectors that have no effect where nothing goes into the norm."""
    silent = {strip.name: torch.zeros_like(tracer.parameters[strip.name]) for strip in mixed}
    inside = {name: torch.zeros_like(p) for name, p in tracer.parameters.items() if p.dim() == 1 and name not in _names(clean)}
    grads = tracer.grads_where({**silent, **inside})
    return [strip for strip in clean if bool((grads[strip.name] < ALIVE).all())]


def _names(strips: Sequence[Strip]) -> set[str]:
    return {strip.name for strip in strips}


def _straight(tracer: Tracer, strip: Strip, gains: Sequence[Strip], shifts: Sequence[Strip]) -> Strip:
    signature, found = strip.signature.clone(), torch.zeros(strip.rows, dtype=torch.bool)
    generic = _awake(tracer, strip, {})
    silent = {gain.name: torch.zeros_like(tracer.parameters[gain.name]) for gain in gains}
    own = [gain for gain in gains if bool((generic & ~_awake(tracer, strip, {gain.name: silent[gain.name]})).any())]
    for gain in own:
        places = _places(tracer, strip, gain, {other.name: silent[other.name] for other in own})
        signature[places] = _shift_of(tracer, strip, gain, shifts).signature
        if bool(found[places].any()):
            raise NotFound(f"rows of {strip.name} are normalised twice")
        found[places] = True
    if not bool(found.all()):
        raise NotFound(f"{strip.name} moves many units at once, and no norm explains all of its rows")
    return replace(strip, signature=signature, scaled=torch.zeros(strip.rows, dtype=torch.bool))


def _awake(tracer: Tracer, strip: Strip, fixed: dict[str, Tensor]) -> Tensor:
    return row_sums(strip, tracer.grads_where(fixed)[strip.name]).abs() > ALIVE


def _shift_of(tracer: Tracer, strip: Strip, gain: Strip, shifts: Sequence[Strip]) -> Strip:
    shift = next((one for one in shifts if one.rows == gain.rows and _same_place(tracer, gain, one)), None)
    if shift is None:
        raise NotFound(f"the norm after {strip.name} has no shift by which its gates could be told")
    return shift


def _same_place(tracer: Tracer, gain: Strip, shift: Strip) -> bool:
    """True when shutting the gate of one place by the shift silences the gain at that place, and at no other."""
    whole = tracer.parameters[shift.name]
    for place in {0, shift.rows // 2, shift.rows - 1}:
        pushed = torch.zeros_like(whole)
        pushed.view(-1)[place] = 60.0
        grads = tracer.grads_where({shift.name: pushed})[gain.name].reshape(-1)
        if not (grads[place] < 1e-6 * grads.max()) or int((grads > 1e-6 * grads.max()).sum()) < shift.rows // 2:
            return False
    return True


def _places(tracer: Tracer, strip: Strip, gain: Strip, silent: dict[str, Tensor]) -> Tensor:
    """The row of the weight that belongs to each place of the norm: looked up at three places, straight in between."""
    looked = {place: _row(tracer, strip, gain, place, silent) for place in (0, 1, gain.rows - 1)}
    stride = looked[1] - looked[0]
    places = looked[0] + stride * torch.arange(gain.rows)
    if stride < 1 or int(places[-1]) != looked[gain.rows - 1]:
        raise NotFound(f"the rows of {strip.name} do not stand in the order of the norm that follows")
    return places


def _row(tracer: Tracer, strip: Strip, gain: Strip, place: int, silent: dict[str, Tensor]) -> int:
    only = torch.zeros_like(tracer.parameters[gain.name])
    only.view(-1)[place] = 1.0
    return int(row_sums(strip, tracer.grads_where({**silent, gain.name: only})[strip.name]).abs().argmax())
