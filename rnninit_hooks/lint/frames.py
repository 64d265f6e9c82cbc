"""Where the interpreter stands: what names hold, which branches it took, and what surrounds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rnninit_hooks.lint.events import Journal, Path
    from rnninit_hooks.lint.outline import ClassOutline, Outline
    from rnninit_hooks.lint.values import Value

STEPS, STEPS_OF_FILE = 40_000, 80_000
NAMES_OF_A_STEP = 64
DEEPEST = 40
CALLS = 4


class Spent(Exception):
    """The budget of one entry is used up; what was seen until then stands."""


@dataclass
class Purse:
    """How many expressions all entries of one file may cost."""

    left: int = STEPS_OF_FILE


@dataclass
class Budget:
    """How many expressions one entry may cost, out of what is left for its file."""

    purse: Purse
    left: int = STEPS
    depth: int = 0

    def spend(self, steps: int = 1) -> None:
        """Take some: one for an expression, more for what costs as much as many."""
        self.left -= steps
        self.purse.left -= steps
        if self.left < 0 or self.purse.left < 0:
            raise Spent


@dataclass
class Frame:
    """One function being followed."""

    journal: Journal
    outline: Outline
    scope: str
    names: dict[str, Value] = field(default_factory=dict)
    owner: ClassOutline | None = None
    path: Path = ()
    no_grad: bool = False
    caught: bool = False
    narrowed: frozenset[str] | None = None
    evidence: bool = False
    guarded: frozenset[str] = frozenset()
    calls: tuple[int, ...] = ()
    budget: Budget = field(default_factory=lambda: Budget(Purse()))
    prefixes: tuple[str, ...] = ()
    rounds: int = 1
    """How often the counting loops around this place go round."""
    doubt: bool = False
    """True where a condition about a parameter could not be decided: nothing is recorded there."""
    returned: list[Value] = field(default_factory=list)

    def branch(self, number: int, side: bool, **changes: object) -> Frame:
        """The same place inside one branch of an `if`, with names of its own."""
        return replace(self, names=self.own_names(), path=(*self.path, (number, side)), **changes)  # type: ignore[arg-type]

    def own_names(self, more: Mapping[str, Value] = MappingProxyType({})) -> dict[str, Value]:
        """A copy of the names, and more; copying thousands of them costs steps."""
        self.budget.spend(len(self.names) // NAMES_OF_A_STEP)
        return {**self.names, **more}

    def inside(self, **changes: object) -> Frame:
        """The same place and the same names in other surroundings, such as a `with no_grad()`."""
        return replace(self, **changes)  # type: ignore[arg-type]
