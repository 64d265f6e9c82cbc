"""Rows of different parameters that feed the same pre-activation, and the blocks of rows that make one gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rnninit_hooks.probing.laboratory import Noise
from rnninit_hooks.probing.tracing import Strip, Tracer


class NotFound(Exception):
    """Why no layout could be told."""


@dataclass(frozen=True, eq=False)
class Cut:
    """One strip in gate blocks: `gates` numbers them in stored order; `sign` is -1 for a bias that is subtracted."""

    strip: Strip
    gates: tuple[int, ...]
    interleaved: bool
    sign: int = 1
    diagonal: str | None = None


def link(tracer: Tracer, strips: Sequence[Strip]) -> tuple[list[Cut], list[Strip]]:
    """Cut every strip into gates that are the same number in every parameter; vectors that are no biases come back apart.

    Raises `NotFound` with the reason when rows cannot be told apart or stand in no known order.
    """
    ids, signs = clusters(strips, tracer.tolerance.same)
    positive = _positive(strips, ids, signs)
    biases = [k for k, strip in enumerate(strips) if not strip.columns and all(i in positive for i in ids[k].tolist())]
    matrices = [k for k, strip in enumerate(strips) if strip.columns]
    chosen = [*matrices, *biases]
    units = _units(tracer, [strips[k] for k in chosen], [ids[k] for k in chosen])
    numbers: dict[tuple[int, ...], int] = {}
    cuts: dict[int, Cut] = {}
    waiting: list[tuple[int, list[Tensor], bool]] = []
    for k, own in zip(chosen, units, strict=True):
        blocks, interleaved = _blocks(strips[k], own, tracer.size)
        if bool(strips[k].scaled.any()):
            waiting.append((k, blocks, interleaved))
            continue
        gates = tuple(_number(strips[k], ids[k][block], numbers) for block in blocks)
        cuts[k] = Cut(strips[k], gates, interleaved, _sign(strips[k], ids[k], signs[k], positive))
    found = _signatures(strips, ids, numbers)
    for k, blocks, interleaved in waiting:
        gates = tuple(_gate_of(tracer, strips[k], ids[k], block, numbers, found) for block in blocks)
        cuts[k] = Cut(strips[k], gates, interleaved)
    loose = [strip for k, strip in enumerate(strips) if k not in cuts]
    diagonal = [cut for strip in loose if (cut := _diagonal(tracer, strip, found, len(numbers))) is not None]
    kept = {id(cut.strip) for cut in diagonal}
    _refuse_overlap([*cuts.values(), *diagonal])
    return [*(cuts[k] for k in sorted(cuts)), *diagonal], [strip for strip in loose if id(strip) not in kept]


def clusters(strips: Sequence[Strip], same: float) -> tuple[list[Tensor], list[Tensor]]:
    """A number for every row, equal where the signatures are, up to sign; and that sign. Gated rows have -1."""
    every = torch.cat([strip.signature for strip in strips])
    usable = torch.cat([~strip.scaled for strip in strips]) & (every.abs().max(1).values > 1e-13)
    largest = every.gather(1, every.abs().argmax(1, keepdim=True))[:, 0]
    sign = torch.where(largest < 0, -1.0, 1.0).double()
    canonical = every * sign[:, None]
    key = canonical @ Noise(41).of(every.shape[1])
    order = torch.argsort(torch.where(usable, key, torch.full_like(key, torch.inf)))
    ids = torch.full((len(every),), -1, dtype=torch.long)
    number = -1
    previous: Tensor | None = None
    for row in order.tolist():
        if not usable[row]:
            break
        if previous is None or bool((canonical[row] - previous).abs().max() > same * canonical[row].abs().max()):
            number += 1
            previous = canonical[row]
        ids[row] = number
    lengths = [strip.rows for strip in strips]
    return list(torch.split(ids, lengths)), list(torch.split(sign, lengths))


def _positive(strips: Sequence[Strip], ids: Sequence[Tensor], signs: Sequence[Tensor]) -> dict[int, float]:
    """The sign with which weights feed every pre-activation."""
    found: dict[int, float] = {}
    for strip, own, sign in zip(strips, ids, signs, strict=True):
        for number, value in zip(own.tolist(), sign.tolist(), strict=True) if strip.columns else ():
            if number >= 0 and found.setdefault(number, value) != value:
                raise NotFound(f"{strip.name} is subtracted from what another weight adds to")
    return found


def _sign(strip: Strip, ids: Tensor, signs: Tensor, positive: dict[int, float]) -> int:
    """+1 where a bias is added to what weights give, -1 where it is subtracted."""
    if strip.columns:
        return 1
    found = {int(sign * positive[number]) for number, sign in zip(ids.tolist(), signs.tolist(), strict=True)}
    if len(found) != 1:
        raise NotFound(f"{strip.name} is added to some gates and subtracted from others")
    return found.pop()


def _number(strip: Strip, ids: Tensor, numbers: dict[tuple[int, ...], int]) -> int:
    key = tuple(ids.tolist())
    if -1 in key:
        raise NotFound(f"rows of {strip.name} change nothing that comes out")
    return numbers.setdefault(key, len(numbers))


def _units(tracer: Tracer, strips: Sequence[Strip], ids: Sequence[Tensor]) -> list[Tensor]:
    """The memory unit of every row: as read off, or as read off another row of the same pre-activation."""
    read = tracer.units_of(strips)
    known: dict[int, int] = {}
    for own, units in zip(ids, read, strict=True):
        for number, unit in zip(own.tolist(), units.tolist(), strict=True):
            if number >= 0 and unit >= 0 and known.setdefault(number, unit) != unit:
                raise NotFound("rows of one pre-activation move different units of the memory")
    filled = []
    for own, units in zip(ids, read, strict=True):
        pairs = zip(own.tolist(), units.tolist(), strict=True)
        filled.append(torch.tensor([known.get(number, unit) if number >= 0 else unit for number, unit in pairs]))
    return filled


def _blocks(strip: Strip, units: Tensor, size: int) -> tuple[list[Tensor], bool]:
    """The rows of each gate, unit by unit, and whether the gate index runs fastest."""
    if strip.rows % size:
        raise NotFound(f"{strip.name} has {strip.rows} rows, which is no multiple of the {size} units of the memory")
    rows, count = torch.arange(strip.rows), strip.rows // size
    for interleaved, expected in ((False, rows % size), (True, rows // count)):
        known = units >= 0
        if bool((units[known] == expected[known]).all()) and 2 * int(known.sum()) >= strip.rows:
            blocks = rows.reshape(size, count).T if interleaved else rows.reshape(count, size)
            return list(blocks), interleaved and count > 1
    raise NotFound(f"the rows of {strip.name} stand neither in contiguous gates nor gate by gate within a unit")


def _signatures(strips: Sequence[Strip], ids: Sequence[Tensor], numbers: dict[tuple[int, ...], int]) -> dict[int, Tensor]:
    """Gate number -> (units, shots), signed as in a weight."""
    first: dict[int, Tensor] = {}
    for strip, own in sorted(zip(strips, ids, strict=True), key=lambda pair: not pair[0].columns):
        for row, number in enumerate(own.tolist()):
            first.setdefault(number, strip.signature[row])
    return {gate: torch.stack([first[number] for number in key]) for key, gate in numbers.items() if -1 not in key}


def _gate_of(
    tracer: Tracer, strip: Strip, ids: Tensor, block: Tensor, numbers: dict[tuple[int, ...], int], found: dict[int, Tensor]
) -> int:
    """The gate of a block, some of whose rows read their source behind another gate."""
    key = tuple(ids[block].tolist())
    if -1 not in key:
        return numbers.setdefault(key, len(numbers))
    for gate, signature in found.items():
        usable = signature.abs().max(0).values > 1e-12
        ratio = strip.signature[block][:, usable] / signature[:, usable]
        even = (ratio - ratio[:1]).abs() <= tracer.tolerance.same * ratio.abs().max() if bool(usable.any()) else ratio > 0
        if len(block) > 1 and bool(usable.any()) and bool(even.all()):
            return gate
    raise NotFound(f"{strip.name} reads a gated state, and no gate of another parameter goes with it")


def _diagonal(tracer: Tracer, strip: Strip, found: dict[int, Tensor], _: int) -> Cut | None:
    """A vector that is multiplied unit by unit with a state: a diagonal recurrent weight, or a peephole."""
    if strip.rows % tracer.size or not found:
        return None
    count = strip.rows // tracer.size
    for source in (*(name for name in tracer.shots[0].sources if name != "x"),):
        values = torch.stack([shot.sources[source] for shot in tracer.shots], 1)
        if len(values) != tracer.size:
            continue
        blocks = strip.signature.reshape(count, tracer.size, -1) / values
        gates = [_match(block, found, tracer.tolerance.same) for block in blocks]
        if None not in gates:
            return Cut(strip, tuple(gate for gate in gates if gate is not None), False, 1, source)
    return None


def _match(signature: Tensor, found: dict[int, Tensor], same: float) -> int | None:
    for gate, known in found.items():
        if bool(((signature - known).abs() <= same * known.abs().max()).all()):
            return gate
    return None


def _refuse_overlap(cuts: Sequence[Cut]) -> None:
    for cut in cuts:
        if len(set(cut.gates)) != len(cut.gates):
            raise NotFound(f"{cut.strip.name} feeds one gate twice")
