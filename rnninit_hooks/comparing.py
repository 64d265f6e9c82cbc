"""Is a model, slot by slot and bit by bit, what a record says was written into it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from rnninit_hooks.composition import fresh_copy
from rnninit_hooks.decisions import Decision
from rnninit_hooks.dissection import dissect
from rnninit_hooks.facts import digest, statistics
from rnninit_hooks.findings import Finding
from rnninit_hooks.planning import row_of
from rnninit_hooks.record import Entry, Record
from rnninit_hooks.rows import Report, Row
from rnninit_hooks.slots import Slot


def compare(model: nn.Module, record: Record | str | Path) -> Report:
    """Compare a model with a record: `RNN206` where bits differ, `RNN207` where a slot is missing or new.

    Slots that the record says were kept, loaded or untouched have no digest and are not judged. Writes nothing.

    >>> import torch, rnninit_hooks as ri
    >>> gru = torch.nn.GRU(3, 4)
    >>> record = ri.Record.of(ri.apply(gru, "gru-classic"))
    >>> _ = torch.nn.init.zeros_(gru.weight_hh_l0)
    >>> sorted({finding.code for finding in ri.compare(gru, record).findings})
    ['RNN206']
    """
    known = record if isinstance(record, Record) else Record.load(record)
    slots = _by_address(model)
    findings = (*_differences(known, slots), *_new(known, slots))
    broken = {finding.address for finding in findings}
    rows = tuple(_row(slots[entry.address], entry, broken) for entry in known.slots if entry.address in slots)
    return Report("check", rows, findings, known.seed, known.sampler)


def _by_address(model: nn.Module) -> dict[str, Slot]:
    found: dict[str, Slot] = {}
    for slot in dissect(model).slots:
        found[slot.address] = slot
        found.update({part.address: part for part in (slot.single(p) for p in slot.pieces if len(slot.pieces) > 1)})
    return found


def _differences(record: Record, slots: dict[str, Slot]) -> Iterator[Finding]:
    for entry in record.slots:
        slot = slots.get(entry.address)
        if slot is None:
            yield _misfit(entry.address, "stands in the record and not in the model")
        elif tuple(slot.shape) != entry.shape:
            yield _misfit(entry.address, f"has shape {list(slot.shape)}, and {list(entry.shape)} in the record")
        elif entry.digest and (now := _digest(slot)) != entry.digest:
            yield _differs(slot, entry, now)


def _digest(slot: Slot) -> str:
    with torch.no_grad():
        return "+".join(digest(piece.view(fresh_copy(piece.member))) for piece in slot.pieces)


def _differs(slot: Slot, entry: Entry, now: str) -> Finding:
    then, today = entry.stats or {}, statistics(slot.value() - slot.constant)
    facts = ", ".join(f"{name} {then[name]:.4g} then and {today[name]:.4g} now" for name in then)
    return Finding(
        "RNN206", f"holds other bits than were recorded (digest {entry.digest} then, {now} now; {facts or 'no statistics'})",
        address=entry.address, rule=entry.rule, expected="the recorded bits",
        fix="was the model trained, loaded or cast since? else find what wrote it",
    )  # fmt: skip


def _new(record: Record, slots: dict[str, Slot]) -> Iterator[Finding]:
    """Slots of which some block stands under no address of the record; one tensor may have several names."""
    known = {block for entry in record.slots if entry.address in slots for block in slots[entry.address].key}
    for address, slot in slots.items():
        if not set(slot.key) <= known and address not in {entry.address for entry in record.slots}:
            yield _misfit(address, "stands in the model and not in the record")


def _misfit(address: str, message: str) -> Finding:
    return Finding("RNN207", message, address=address, fix="compare with the record that belongs to this model")


def _row(slot: Slot, entry: Entry, broken: set[str | None]) -> Row:
    row = row_of(Decision(slot, None), "untouched")
    status = row.status if entry.digest is None else "breaks" if entry.address in broken else "obeys"
    return replace(row, status=status, rule=entry.rule, recipe=entry.recipe)
