"""RNN308: rows cut for the gates of one cell, in a parameter of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnninit_hooks.lint.events import Chunk, Write
from rnninit_hooks.lint.values import GATES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.reading import Study
    from rnninit_hooks.lint.values import Extent, Parameter

_COUNTS = (3, 4)


def check(study: Study) -> Iterator[Finding]:
    """Slices and chunks that do not divide the stack into its own gates; one finding for a layer in one function."""
    seen: set[int] = set()
    for journal in study.journals:
        told: set[str] = set()
        for event in journal.events:
            if not isinstance(event, Write | Chunk):
                continue
            wrong, key = _wrong(event), event.target.parameter.owner.key
            if wrong is not None and key not in told:
                told.add(key)
                if id(event.node) not in seen:
                    yield _finding(study, event, *wrong)
                seen.add(id(event.node))


def _wrong(event: Write | Chunk) -> tuple[int, str] | None:
    """The number of blocks that the code counts on, and the classes that have another."""
    own = event.target.parameter
    if not own.owner.recurrent or not own.owner.sure or own.part not in ("ih", "hh"):
        return None
    kinds = (own.owner.kinds & event.narrowed) or own.owner.kinds if event.narrowed else own.owner.kinds
    count = event.count if isinstance(event, Chunk) else _counted(event.target.extent, kinds, own)
    others = sorted(kind for kind in kinds if GATES[kind] != count)
    return (count, " or ".join(others)) if count is not None and others else None


def _counted(extent: Extent | None, kinds: frozenset[str], own: Parameter) -> int | None:
    if extent is None:
        return None
    size = extent.high - extent.low
    if extent.of_stack:
        return next((count for count in _COUNTS if size * count == 1 and (extent.low * count).denominator == 1), None)
    block = extent.gate(max(GATES[kind] for kind in kinds))
    return block + 1 if block is not None and block >= min(GATES[kind] for kind in kinds) and block < max(_COUNTS) else None


def _finding(study: Study, event: Write | Chunk, count: int, others: str) -> Finding:
    return study.source.finding(
        "RNN308", event.node, f"the rows are cut for {count} gates, but the layer can be {others}",
        expected="LSTM 4 (i, f, g, o), GRU 3 (r, z, n), RNN 1",
        fix="ask for the class first, or write a rule that names the gate: the layout of each class is known there",
    )  # fmt: skip
