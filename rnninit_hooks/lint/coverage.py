"""Which layers and directions a function reaches, against those that the layer has or may have."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rnninit_hooks.lint.values import STACKS, Num

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.lint.events import Journal, Write
    from rnninit_hooks.lint.reading import Study
    from rnninit_hooks.lint.values import Layer

_FILLS = frozenset({"orthogonal", "xavier", "kaiming", "constant", "normal", "uniform", "eye", "rand", "add"})


@dataclass(frozen=True)
class Reach:
    """The first write to a layer in one entry, and all (layer, reverse) pairs that its writes reach."""

    write: Write
    owner: Layer
    reached: frozenset[tuple[int, bool]]

    @property
    def forward_only(self) -> bool:
        """True when no write goes to a reverse direction."""
        return not any(reverse for _, reverse in self.reached)

    @property
    def first_only(self) -> bool:
        """True when no write goes beyond layer 0."""
        return {layer for layer, _ in self.reached} == {0}


def reaches(study: Study) -> Iterator[Reach]:
    """Every stack that some entry writes to by hard-coded names; where a loop prepares all of it, what comes on top of that."""
    for journal in study.journals:
        for every in _by_owner(journal).values():
            writes = [one for one in every if _on_top(one)] if any(one.target.looped for one in every) else every
            pairs = frozenset((one.target.parameter.layer, one.target.parameter.reverse) for one in writes)
            if writes and not any(one.target.looped for one in writes):
                yield Reach(writes[0], writes[0].target.parameter.owner, pairs)


def _on_top(write: Write) -> bool:
    """A number for one gate, such as the forget bias, and not the zeros or the matrices that all gates get."""
    zero = isinstance(write.value, Num) and write.value.value == 0
    return not write.target.whole and write.op in ("constant", "add") and not zero


def _by_owner(journal: Journal) -> dict[str, list[Write]]:
    found: dict[str, list[Write]] = {}
    for write in journal.writes:
        own = write.target.parameter
        if own.owner.recurrent and own.owner.kinds & STACKS and write.op in _FILLS and "_l" in own.name:
            found.setdefault(own.owner.key, []).append(write)
    return found


def candidates(study: Study, owner: Layer, write: Write) -> list[Layer]:
    """The layers that a write may meet: the one built in sight, those of its kind in the file, or an unknown one.

    Empty when there is no reason to think of any other than a single forward layer, and where callers in other files of the
    project say which layers are meant: these are judged by themselves.
    """
    if owner.built:
        return [owner]
    built = [one for one in study.outline.built if one.kinds & owner.kinds]
    if built:
        return built
    return [owner] if is_argument(study, owner, write) and write.scope not in study.told else []


def is_argument(study: Study, owner: Layer, write: Write) -> bool:
    """Whether the layer comes from outside the file: as an argument of a function, or of the method that writes to it."""
    if not owner.key.isidentifier() or owner.key == "self":
        return False
    return write.scope.count(".") == 0 or (len(write.calls) == 1 and owner.key in _arguments(study, write))


def _arguments(study: Study, write: Write) -> set[str]:
    methods = [method for one in study.outline.classes.values() for method in one.methods.values()]
    nodes = [each for method in methods if id(method) in write.calls for each in ast.walk(method.args)]
    return {each.arg for each in nodes if isinstance(each, ast.arg)}
