"""What a file declares before anything runs: imports, classes, functions, and the words it uses."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rnninit_hooks.lint.values import RECURRENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Place
    from rnninit_hooks.lint.neighbours import Home
    from rnninit_hooks.lint.source import Source
    from rnninit_hooks.lint.values import Layer, Value

AnyFunction: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
NORMS = frozenset({
    "LayerNorm", "RMSNorm", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "SyncBatchNorm",
})  # fmt: skip
_MODULES = ("nn", "torch")
_INITIALISES = re.compile(
    r"\binit\.|orthogonal|xavier|glorot|kaiming|(?:fill|normal|uniform|zero|copy)_\(|\.data\b|_weights|weights?_init|reset_param"
)
INITIALISERS = re.compile(
    r"init|reset|weight|bias|param|orth|xavier|glorot|kaiming|forget|uniform|normal|fill|zero|set", re.IGNORECASE
)  # what functions are called that may initialise something


@dataclass
class ClassOutline:
    """One class: its methods, its bases by name, and what its attributes hold."""

    node: ast.ClassDef
    methods: dict[str, AnyFunction]
    bases: tuple[str, ...]
    attributes: dict[str, Value] = field(default_factory=dict)
    lineage: tuple[Home, ...] = ()
    """The class and its bases, once something asked for them."""


@dataclass(frozen=True)
class Sent:
    """A call of a function in another file of the project, with what its arguments are known to be."""

    file: str
    function: str
    """Its name there, `Class.method` for a method."""
    values: tuple[Value, ...]
    words: tuple[tuple[str, Value], ...]
    place: Place


@dataclass(frozen=True)
class Mentions:
    """The names in an expression, and whether it speaks of a bias."""

    names: frozenset[str]
    bias: bool


@dataclass
class Outline:
    """One file."""

    source: Source
    imports: dict[str, str]
    functions: dict[str, AnyFunction]
    classes: dict[str, ClassOutline]
    words: frozenset[str]
    names: frozenset[str] = frozenset()
    """The words that are names, and not in texts: `'rnn' in name` speaks of any recurrent layer."""
    stars: tuple[str, ...] = ()
    """What stands before the names of modules of which everything is imported."""
    neighbour: bool = False
    """True for a file that is read on behalf of another one."""
    resolved: dict[tuple[str, int], tuple[Outline, str] | None] = field(default_factory=dict)
    """Where names that this file imports are defined, as far as anything asked."""
    sent: list[Sent] = field(default_factory=list)
    built: set[Layer] = field(default_factory=set)
    _mentions: dict[int, Mentions] = field(default_factory=dict)

    @cached_property
    def folder(self) -> str:
        """Where the file lies."""
        return str(Path(self.source.file).parent)

    @cached_property
    def initialises(self) -> bool:
        """Whether the text speaks of initialisation at all; where it does not, nobody asks what other files hold."""
        return _INITIALISES.search(self.source.text) is not None

    @cached_property
    def tables(self) -> dict[str, ast.Dict]:
        """Tables that the file keeps under a name at its top, such as those of initialisers."""
        tops = [one for one in self.source.tree.body if isinstance(one, ast.Assign) and isinstance(one.value, ast.Dict)]
        named = [(one.targets[0], one.value) for one in tops]
        return {target.id: value for target, value in named if isinstance(target, ast.Name) and isinstance(value, ast.Dict)}

    def mentions(self, node: ast.expr) -> Mentions:
        """What an expression speaks of, read once however often a loop comes by."""
        found = self._mentions.get(id(node))
        if found is None:
            inner = list(ast.walk(node))
            names = frozenset(one.id for one in inner if isinstance(one, ast.Name))
            words = (getattr(one, "attr", getattr(one, "id", getattr(one, "value", ""))) for one in inner)
            found = self._mentions[id(node)] = Mentions(names, any("bias" in str(word) for word in words))
        return found

    @property
    def plain_rnn_only(self) -> bool:
        """True when the only recurrent layer that the file names is the one without gates."""
        gated = {"LSTM", "GRU", "LSTMCell", "GRUCell", "RNNBase"}
        return bool(self.names & {"RNN", "RNNCell"}) and not self.words & gated

    def kinds(self, node: ast.expr) -> frozenset[str] | None:
        """The class of torch.nn that a name stands for: `nn.LSTM`, `torch.nn.GRU`, `LSTM` imported from torch.nn."""
        name = dotted(node)
        head, _, rest = name.partition(".")
        full = self.imports.get(head)
        if full is not None:
            name = f"{full}.{rest}" if rest else full
            if name.startswith("."):
                return None
        elif not self._assumed(head, rest):
            return None
        root, _, last = name.rpartition(".")
        return _kind(last) if not root or root.split(".")[0] in _MODULES else None

    def _assumed(self, head: str, rest: str) -> bool:
        """Names that no import explains: `nn.LSTM` counts, `LSTM` alone after `from torch.nn import *` only."""
        if rest:
            return head in _MODULES
        return head not in self.classes and self.imports.get("*", "").startswith("torch")


def _kind(last: str) -> frozenset[str] | None:
    if last in RECURRENT:
        return frozenset({last})
    if last == "RNNBase":
        return frozenset({"LSTM", "GRU", "RNN"})
    if last == "RNNCellBase":
        return frozenset({"LSTMCell", "GRUCell", "RNNCell"})
    if last in NORMS:
        return frozenset({"Norm"})
    return frozenset({"Linear"}) if last == "Linear" else None


def dotted(node: ast.AST) -> str:
    """A chain of names as text, or "" for anything else.

    >>> dotted(ast.parse("self.encoder.rnn", mode="eval").body)
    'self.encoder.rnn'
    """
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])


def outline(source: Source, *, neighbour: bool = False) -> Outline:
    """Read a file's declarations."""
    body = list(statements(source.tree.body))
    every = body if neighbour else list(ast.walk(source.tree))
    imports = dict(pair for node in every if isinstance(node, ast.Import | ast.ImportFrom) for pair in _imported(node))
    stars = [_star(node) for node in every if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"]
    words = frozenset(_words_of_text(source.text) if neighbour else _words(every))
    names = words if neighbour else frozenset(_names(every))
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    classes = {node.name: _class(node) for node in body if isinstance(node, ast.ClassDef)}
    return Outline(source, imports, functions, classes, words, names, tuple(stars), neighbour)


def _names(nodes: list[ast.AST] | list[ast.stmt]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id


def _words(nodes: list[ast.AST] | list[ast.stmt]) -> Iterator[str]:
    yield from _names(nodes)
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 20:
            yield node.value.upper()


def _words_of_text(text: str) -> Iterator[str]:
    """Much the same without a walk, for a file of which one class is of interest."""
    yield from re.findall(r"[A-Za-z_]\w*", text)
    yield from (word.upper() for word in re.findall(r"[\"'](\w{1,19})[\"']", text))


def _star(node: ast.ImportFrom) -> str:
    """What stands before each name that is imported: `.utils.` of `from .utils import *`."""
    return "." * node.level + (f"{node.module}." if node.module else "")


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    for name in node.names:
        if isinstance(node, ast.ImportFrom):
            yield name.asname or name.name, (node.module or "") if name.name == "*" else f"{_star(node)}{name.name}"
        elif name.asname:
            yield name.asname, name.name
        else:
            head = name.name.partition(".")[0]
            yield head, head


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a block and of the blocks inside it, functions and classes left closed."""
    waiting = list(reversed(body))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = [block for name in ("body", "orelse", "finalbody") for block in getattr(node, name, [])]
            inner += [one for handler in getattr(node, "handlers", []) for one in handler.body]
            waiting.extend(reversed([one for one in inner if isinstance(one, ast.stmt)]))


def _class(node: ast.ClassDef) -> ClassOutline:
    methods = {one.name: one for one in statements(node.body) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
    return ClassOutline(node, methods, tuple(dotted(base) for base in node.bases))
