"""Layouts as files: read with the reader of rule files, written as YAML or as registration code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from rnninit_hooks.errors import LayoutFileError, RegistrationError
from rnninit_hooks.findings import Finding
from rnninit_hooks.layouts.model import Kind, Layout, Part
from rnninit_hooks.rules.document import Document, raw_bytes, read
from rnninit_hooks.rules.problems import report


def _tuple(value: Any) -> Any:
    return tuple(_tuple(item) for item in value) if isinstance(value, list) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_tuple)]


_WORDS = {"pattern": "match"}


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PartEntry(_Entry):
    """One part as it stands in a file; `match` is the pattern."""

    name: str
    match: str
    kind: Kind | None = None
    order: Words = ()
    axis: int = 0
    transposed: bool = False
    partner: str | None = None
    effective: str | None = None
    sign: Literal[1, -1] = 1
    interleaved: bool = False
    sizes: Annotated[tuple[int | str, ...], BeforeValidator(_tuple)] = ()
    columns: Annotated[tuple[tuple[Kind, int | str | None], ...], BeforeValidator(_tuple)] = ()
    fixed: Annotated[tuple[tuple[int, int], ...], BeforeValidator(_tuple)] = ()


class LayoutEntry(_Entry):
    """One layout as it stands in a file."""

    name: str
    classes: Words
    parts: Annotated[tuple[PartEntry, ...], BeforeValidator(_tuple)]
    short: dict[str, str] = {}
    separate: Words = ()
    polarity: dict[str, Literal[1, -1]] = {}
    constant: dict[str, float] = {}
    size: str | None = None
    recurrent: bool = True
    required: Words = ()
    when: Annotated[tuple[tuple[str, bool | int | str | None], ...], BeforeValidator(_tuple)] = ()


class LayoutFile(_Entry):
    """A file of layouts."""

    version: Literal[1]
    layouts: Annotated[tuple[LayoutEntry, ...], BeforeValidator(_tuple)]


def load_layouts(path: str | Path) -> tuple[Layout, ...]:
    """Read a file of layouts, without registering them; `ri.register_layout` does that.

    Raises `LayoutFileError`, whose `findings` list every problem with file, line and column.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "ring.layouts.yaml"
    >>> part = "{name: w, match: gates, kind: recurrent, order: [keep, new]}"
    >>> text = "version: 1\\nlayouts:\\n  - {name: ring, classes: [acme.Ring], parts: [" + part + "], polarity: {keep: 1}}\\n"
    >>> _ = file.write_text(text)
    >>> load_layouts(file)[0].retain
    'keep'
    """
    try:
        raw = raw_bytes(Path(path))
    except (OSError, ValueError) as error:
        raise LayoutFileError([Finding("RNN001", f"{path} cannot be read: {error}", fix="name a file of layouts")]) from error
    return _layouts(read(raw, str(path)))


def _layouts(document: Document) -> tuple[Layout, ...]:
    found: list[Layout] = []
    if not document.problems:
        try:
            found = [_layout(entry) for entry in LayoutFile.model_validate(document.data).layouts]
        except ValidationError as error:
            report(document, (), error, LayoutFile)
        except RegistrationError as error:
            document.add("RNN009", str(error), document.place(()))
    if document.problems:
        raise LayoutFileError(document.problems)
    return tuple(found)


def _layout(entry: LayoutEntry) -> Layout:
    facts = {name: getattr(entry, name) for name in LayoutEntry.model_fields if name != "parts"}
    return Layout(parts=tuple(_part(part) for part in entry.parts), **facts)


def _part(entry: PartEntry) -> Part:
    facts = {name: getattr(entry, name) for name in PartEntry.model_fields if name != "match"}
    return Part(pattern=entry.match, **facts)


def as_yaml(layouts: Iterable[Layout]) -> str:
    """Layouts as the text of a file that `load_layouts` reads back; evidence stands in comments."""
    blocks = ["version: 1", "layouts:"]
    for layout in layouts:
        blocks += [f"  # {line}" for line in layout.evidence]
        text = yaml.safe_dump([_plain(layout)], sort_keys=False, width=110, default_flow_style=None, allow_unicode=True)
        blocks += [f"  {line}" for line in text.rstrip().splitlines()]
    return "\n".join(blocks) + "\n"


def _plain(layout: Layout) -> dict[str, Any]:
    facts = {name: value for name, value in _told(layout).items() if name not in ("parts", "evidence", "confidence")}
    parts = [{_WORDS.get(name, name): _listed(value) for name, value in _told(part).items()} for part in layout.parts]
    return {**{name: _listed(value) for name, value in facts.items()}, "parts": parts}


def _listed(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_listed(item) for item in value]
    return dict(value) if hasattr(value, "items") else value


def _told(one: Layout | Part) -> dict[str, Any]:
    """The fields that are not at their defaults."""
    told = {}
    for field in fields(one):
        value = getattr(one, field.name)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if value != default:
            told[field.name] = value
    return told


def as_code(layouts: Iterable[Layout]) -> str:
    """Layouts as Python that registers them."""
    lines = ["import rnninit_hooks as ri"]
    for layout in layouts:
        facts = {name: value for name, value in _told(layout).items() if name not in ("parts", "evidence", "confidence")}
        lines += ["", *(f"# {line}" for line in layout.evidence), "ri.register_layout(", "    ri.Layout("]
        lines += [f"        {name}={value!r}," for name, value in facts.items()]
        lines += ["        parts=(", *(f"            ri.Part({_arguments(part)})," for part in layout.parts), "        ),"]
        lines += ["    )", ")"]
    return "\n".join(lines) + "\n"


def _arguments(part: Part) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in _told(part).items())
