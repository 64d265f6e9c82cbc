"""RNN303: both biases of a gate receive the value that was meant for their sum."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from rnninit_hooks.lint.events import compatible
from rnninit_hooks.lint.values import Num, Opaque, Scaled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.events import Write
    from rnninit_hooks.lint.reading import Study

Layer: TypeAlias = tuple[str, str, int, bool]


def check(study: Study) -> Iterator[Finding]:
    """Pairs of writes to partners, equal in value and rows, that no later write takes back."""
    seen: set[int] = set()
    for journal in study.journals:
        layers = _by_layer(journal.writes)
        for at, writes in layers.items():
            for first, second in _pairs(writes):
                if id(second.node) not in seen and not _mended(first, layers.get((*at[:2], 0, False), writes)):
                    seen.update((id(first.node), id(second.node)))
                    yield _finding(study, second)


def _by_layer(writes: list[Write]) -> dict[Layer, list[Write]]:
    found: dict[Layer, list[Write]] = {}
    for write in writes:
        own = write.target.parameter
        if own.bias and own.owner.recurrent and own.part in ("ih", "hh"):
            found.setdefault((own.owner.key, own.owner.prefix, own.layer, own.reverse), []).append(write)
    return found


def _pairs(writes: list[Write]) -> Iterator[tuple[Write, Write]]:
    """Partners that both keep the same value to the end."""
    valued = [(index, write) for index, write in enumerate(writes) if _value(write) is not None]
    kept = [write for index, write in valued if not _undone(write, writes[index + 1 :])]
    for index, first in enumerate(kept):
        for second in kept[index + 1 :]:
            if first.target.parameter.part != second.target.parameter.part and _match(first, second):
                yield first, second


def _mended(write: Write, base: list[Write]) -> bool:
    """Whether the same line doubles nothing in layer 0: a network of one layer may be all that there is."""
    if write.target.parameter.owner.layers is not None:
        return False
    return any(other.node is write.node for other in base) and all(write.node not in (a.node, b.node) for a, b in _pairs(base))


def _match(first: Write, second: Write) -> bool:
    same_rows = first.target.extent == second.target.extent and (first.target.extent is not None or first.node is second.node)
    return same_rows and _value(first) == _value(second) and compatible(first.path, second.path) and _adds_up(first)


def _adds_up(write: Write) -> bool:
    """A plain RNN has no gate, and the two biases of a GRU's candidate are no sum."""
    if not write.fused:
        return False
    gate = write.target.extent.gate(3) if write.target.extent is not None else None
    return not (write.kinds <= {"GRU", "GRUCell"} and gate == 2)


def _undone(write: Write, later: list[Write]) -> bool:
    """Whether a later write may cover the same rows: even a conditional one is reason enough to keep silent."""
    own = write.target
    return any(
        other.target.parameter == own.parameter and other.op != "add" and other.node is not write.node
        and compatible(write.path, other.path) and (other.target.whole or other.target.extent == own.extent)
        for other in later
    )  # fmt: skip


def _value(write: Write) -> object:
    """What is compared: a number, a symbol, or the logarithm of a draw; None for what is no fault when it stands twice."""
    if write.target.whole or write.op not in ("constant", "add") or write.target.copied:
        return None
    value = write.value
    if isinstance(value, Num):
        return value.value if value.value not in (0.0, 0.5, -0.5) else None
    if isinstance(value, Scaled):
        return (value.key, value.factor) if value.factor.denominator == 1 and value.factor else None
    if isinstance(value, Opaque) and value.text and value.text != "None" and ("(" not in value.text or "log" in value.text):
        return (value.text, 1)
    return None


def _finding(study: Study, write: Write) -> Finding:
    value = write.value
    said = f"{value.value:g}" if isinstance(value, Num) else f"`{getattr(value, 'text', '') or getattr(value, 'key', 'it')}`"
    total = f"{2 * value.value:g}" if isinstance(value, Num) else f"twice {said}"
    return study.source.finding(
        "RNN303", write.node, f"bias_ih and bias_hh both receive {said}; torch adds them, so the gate feels {total}",
        expected=f"{said} in one of them and zero in the other, or half of it in each",
        fix="write to bias_ih only and zero bias_hh there, or write a rule `match: {kind: bias, gate: forget}`",
    )  # fmt: skip
