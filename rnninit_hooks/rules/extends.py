"""Rule files that build on others: builtin, from an installed package, or beside; in order, once each, never in a circle."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from rnninit_hooks.findings import Place
from rnninit_hooks.rules.document import Document, read, shortened
from rnninit_hooks.rules.models import Allow, Rule, Setting
from rnninit_hooks.rules.parsing import Parsed, parse
from rnninit_hooks.rules.shelves import DISK, Shelf
from rnninit_hooks.rules.words import did_you_mean

DEEPEST, MOST = 16, 100
PRESETS = Path(__file__).parent.parent / "presets"
_NAMES = "name builtin:NAME, pkg:package/file.yaml, or a path"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass
class Merged:
    """What a file and everything that it extends come to."""

    rules: list[Rule] = field(default_factory=list)
    allow: list[Allow] = field(default_factory=list)
    seed: int | None = None
    untouched: Setting | None = None
    idle: Setting | None = None


@dataclass
class Reading:
    """The files read on the way, and the chain that leads to the present one."""

    documents: list[Document] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    shelf: Shelf = DISK
    """Where files that are named by a path are taken from."""


def preset_names() -> list[str]:
    """Names of the packaged rule files."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def merge(parsed: Parsed, base: Path | None, reading: Reading, chain: tuple[str, ...]) -> Merged:
    """A file's own rules after those of the files that it extends; problems go to the documents."""
    merged = Merged()
    reading.documents.append(parsed.document)
    if parsed.head is None:
        return merged
    own = len(parsed.document.problems)
    if _too_many(parsed.document, extends=parsed.head.extends, drop=parsed.head.drop):
        return merged
    for index, name in enumerate(parsed.head.extends):
        path = ("extends", index) if ("extends", index) in parsed.document.values else ("extends",)
        _extend(merged, name, parsed.document, parsed.document.place(path), base, reading, chain)
    complete = len(parsed.document.problems) == own and not any(
        document.problems for document in reading.documents if document is not parsed.document
    )
    _drop(merged, parsed, complete=complete)
    _add(merged, parsed)
    return merged


def _too_many(document: Document, **lists: tuple[str, ...]) -> bool:
    for key, names in lists.items():
        if len(names) > MOST:
            fix = "split the file, and let one extend the other"
            document.add("RNN018", f"`{key}` has {len(names)} entries, more than {MOST}", document.place((key,)), fix=fix)
            return True
    return False


def _extend(
    merged: Merged, name: str, document: Document, place: Place, base: Path | None, reading: Reading, chain: tuple[str, ...]
) -> None:
    found = _located(name, base, reading.shelf)
    if isinstance(found, str):
        document.add("RNN013", f"cannot extend {shortened(name)!r}: {found}", place, fix=_NAMES)
        return
    label, path, shelf = found
    key = shelf.key(path)
    if key in chain:
        circle = " -> ".join(Path(step).name for step in (*chain[chain.index(key) :], key))
        document.add(
            "RNN014",
            f"rule files extend each other in a circle: {circle}",
            place,
            fix="let the common rules stand in a third file",
        )
        return
    if key in reading.done:
        return
    if len(chain) > DEEPEST:
        fix = "let one file name them all in its `extends`"
        document.add("RNN018", f"rule files extend each other more than {DEEPEST} deep", place, fix=fix)
        return
    reading.done.add(key)
    inner = _read_file(shelf, path, label, document, place, name)
    if inner is not None:
        _take(merged, merge(parse(inner), path.parent, replace(reading, shelf=shelf), (*chain, key)))


def _read_file(shelf: Shelf, path: Path, label: str, document: Document, place: Place, name: str) -> Document | None:
    try:
        inner = read(shelf.raw_bytes(path), label)
    except OSError as error:
        message = f"cannot extend {shortened(name)!r}: {error.strerror or error}"
        document.add("RNN013", message, place, fix="name a file that can be read")
        return None
    inner.extended_from, inner.folder = place, path.parent
    return inner


def _located(name: str, base: Path | None, shelf: Shelf) -> tuple[str, Path, Shelf] | str:
    try:
        return _locate(name, base, shelf)
    except (OSError, ValueError, RuntimeError) as error:  # too long a name, a NUL in it, or `~` of nobody
        return f"this names no file ({getattr(error, 'strerror', None) or error})"


def _locate(name: str, base: Path | None, shelf: Shelf) -> tuple[str, Path, Shelf] | str:
    if name.startswith("builtin:"):
        preset = name.removeprefix("builtin:")
        known = preset_names()
        return (
            (name, PRESETS / f"{preset}.yaml", DISK)
            if preset in known
            else f"no such preset{did_you_mean(preset, known)}; there are {', '.join(known)}"
        )
    if name.startswith("pkg:"):
        return _in_package(name)
    if _URL.match(name):
        return "rules are never fetched from a network"
    path = Path(name).expanduser()
    if not path.is_absolute() and base is None:
        return "a relative path needs a file to be relative to"
    path = path if path.is_absolute() else (base or Path()) / path
    if shelf.holds(path):
        return shelf.label(path), path, shelf
    return f"there is no such file{did_you_mean(path.name, shelf.beside(path))}"


def _in_package(name: str) -> tuple[str, Path, Shelf] | str:
    """Found without importing the package, since an import runs its code."""
    dotted, _, inside = name.removeprefix("pkg:").partition("/")
    if not inside or Path(inside).anchor or ".." in Path(inside).parts:
        return "expected pkg:package/path/to/file.yaml, inside the package"
    top, *rest = dotted.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    roots = [Path(root).joinpath(*rest) for root in (spec.submodule_search_locations or [])] if spec else []
    if not roots:
        return f"no package {top!r} is installed"
    path = next((root / inside for root in roots if (root / inside).is_file()), None)
    return (name, path, DISK) if path else f"the package {dotted!r} has no file {inside!r}"


def _take(merged: Merged, inner: Merged) -> None:
    own = {rule.id for rule in inner.rules}
    merged.rules = [rule for rule in merged.rules if rule.id not in own] + [_inherit(rule) for rule in inner.rules]
    merged.allow += inner.allow
    _settings(merged, inner.seed, inner.untouched, inner.idle)


def _inherit(rule: Rule) -> Rule:
    return rule.with_origin(rule.origin, inherited=True)


def _settings(merged: Merged, seed: int | None, untouched: Setting | None, idle: Setting | None) -> None:
    merged.seed = merged.seed if seed is None else seed
    merged.untouched = untouched or merged.untouched
    merged.idle = idle or merged.idle


def _drop(merged: Merged, parsed: Parsed, *, complete: bool) -> None:
    """Leave rules out; an id is called unknown only when every extended file could be read."""
    assert parsed.head is not None  # merge returned before
    for index, name in enumerate(parsed.head.drop):
        ids = [rule.id for rule in merged.rules]
        if name not in ids and complete:
            path = ("drop", index) if ("drop", index) in parsed.document.values else ("drop",)
            message = f"no extended rule has the id {name!r}{did_you_mean(name, ids)}"
            parsed.document.add(
                "RNN015",
                message,
                parsed.document.place(path),
                expected=f"one of {', '.join(ids)}" if ids else "an extended rule",
            )
        merged.rules = [rule for rule in merged.rules if rule.id != name]


def _add(merged: Merged, parsed: Parsed) -> None:
    assert parsed.head is not None  # merge returned before
    own = {rule.id for rule in parsed.rules}
    merged.rules = [rule for rule in merged.rules if rule.id not in own] + list(parsed.rules)
    merged.allow += parsed.allow
    _settings(merged, parsed.head.seed, parsed.head.untouched, parsed.head.idle)
