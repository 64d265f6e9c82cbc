"""A file is followed from every function it has, with unknown arguments, and from its top; each gives a journal."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from rnninit_hooks.lint import calling, expressions, statements
from rnninit_hooks.lint.core import run
from rnninit_hooks.lint.entering import filled, given, without_grad
from rnninit_hooks.lint.events import Journal
from rnninit_hooks.lint.frames import Budget, Frame, Purse, Spent
from rnninit_hooks.lint.neighbours import Home
from rnninit_hooks.lint.outline import Outline, outline
from rnninit_hooks.lint.outline import statements as every_statement
from rnninit_hooks.lint.trees import tree
from rnninit_hooks.lint.values import Layer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rnninit_hooks.findings import Place
    from rnninit_hooks.lint.outline import AnyFunction, ClassOutline, Sent
    from rnninit_hooks.lint.source import Source

CALLS_OF_A_FILE = 24
HANDLERS = (calling, expressions, statements)  # importing them fills the interpreter's tables
_WORTH = re.compile(r"init|weight|bias|parameters|load_state_dict|fill_|\.data\b")
_GATES = re.compile(
    r"(?:weight|bias)_(?:ih|hh)|orthogonal|xavier|glorot|named_parameters|\.parameters\(\)|all_weights|forget|\binit\.|init_?weights"
    r"|load_state_dict"
)
_INITIALISES = re.compile(
    r"(?:weight|bias)_(?:ih|hh)|orthogonal_?\(|xavier_|glorot|named_parameters|all_weights|forget_bias|(?:LSTM|GRU|RNN)(?:Cell)?\(|\binit\."
)
_DECLARED = re.compile(r"self\.([\w.]+)\s*(?::[^=\n]+)?=|[\"']([\w.]+)[\"']\s*[:\]]")
Entry: TypeAlias = "tuple[str, AnyFunction, ClassOutline | None]"


@dataclass(frozen=True)
class Study:
    """A file, what it declares, and what every entry into it does."""

    source: Source
    outline: Outline
    journals: tuple[Journal, ...]
    received: tuple[Sent, ...] = ()
    """The calls from other files that said what arguments are."""

    @cached_property
    def told(self) -> frozenset[str]:
        """Functions to which another file gives a layer that it builds."""
        calls = ((one.function, [*one.values, *(value for _, value in one.words)]) for one in self.received)
        return frozenset(name for name, values in calls if any(isinstance(one, Layer) and one.built for one in values))

    @property
    def open_lines(self) -> frozenset[int]:
        """The lines of functions with arguments of which no call of this run said anything."""
        known = {one.function for one in self.received}
        every = [(name, node, 0) for name, node in self.outline.functions.items()]
        for name, one in self.outline.classes.items():
            every += [(f"{name}.{key}", node, 1) for key, node in one.methods.items()]
        found = [node for name, node, own in every if name not in known and len(list(_arguments(node))) > own]
        return frozenset(line for node in found for line in range(node.lineno, (node.end_lineno or node.lineno) + 1))

    def caller(self, line: int) -> Place | None:
        """Where another file calls the function around a line."""
        for one in self.received:
            found = _named(self.outline, one.function)
            if found is not None and _holds(found[0], line):
                return one.place
        return None

    @cached_property
    def quiet(self) -> frozenset[int]:
        """Functions that the file itself calls under `no_grad`."""
        return frozenset().union(*(journal.seen_no_grad for journal in self.journals))

    @cached_property
    def reads(self) -> Mapping[str, list[int]]:
        """The lines in which each name is read, in order."""
        found: dict[str, list[int]] = {}
        for one in ast.walk(self.source.tree):
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load):
                found.setdefault(one.id, []).append(one.lineno)
        return {name: sorted(lines) for name, lines in found.items()}

    @cached_property
    def declared(self) -> str:
        """What the file gives a name of its own, one a line in small letters: attributes of `self`, and keys."""
        named = (one[1] or one[2] for one in _DECLARED.finditer(self.source.text.lower()))
        held = (name.lower() for each in self.outline.classes.values() for name in each.attributes)
        return "\n".join(dict.fromkeys([*named, *held]))

    @cached_property
    def places_of_parts(self) -> Mapping[int, frozenset[str]]:
        """Which parts of a layer (`ih`, `hh`) are written at a place of the code, by its node."""
        found: dict[int, set[str]] = {}
        for journal in self.journals:
            for write in journal.writes:
                found.setdefault(id(write.node), set()).add(write.target.parameter.part)
        return {node: frozenset(parts) for node, parts in found.items()}


def _holds(node: AnyFunction, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or 0)


def _arguments(node: AnyFunction) -> Iterator[ast.arg]:
    yield from [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]


def study(source: Source, received: Sequence[Sent] = ()) -> Study:
    """Follow a file; `received` are calls from other files, which say what some arguments are.

    Raises RecursionError where a tree is deeper than Python's own stack.
    """
    own = outline(source)
    return Study(source, own, (*_journals(own), *_told(own, received)), tuple(received))


def _told(own: Outline, received: Sequence[Sent]) -> Iterator[Journal]:
    """Functions once more, with the arguments that other files give them.

    All different calls from one file make one entry: together they may reach what one of them does not.
    """
    purse = Purse()
    calls: dict[tuple[str, str], dict[object, Sent]] = {}
    for one in received:
        calls.setdefault((one.function, one.place.file), {}).setdefault((one.values, one.words), one)
    for (name, _), different in calls.items():
        found = _named(own, name)
        if found is not None and purse.left > 0:
            yield _entry(own, name, purse, node=found[0], owner=found[1], calls=[*different.values()][:CALLS_OF_A_FILE])


def _named(own: Outline, name: str) -> tuple[AnyFunction, ClassOutline | None] | None:
    holder, _, last = name.rpartition(".")
    owner = own.classes.get(holder)
    node = owner.methods.get(last) if owner is not None else own.functions.get(last)
    return (node, owner) if node is not None else None


def _journals(own: Outline) -> Iterator[Journal]:
    """Journals until the steps for the file are spent; the one in which they are says so for all that follow."""
    purse = Purse()
    yield _entry(own, "<module>", purse, source=own.source.tree.body)
    for name, function, owner in sorted(_entries(own), key=lambda entry: not _speaks_of_gates(own, entry[1])):
        if purse.left < 0:
            if _speaks_of_gates(own, function):
                yield Journal(f"{name} and what follows", cut_off=function)
            return
        yield _entry(own, name, purse, node=function, owner=owner)


def _entries(own: Outline) -> Iterator[Entry]:
    for function in own.functions.values():
        yield from _function(own, function, None)
    for one in own.classes.values():
        for function in one.methods.values():
            yield from _function(own, function, one)


def _function(own: Outline, node: AnyFunction, owner: ClassOutline | None, outer: str = "") -> Iterator[Entry]:
    if not _worth_following(own, node):
        return
    name = ".".join(part for part in (owner.node.name if owner else "", outer, node.name) if part)
    yield name, node, owner
    for inner in every_statement(node.body):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _function(own, inner, None, name)


def _worth_following(own: Outline, node: AnyFunction) -> bool:
    return _WORTH.search(_text(own, node)) is not None


def _top(own: Outline) -> str:
    """The text of a file outside of its functions and classes."""
    closed = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    spoken = [one for one in own.source.tree.body if not isinstance(one, closed)]
    return "\n".join("\n".join(own.source.lines[one.lineno - 1 : one.end_lineno]) for one in spoken)


def _speaks_of_gates(own: Outline, node: AnyFunction) -> bool:
    """Whether it most likely initialises something, so that it is followed first."""
    return _GATES.search(_text(own, node)) is not None


def _text(own: Outline, node: AnyFunction) -> str:
    return "\n".join(own.source.lines[node.lineno - 1 : node.end_lineno])


def _entry(
    own: Outline, name: str, purse: Purse, *, node: AnyFunction | None = None, owner: ClassOutline | None = None,
    source: list[ast.stmt] | None = None, calls: Sequence[Sent] = (),
) -> Journal:  # fmt: skip
    budget = Budget(purse)
    journal = Journal(name, budget=budget)
    frame = Frame(journal, own, name, owner=owner, budget=budget)
    if node is not None:
        frame.calls = (id(node),)
        frame.names, frame.no_grad = given(node, frame), without_grad(node)
        _bind_self(node, owner, frame)
    body = node.body if node is not None else source or []
    try:
        for names in [filled(node, one.values, dict(one.words), frame) for one in calls if node is not None] or [frame.names]:
            frame.names = names
            run(body, frame)
    except Spent:  # what was seen within the budget stands
        journal.cut_off = node or body[0]
        if not (_speaks_of_gates(own, node) if node is not None else _INITIALISES.search(_top(own))):
            journal.cut_off = None
    return journal


def _bind_self(node: AnyFunction, owner: ClassOutline | None, frame: Frame) -> None:
    arguments = [*node.args.posonlyargs, *node.args.args]
    static = any(getattr(one, "id", "") in ("staticmethod", "classmethod") for one in node.decorator_list)
    if owner is None or not arguments or static:
        return
    budget = Budget(frame.budget.purse)
    scratch = frame.inside(journal=Journal("scratch", budget=budget), budget=budget)
    try:
        frame.names[arguments[0].arg] = tree(Home(frame.outline, owner), scratch)
    except Spent:
        frame.names[arguments[0].arg] = Layer(frozenset(), "self")
