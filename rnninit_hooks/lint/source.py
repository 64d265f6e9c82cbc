"""A file becomes a syntax tree, or the finding that says why not."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from rnninit_hooks.findings import CODES, Finding, Place
from rnninit_hooks.lint.weight import too_heavy

if TYPE_CHECKING:
    from pathlib import Path

READ = 16_000_000
_TORCH = re.compile(rb"\btorch\b")
_SUBJECT = re.compile(rb"LSTM|GRU|RNN|lstm|gru|rnn|_[ih]h|all_weights|load_state_dict|parameters\(|// ?4")


@dataclass(frozen=True)
class Source:
    """A Python file that parses."""

    file: str
    text: str
    tree: ast.Module
    on_disk: bool = False
    """Whether it was read from a file, so that what it imports can be looked for beside it."""

    @cached_property
    def lines(self) -> list[str]:
        """The lines as the parser counts them; str.splitlines ends one at form feeds and other separators too."""
        return self.text.split("\n")

    def place(self, node: ast.AST) -> Place:
        """Where a node begins; columns count characters from 1."""
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        return Place(self.file, line, len(text[:column].encode()[:column].decode(errors="replace")) + 1)

    def finding(self, code: str, node: ast.AST, message: str, *, expected: str, fix: str) -> Finding:
        """A finding at a node, with its line and a caret."""
        place = self.place(node)
        text = self.lines[place.line - 1] if place.line <= len(self.lines) else ""
        start = max(0, place.column - 60) if len(text) > 200 else 0  # a line of a megabyte is shown around the column
        excerpt = f"{text[start : start + 200]}\n{' ' * (place.column - 1 - start)}^"
        return Finding(code, message, CODES[code].level, place=place, expected=expected, fix=fix, excerpt=excerpt)


def read(path: Path, name: str, *, whatever: bool = False) -> Source | Finding | None:
    """The source of a file; None for one in which torch or its parameters are never named, which is parsed unless it is huge.

    `whatever` gives such a file too, since it may pass on names of others.

    A file that is too large, is no UTF-8, does not parse or nests too deeply gives a finding, never an exception.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(READ + 1)  # a device or a log is never read to its end
    except OSError as error:
        return _unread(name, f"the file cannot be read: {error.strerror}", "a file that can be read")
    found = parse(data, name, whatever=whatever)
    return replace(found, on_disk=True) if isinstance(found, Source) else found


def parse(data: bytes, name: str, *, whatever: bool = False) -> Source | Finding | None:
    """As `read`, from bytes."""
    subject = whatever or len(data) > READ or bool(_TORCH.search(data) and _SUBJECT.search(data))
    if heavy := too_heavy(data):
        return _unread(name, *heavy) if subject else None
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = io.TextIOWrapper(io.BytesIO(data), encoding).read()
    except (SyntaxError, UnicodeError, LookupError) as error:
        return _unread(name, f"the bytes are no text: {_short(error)}", "UTF-8, or the encoding that the file declares")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of invalid escapes in other people's strings
            tree = ast.parse(text, name)
    except (SyntaxError, ValueError) as error:
        return _unread(name, f"the text does not parse: {_short(error)}", "Python source", getattr(error, "lineno", None) or 1)
    except (RecursionError, MemoryError):
        return _unread(name, "the text nests too deeply to be parsed", "source that Python itself can compile")
    return Source(name, text, tree) if subject else None


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 160 else f"{text[:157]}..."


def _unread(name: str, message: str, expected: str, line: int = 1) -> Finding:
    fix = "mend the file, or leave it out of the paths"
    return Finding("RNN320", message, "error", place=Place(name, line, 1), expected=expected, fix=fix)


def too_deep(name: str) -> Finding:
    """The finding for a tree that parses but nests deeper than it can be followed."""
    return _unread(name, "the code nests too deeply to be followed", "source that people wrote")
