"""Cut parameters into rows that feed one pre-activation each, by what their columns are multiplied with."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import torch
from torch import Tensor

from rnninit_hooks.probing.tracing import Strip, Tracer, rows_of

MOST_VECTORS = 4
Columns = tuple[tuple[str, int], ...]


def find_strips(tracer: Tracer) -> tuple[list[Strip], list[str]]:
    """Every parameter that is made of such rows, and the names of those that are not."""
    strips: list[Strip] = []
    others: list[str] = []
    for name, parameter in tracer.parameters.items():
        found = list(_matrix(tracer, name)) if parameter.dim() > 1 else []
        found = found[:1] if len(found) == 1 else ([] if found else list(_vectors(tracer, name)))
        strips += found
        others += [] if found else [name]
    return strips, others


def alive(tracer: Tracer, name: str, memory: bool = False) -> bool:
    """True when a parameter moves anything that comes out (or, on request, the memory)."""
    shots = tracer.shots[:: tracer.outputs] if memory else tracer.shots
    return any(bool((shot.grads[name].abs() > 1e-13).any()) for shot in shots)


def _matrix(tracer: Tracer, name: str) -> Iterator[Strip]:
    """The parameter as a matrix, for each axis along which its columns are proportional to sources."""
    if not alive(tracer, name):
        return
    for axis in (0, 1):
        mats = [rows_of(shot.grads[name], axis) for shot in tracer.shots]
        for columns in _splits(tracer, mats[0].shape[1]):
            if (made := _read(tracer, mats, columns)) is not None:
                yield Strip(name, axis, *made, columns)
                break


def _splits(tracer: Tracer, width: int) -> Iterator[Columns]:
    """The sources that could stand side by side in so many columns."""
    sizes = {name: len(value) for name, value in tracer.shots[0].sources.items() if name != "new"}
    yield from (((name, size),) for name, size in sizes.items() if size == width)
    yield from (((a, sizes[a]), (b, sizes[b])) for a, b in permutations(sizes, 2) if sizes[a] + sizes[b] == width)


def _read(tracer: Tracer, mats: list[Tensor], columns: Columns) -> tuple[Tensor, Tensor] | None:
    """Signature and gating of every row, where every block of columns is proportional to its source."""
    shots, exact = tracer.shots, tracer.tolerance.ratio
    start, parts = 0, []
    for source, width in columns:
        blocks = [mat[:, start : start + width] for mat in mats]
        parts.append(_proportional(blocks, [shot.sources[source] for shot in shots], exact))
        start += width
    if any(part is None for part in parts):
        return None
    known = [part for part in parts if part is not None]
    signature, scaled = known[0]
    for other, gated in known[1:]:
        same = (other - signature).abs() <= exact * signature.abs().max()
        if not bool((same.all(1) | gated | scaled).all()):
            return None
        signature = torch.where(scaled[:, None], other, signature)
        scaled = scaled & gated
    return signature, scaled


def _proportional(blocks: list[Tensor], sources: list[Tensor], exact: float) -> tuple[Tensor, Tensor] | None:
    rows, fits, shares = [], [], []
    for block, source in zip(blocks, sources, strict=True):
        along = block @ source / source.dot(source)
        gap = (block - along[:, None] * source).abs().max(1).values
        fits.append(gap <= exact * (block.abs().max() + 1e-30))
        rows.append(along)
        shares.append(block / source)
    direct = torch.stack(fits).all(0)
    if bool(direct.all()):
        return torch.stack(rows, 1), ~direct
    gated = [_gated(share[~direct], exact) for share in shares]
    if any(values is None for values in gated):
        return None
    for row, values in zip(rows, gated, strict=True):
        row[~direct] = values if values is not None else row[~direct]
    return torch.stack(rows, 1), ~direct


def _gated(shares: Tensor, exact: float) -> Tensor | None:
    """Rows that read one and the same source behind a gate: share[r, m] = row[r] gate[m], all gates positive."""
    if not bool((shares.abs() > 1e-14).any()):
        return shares[:, 0]
    best = int(shares.abs().max(1).values.argmax())
    gate = shares[best] / shares[best][0]
    straight = (shares - shares[:, :1] * gate).abs().max() <= exact * shares.abs().max()
    return shares[:, 0] if bool(straight) and bool((gate > 0).all()) else None


def _vectors(tracer: Tracer, name: str) -> Iterator[Strip]:
    """The parameter as one vector, or as the few rows or columns of a small stack of vectors."""
    shape = tracer.parameters[name].shape
    if not alive(tracer, name) or not shape:
        return
    axis = max(range(len(shape)), key=lambda at: shape[at])
    others = [at for at in range(len(shape)) if at != axis]
    if len(others) > 1 and any(shape[at] > 1 for at in others):
        return
    if others and shape[others[0]] > MOST_VECTORS:
        return
    for index in range(shape[others[0]] if len(others) == 1 else 1):
        fixed = tuple((at, index if len(others) == 1 else 0) for at in others)
        signature = torch.stack([rows_of(shot.grads[name], axis, fixed) for shot in tracer.shots], 1)
        yield Strip(name, axis, signature, torch.zeros(len(signature), dtype=torch.bool), (), fixed)
