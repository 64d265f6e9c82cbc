"""RNN303: both biases of a gate receive the value that was meant for their sum."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from rnninit_hooks.lint.events import compatible
from rnninit_hooks.lint.summing import sums_of
from rnninit_hooks.lint.values import Num, Opaque, Scaled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.events import Write
    from rnninit_hooks.lint.reading import Study
    from rnninit_hooks.lint.values import Parameter

Layer: TypeAlias = tuple[str, str, int, bool]


def check(study: Study) -> Iterator[Finding]:
    """Pairs of writes to partners, equal in value and rows, that no later write takes back."""
    seen: set[int] = set()
    for journal in study.journals:
        layers = {at: (writes, list(_pairs(writes))) for at, writes in _by_layer(journal.writes).items()}
        for at, (writes, pairs) in layers.items():
            mended = _mended(*layers.get((*at[:2], 0, False), (writes, pairs)))
            for first, second in pairs:
                if id(second.node) not in seen and not (_of_unknown_depth(first) and id(first.node) in mended):
                    seen.update((id(first.node), id(second.node)))
                    yield _finding(study, second)
        for first, second in _own_cells(study, journal.writes):
            if id(second.node) not in seen:
                seen.update((id(first.node), id(second.node)))
                one, other = (write.target.parameter.owner.key for write in (first, second))
                yield _finding(study, second, f"the biases of `{one}` and `{other}`", "`forward`")


def _by_layer(writes: list[Write]) -> dict[Layer, list[Write]]:
    found: dict[Layer, list[Write]] = {}
    for write in writes:
        own = write.target.parameter
        if own.bias and own.owner.recurrent and own.part in ("ih", "hh"):
            found.setdefault((own.owner.key, own.owner.prefix, own.layer, own.reverse), []).append(write)
    return found


def _of_one_layer(one: Parameter, other: Parameter) -> bool:
    return one.part != other.part


def _pairs(
    writes: list[Write], *, partners: Callable[[Parameter, Parameter], bool] = _of_one_layer
) -> Iterator[tuple[Write, Write]]:
    """Partners that both keep the same value to the end."""
    later = _Later(writes)
    valued = [(index, write) for index, write in enumerate(writes) if _value(write) is not None]
    kept = [(index, write) for index, write in valued if not later.undoes(index, write)]
    alike: dict[object, list[tuple[int, Write]]] = {}
    for index, write in kept:
        alike.setdefault((write.target.extent, _value(write)), []).append((index, write))
    for index, first in kept:
        for at, second in alike[first.target.extent, _value(first)]:
            if at > index and partners(first.target.parameter, second.target.parameter) and _match(first, second):
                yield first, second


def _own_cells(study: Study, writes: list[Write]) -> Iterator[tuple[Write, Write]]:
    """Cells of the file whose `forward` adds two Linears, the biases of which receive the same."""
    found: dict[str, list[Write]] = {}
    for write in writes:
        own = write.target.parameter
        if own.bias and own.owner.kinds == {"Gates"}:
            found.setdefault(write.scope.partition(".")[0], []).append(write)
    for name, inside in found.items():
        yield from _pairs(inside, partners=partial(_added, sums_of(study.outline.classes.get(name))))


def _added(sums: frozenset[frozenset[str]], one: Parameter, other: Parameter) -> bool:
    return frozenset((one.owner.key, other.owner.key)) in sums


def _of_unknown_depth(write: Write) -> bool:
    return write.target.parameter.owner.layers is None


def _mended(base: list[Write], pairs: list[tuple[Write, Write]]) -> set[int]:
    """The places that double nothing in layer 0: a network of one layer may be all that there is."""
    return {id(write.node) for write in base} - {id(write.node) for pair in pairs for write in pair}


def _match(first: Write, second: Write) -> bool:
    """Of two with the same rows and value, whether they meet."""
    known = first.target.extent is not None or first.node is second.node
    return known and compatible(first.path, second.path) and _adds_up(first)


def _adds_up(write: Write) -> bool:
    """A plain RNN has no gate, and the two biases of a GRU's candidate are no sum."""
    if not write.fused:
        return False
    gate = write.target.extent.gate(3) if write.target.extent is not None else None
    return not (write.kinds <= {"GRU", "GRUCell"} and gate == 2)


class _Later:
    """What covers the same rows later, by parameter and rows: even a conditional write is reason enough to keep silent."""

    def __init__(self, writes: list[Write]) -> None:
        self.covers: dict[object, list[tuple[int, Write]]] = {}
        for index, write in enumerate(writes):
            if write.op != "add":
                for rows in {write.target.extent, "all"} if write.target.whole else {write.target.extent}:
                    self.covers.setdefault((write.target.parameter, rows), []).append((index, write))

    def undoes(self, index: int, write: Write) -> bool:
        """Whether the write of that number is undone."""
        own = write.target
        others = (one for rows in (own.extent, "all") for one in self.covers.get((own.parameter, rows), ()))
        return any(at > index and other.node is not write.node and compatible(write.path, other.path) for at, other in others)


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


def _finding(study: Study, write: Write, names: str = "bias_ih and bias_hh", adds: str = "torch") -> Finding:
    value = write.value
    said = f"{value.value:g}" if isinstance(value, Num) else f"`{getattr(value, 'text', '') or getattr(value, 'key', 'it')}`"
    total = f"{2 * value.value:g}" if isinstance(value, Num) else f"twice {said}"
    return study.source.finding(
        "RNN303", write.node, f"{names} both receive {said}; {adds} adds them, so the gate feels {total}",
        expected=f"{said} in one of them and zero in the other, or half of it in each",
        fix="write to one only and zero the other there, or write a rule `match: {kind: bias, gate: forget}`",
    )  # fmt: skip
