"""YAML text becomes plain data and the place of everything in it; every structural problem is gathered, none raises."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any

import yaml

from rnninit_hooks.findings import Finding, Place
from rnninit_hooks.rules.scalars import REFUSED, scalar

Path = tuple[str | int, ...]
DEEPEST, MOST_NODES, LARGEST = 32, 6_000, 64 * 1024
_AGAIN = "\0again"  # no key can be spelt so: a key that is left out must not move the place of one that stays
_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")  # where YAML ends a line; str.splitlines knows more


class _Stop(Exception):
    """Reading cannot go on; the problem is recorded."""


@dataclass
class Document:
    """Plain data, where every key and value stands, and what was wrong with the text."""

    name: str
    lines: list[str]
    data: Any = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    problems: list[Finding] = field(default_factory=list)
    extended_from: Place | None = None
    """Where another file names this one in its `extends`."""
    folder: File | None = None
    """What relative paths in it are relative to; None for a text that is no file."""

    def place(self, path: Path, *, of_key: bool = False) -> Place:
        """Where a value (or its key) stands; the nearest place above it when it is not there."""
        for length in range(len(path), -1, -1):
            table = self.keys if of_key and length == len(path) else self.values
            if found := table.get(path[:length]):
                return found
        return Place(self.name, 1, 1)

    def add(self, code: str, message: str, place: Place, **facts: str | None) -> None:
        """Record a problem with the line it stands on and a caret under the column."""
        self.problems.append(Finding(code, message, place=place, excerpt=self.excerpt(place), **facts))  # type: ignore[arg-type]

    def excerpt(self, place: Place) -> str | None:
        """The source line, shortened around the column, and a caret."""
        if not 1 <= place.line <= len(self.lines):
            return None
        text, column = self.lines[place.line - 1], place.column - 1
        start = max(0, column - 60)
        shown = "".join(char if char.isprintable() else " " for char in text[start : start + 100])
        return f"    {shown}\n    {' ' * (column - start)}^"


def raw_bytes(path: File) -> bytes:
    """A file's bytes, at most one more than a rule file may have: a device or a log is never read to its end."""
    with path.open("rb") as stream:
        return stream.read(LARGEST + 1)


def read(raw: bytes | str, name: str) -> Document:
    """Read a rule file's bytes; the result always comes, with its problems."""
    if len(raw) > LARGEST:
        return _too_large(name)
    text = raw.removeprefix("\ufeff") if isinstance(raw, str) else _decoded(raw, name)
    if isinstance(text, Finding):
        return Document(name, [], problems=[text])
    document = Document(name, _BREAK.split(text))
    try:
        _Builder(document).build(text)
    except _Stop:
        document.data = None
    return document


def _too_large(name: str) -> Document:
    message = f"the file is larger than {LARGEST // 1024} KiB"
    fix = "is this a rule file? if so, split it, and use `extends`"
    return Document(name, [], problems=[Finding("RNN018", message, place=Place(name, 1, 1), fix=fix)])


def _decoded(raw: bytes, name: str) -> str | Finding:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig", errors="replace")
        return Finding(
            "RNN001", f"byte {raw[error.start]:#04x} is no UTF-8 text", place=_end_of(before, name),
            expected="a YAML text in UTF-8", fix="is this a binary file, or one saved in another encoding?",
        )  # fmt: skip


def _end_of(text: str, name: str) -> Place:
    lines = _BREAK.split(text)
    return Place(name, len(lines), len(lines[-1]) + 1)


def shortened(text: str) -> str:
    """At most 40 characters of a text that a message quotes."""
    return text if len(text) <= 40 else f"{text[:40]}…"


class _Builder:
    """A tree from PyYAML's events: no constructors, so nothing is ever run."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.nodes = 0

    def build(self, text: str) -> None:
        events = self._events(text)
        next(events)  # the start of the stream
        first = next(events)
        if isinstance(first, yaml.StreamEndEvent):
            return
        self._directives(first)
        self.document.data = self._node(next(events), events, (), 0)
        next(events)  # the end of the document
        after = next(events)
        if not isinstance(after, yaml.StreamEndEvent):
            self._refuse(after, "a second document begins here", "one document per file; remove the `---`")

    def _directives(self, start: Any) -> None:
        if start.tags or start.version not in (None, (1, 2)):
            self._refuse(start, "a directive (%YAML or %TAG) stands here", "remove it; rule files are read as YAML 1.2")

    def _events(self, text: str) -> Iterator[Any]:
        try:
            yield from yaml.parse(text, Loader=yaml.SafeLoader)
        except yaml.reader.ReaderError as error:
            place = _end_of(text[: error.position], self.document.name)
            self.document.add(
                "RNN001", f"character {error.character:#06x} cannot stand in a text", place, fix="is this a binary file?"
            )
            raise _Stop from error
        except yaml.MarkedYAMLError as error:
            self._syntax(error)
            raise _Stop from error

    def _syntax(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        place = self._place(mark) if mark else Place(self.document.name, 1, 1)
        tab = "\\t" in str(error.problem)
        fix = (
            "indent with spaces; YAML allows no tabs"
            if tab
            else "check indentation, quotes and brackets on this line and above"
        )
        self.document.add("RNN002", f"this is not YAML: {error.problem or error.context or 'unreadable'}", place, fix=fix)

    def _place(self, mark: Any) -> Place:
        return Place(self.document.name, mark.line + 1, mark.column + 1)

    def _refuse(self, event: Any, message: str, fix: str) -> None:
        self.document.add("RNN004", message, self._place(event.start_mark), fix=fix)

    def _node(self, event: Any, events: Iterator[Any], path: Path, depth: int) -> Any:
        self.nodes += 1
        place = self._place(event.start_mark)
        if depth > DEEPEST or self.nodes > MOST_NODES:
            what = f"nesting deeper than {DEEPEST}" if depth > DEEPEST else f"more than {MOST_NODES} values"
            self.document.add("RNN018", f"{what} is no rule file", place, fix="flatten it")
            raise _Stop
        self.document.values[path] = place
        self._plain_only(event)
        build: dict[type, Callable[[], Any]] = {
            yaml.ScalarEvent: lambda: self._scalar(event, place),
            yaml.SequenceStartEvent: lambda: self._sequence(events, path, depth),
            yaml.MappingStartEvent: lambda: self._mapping(events, path, depth),
            yaml.AliasEvent: lambda: None,
        }
        return build[type(event)]()

    def _plain_only(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._refuse(
                event, f"the alias *{event.anchor} stands here", "write the value itself, or share rules with `extends`"
            )
            return
        if event.anchor is not None:
            self._refuse(event, f"the anchor &{event.anchor} stands here", "remove it; a rule file has no anchors")
        if event.tag is not None:
            self._refuse(event, f"the tag {event.tag} stands here", "remove it; a rule file is plain data and runs nothing")

    def _sequence(self, events: Iterator[Any], path: Path, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self._node(event, events, (*path, len(items)), depth + 1))
        return items

    def _mapping(self, events: Iterator[Any], path: Path, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key, place = self._key(event, events, path, depth), self._place(event.start_mark)
            if key is None or key in found:
                self._node(next(events), events, (*path, _AGAIN), depth + 1)
                self._twice((*path, key), place)
            else:
                self.document.keys[(*path, key)] = place
                found[key] = self._node(next(events), events, (*path, key), depth + 1)
        return found

    def _twice(self, path: tuple[Any, ...], place: Place) -> None:
        if path[-1] is not None:
            first = self.document.keys[path]
            message = f"the key {shortened(path[-1])!r} stands twice; first in line {first.line}"
            self.document.add("RNN003", message, place, fix="remove one")

    def _key(self, event: Any, events: Iterator[Any], path: Path, depth: int) -> str | None:
        """A key; None, with its problem recorded, for what can be none."""
        if isinstance(event, yaml.AliasEvent):
            self._plain_only(event)
            return None
        if not isinstance(event, yaml.ScalarEvent):
            self._node(event, events, (*path, _AGAIN), depth + 1)
            place = self._place(event.start_mark)
            self.document.add("RNN008", "a key must be a word", place, expected="a word such as `match`")
            return None
        self._plain_only(event)
        if event.value == "<<" and event.style is None:
            self._refuse(event, "the merge key << stands here", "write the keys out, or share rules with `extends`")
            return None
        return str(event.value)

    def _scalar(self, event: Any, place: Place) -> Any:
        if event.style is not None or not event.implicit[0]:
            return event.value
        value = scalar(event.value)
        if value is REFUSED:
            self.document.add(
                "RNN009",
                f"{shortened(event.value)} is no number that a rule can hold",
                place,
                expected="a finite number such as 1.0",
            )
            return 1  # any number, so that the refused one is not complained of twice
        return value
