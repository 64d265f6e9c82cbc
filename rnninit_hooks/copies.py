"""Gates that were copied instead of drawn: every law holds for each of them, and yet they are one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from torch import Tensor

from rnninit_hooks.facts import digest
from rnninit_hooks.findings import CODES, Finding
from rnninit_hooks.recipes.draws import Keyed
from rnninit_hooks.units import Unit

_FEWEST = 4
"""Fewer elements may agree by chance, in bfloat16 at least."""


def copied(units: Iterable[Unit]) -> Iterator[Finding]:
    """RNN213 for gates of one module, layer and direction that hold the same bits where their recipe draws for each."""
    groups: dict[tuple[object, ...], list[Unit]] = defaultdict(list)
    for unit in units:
        slot, value = unit.slots[0], unit.current()
        if slot.gate is not None and not unit.recipe.constant and value.numel() >= _FEWEST and _varied(value):
            groups[slot.organ.path, slot.kind, slot.layer, slot.direction, unit.rule.id, digest(value)].append(unit)
    for group in groups.values():
        if len(group) > 1 and _draws(group[0]):
            yield _finding(group)


def _varied(value: Tensor) -> bool:
    low, high = value.aminmax()
    return bool(low < high)


def _draws(unit: Unit) -> bool:
    """Whether two addresses get different values; a chain, a ramp or an identity is the same everywhere."""
    one, other = (unit.recipe.fill(unit.block, Keyed(0, address)) for address in ("one", "other"))
    return not one.equal(other)


def _finding(group: list[Unit]) -> Finding:
    first, rule = group[0], group[0].rule
    gates = ", ".join(str(unit.block.gate) for unit in group)
    return Finding(
        "RNN213", f"the gates {gates} hold the same bits", CODES["RNN213"].level, address=first.block.address, rule=rule.id,
        place=rule.origin, expected=f"a draw of {first.recipe} for each gate",
        fix="initialise each gate on its own (ri.apply does); a layer copied for every gate starts as one gate",
    )  # fmt: skip
