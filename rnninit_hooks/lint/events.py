"""What code was seen to do to parameters, in the order in which it does it."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rnninit_hooks.lint.values import GATES

if TYPE_CHECKING:
    from rnninit_hooks.lint.frames import Budget
    from rnninit_hooks.lint.values import Layer, Tensor, Tree, Value

Path = tuple[tuple[int, bool], ...]
ROUNDS, WRITES_OF_A_STEP, EVENTS_OF_A_STEP = 3, 4, 256


@dataclass(frozen=True)
class Write:
    """One initialisation of a tensor: by `nn.init`, by an in-place method, by assignment."""

    node: ast.AST
    op: str
    target: Tensor
    value: Value | None
    path: Path
    how: str
    """`init` for nn.init, `method`, `item` for `x[a:b] = v`, `data` for `x.data = v`, `replace` for a new Parameter."""
    grad: bool
    """True when autograd watches at this place: no `no_grad` around, no `.data` on the way."""
    caught: bool
    scope: str
    options: tuple[tuple[str, Value], ...] = ()
    narrowed: frozenset[str] | None = None
    calls: tuple[int, ...] = ()

    @property
    def kinds(self) -> frozenset[str]:
        """The classes that the layer can be of at this place."""
        own = self.target.parameter.owner.kinds
        return (own & self.narrowed) or own if self.narrowed else own

    @property
    def fused(self) -> bool:
        """Whether the parameter surely or probably holds the blocks of several gates."""
        owner = self.target.parameter.owner
        if not owner.recurrent:
            return (owner.gates or 1) > 1 and owner.kinds <= {"Custom", "Gates"}
        return any(GATES[kind] > 1 for kind in self.kinds)


@dataclass(frozen=True)
class NameTest:
    """A test of a parameter's name for a text."""

    node: ast.AST
    text: str
    how: str
    owner: Layer | Tree
    scope: str


@dataclass(frozen=True)
class Unpack:
    """A loop that takes the members of `all_weights` apart into a fixed number of names."""

    node: ast.AST
    owner: Layer
    count: int


@dataclass(frozen=True)
class Rebind:
    """A loop variable that holds a parameter and is bound to something else, which writes nothing."""

    node: ast.AST
    name: str
    target: Tensor


@dataclass(frozen=True)
class Chunk:
    """A parameter cut into a number of equal parts."""

    node: ast.AST
    target: Tensor
    count: int
    narrowed: frozenset[str] | None


@dataclass(frozen=True)
class Moment:
    """A checkpoint loaded into an object (`load`), or an initialisation of the whole object (`init`)."""

    node: ast.AST
    kind: str
    key: str
    path: Path
    words: str


@dataclass(frozen=True)
class Read:
    """A bias parameter taken by its name from a layer that may have been built without one."""

    node: ast.AST
    owner: Layer
    name: str
    guarded: bool


Event = Write | NameTest | Unpack | Rebind | Chunk | Moment | Read


@dataclass
class Journal:
    """The events of one entry into the code: a function with unknown arguments, or a module's body."""

    entry: str
    events: list[Event] = field(default_factory=list)
    seen_no_grad: set[int] = field(default_factory=set)
    statement: ast.expr | None = None
    """The expression statement being followed, whose value nobody takes."""
    bare: set[int] = field(default_factory=set)
    cut_off: ast.AST | None = None
    """Where an entry begins that was too long to be followed to its end."""

    budget: Budget | None = None
    """What notes are paid from: every one is compared with those before it."""
    repeats: Counter[tuple[int, Tensor]] = field(default_factory=Counter)
    has_moments: bool = False
    writes: list[Write] = field(default_factory=list)
    """The writes among the events."""

    def add(self, event: Event) -> None:
        """Note one; what the rounds of a loop around it write to the same rows again says nothing new."""
        if isinstance(event, Write):
            self.repeats[id(event.node), event.target] += 1
            if self.repeats[id(event.node), event.target] > ROUNDS:
                return
            self.writes.append(event)
        if self.budget is not None:
            self.budget.spend(len(self.events) // EVENTS_OF_A_STEP + len(self.writes) // WRITES_OF_A_STEP)
        self.has_moments |= isinstance(event, Moment)
        self.events.append(event)
        if self.statement is not None and getattr(event, "node", None) is self.statement:
            self.bare.add(id(event.node))


def compatible(one: Path, other: Path) -> bool:
    """Whether both can happen in one run: they never stand in opposite branches of one `if`.

    >>> compatible(((1, True),), ((1, False), (2, True)))
    False
    """
    taken = dict(one)
    return all(taken.get(branch, side) == side for branch, side in other)
