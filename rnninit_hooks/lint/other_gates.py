"""RNN308: rows cut for the gates of one cell, in a parameter of another."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from rnninit_hooks.lint.events import Chunk, Write
from rnninit_hooks.lint.values import GATES, Num

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.events import Journal
    from rnninit_hooks.lint.reading import Study
    from rnninit_hooks.lint.values import Extent, Parameter

_COUNTS = (3, 4)
_SHARES = (Fraction(1, 3), Fraction(1, 4))


def check(study: Study) -> Iterator[Finding]:
    """Slices and chunks that do not divide the stack into its own gates; one finding for a layer in one function."""
    seen: set[int] = set()
    for journal in study.journals:
        yield from _plain_biases(study, journal, seen)
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


def _plain_biases(study: Study, journal: Journal, seen: set[int]) -> Iterator[Finding]:
    """Places where a share of the rows, meant for one gate, is set in the bias of a Linear or a norm layer too."""
    meant = {id(write.node) for write in journal.writes if write.target.parameter.owner.recurrent and _share(write)}
    for write in journal.writes:
        own = write.target.parameter
        plain = own.bias and own.owner.built and not own.owner.recurrent
        if plain and _share(write) and id(write.node) in meant - seen:
            seen.add(id(write.node))
            yield study.source.finding(
                "RNN308", write.node, "rows of one gate are set, and the loop reaches the bias of a layer without gates too",
                expected="biases of recurrent layers only",
                fix="loop over the parameters of the recurrent layer alone, or write a rule that names the gate",
            )  # fmt: skip


def _share(write: Write) -> bool:
    extent = write.target.extent
    zero = isinstance(write.value, Num) and write.value.value == 0
    return extent is not None and extent.of_stack and extent.high - extent.low in _SHARES and not zero


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
