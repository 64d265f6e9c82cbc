"""Files that a file imports from its own project: found on disk beside it, parsed as it is, never run."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rnninit_hooks.lint.outline import Outline, outline
from rnninit_hooks.lint.source import Source, read

if TYPE_CHECKING:
    from rnninit_hooks.lint.outline import AnyFunction, ClassOutline

_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg")
_HIGHEST, _HOPS, _MOST_BASES, _MOST_STARS, _LARGEST, _SMALL = 6, 3, 16, 16, 400_000, 60_000
_LAYERS = re.compile(rb"\b(?:LSTM|GRU|RNN)(?:Cell)?\b|(?:weight|bias)_(?:ih|hh)|orthogonal_")


class Home(NamedTuple):
    """A class, and the file that defines it."""

    outline: Outline
    own: ClassOutline


class Method(NamedTuple):
    """A method, and the class that defines it."""

    home: Home
    node: AnyFunction


def class_named(name: str, asking: Outline) -> Home | None:
    """The class of that name in a file, or in the neighbour from which it is imported."""
    if name in asking.classes:
        return Home(asking, asking.classes[name])
    if not (asking.initialises or asking.neighbour) or not name.rpartition(".")[2][:1].isupper():
        return None
    found = imported(name, asking)
    return Home(found[0], found[0].classes[found[1]]) if found is not None and found[1] in found[0].classes else None


def lineage(home: Home) -> tuple[Home, ...]:
    """A class and its bases as far as they are known, each once, nearest first; no more than people write."""
    if not home.own.lineage:
        found = [home]
        for one in found:
            for name in one.own.bases[:_MOST_BASES]:
                base = class_named(name, one.outline)
                if base is not None and len(found) < _MOST_BASES and all(base.own is not other.own for other in found):
                    found.append(base)
        home.own.lineage = tuple(found)
    return home.own.lineage


def method_of(home: Home, name: str) -> Method | None:
    """A method of a class or of its bases."""
    return next((Method(one, one.own.methods[name]) for one in lineage(home) if name in one.own.methods), None)


def imported(name: str, asking: Outline, hops: int = _HOPS) -> tuple[Outline, str] | None:
    """The neighbour that defines an imported function or class, and its name there; None for what is no neighbour's."""
    if (name, hops) not in asking.resolved:
        asking.resolved[name, hops] = _imported(name, asking, hops)
    return asking.resolved[name, hops]


def _imported(name: str, asking: Outline, hops: int) -> tuple[Outline, str] | None:
    head, _, rest = name.partition(".")
    origin = asking.imports.get(head)
    if origin is None:
        return _by_star(name, asking, hops) if not rest else None
    return _defined(f"{origin}.{rest}" if rest else origin, asking, hops)


def _by_star(name: str, asking: Outline, hops: int) -> tuple[Outline, str] | None:
    found = (_defined(f"{origin}{name}", asking, hops) for origin in asking.stars[:_MOST_STARS])
    return next((one for one in found if one is not None), None)


def _defined(full: str, asking: Outline, hops: int) -> tuple[Outline, str] | None:
    dots = len(full) - len(full.lstrip("."))
    *parts, name = full[dots:].split(".")
    path = _located(dots, tuple(parts), asking.folder) if asking.source.on_disk and (parts or dots) else None
    other = _outline_of(path, asking) if path is not None and path != asking.source.file else None
    if other is None:
        return None
    if name in other.functions or name in other.classes:
        return other, name
    return imported(name, other, hops - 1) if hops else None


def _outline_of(path: str, asking: Outline) -> Outline | None:
    worth = _worth(path)
    return _declared(path) if worth == "layers" or (worth == "perhaps" and not asking.neighbour) else None


@lru_cache(maxsize=4096)
def _worth(path: str) -> str:
    """What a neighbour's text promises: it names recurrent layers, or may pass on or initialise those of others, or nothing.

    A neighbour's neighbours are opened for the layers in them only; a whole library hangs together by its imports.
    """
    try:
        data = Path(path).read_bytes()[:_LARGEST]
    except OSError:
        return ""
    if _LAYERS.search(data) or path.endswith("__init__.py"):
        return "layers"
    return "perhaps" if len(data) < _SMALL and (b"torch" in data or b"nn." in data) else ""


@lru_cache(maxsize=256)
def _declared(path: str) -> Outline | None:
    """What a neighbour declares, read once for all that ask; circles of imports close here."""
    found = read(Path(path), path, whatever=True)
    return outline(found, neighbour=True) if isinstance(found, Source) else None


@lru_cache(maxsize=4096)
def _located(dots: int, parts: tuple[str, ...], folder: str) -> str | None:
    """The file of a module: in the folder of the file that asks, and in those above it as far as the project reaches."""
    try:
        bases = [Path(folder, *[".."] * (dots - 1))] if dots else _roots(Path(folder))
        places = [base.joinpath(*parts) for base in bases]
        files = [one for place in places for one in (place.with_name(f"{place.name}.py"), place / "__init__.py") if place.name]
        return next((str(one) for one in files if one.is_file()), None)
    except (OSError, ValueError):  # names that no file system can hold
        return None


@lru_cache(maxsize=1024)
def _roots(folder: Path) -> list[Path]:
    """A folder and those above it, up to the one that marks a project; without a mark, as far as its packages go."""
    above = [folder, *(folder / "/".join([".."] * level) for level in range(1, _HIGHEST))]
    ends = [level for level, one in enumerate(above) if any((one / mark).exists() for mark in _MARKS)]
    if ends:
        return above[: ends[0] + 1]
    packages = next((level for level, one in enumerate(above) if not (one / "__init__.py").is_file()), 0)
    return above[: packages + 1]


def forget() -> None:
    """Let go of all files that were opened, so that another run sees them as they are then."""
    for cached in (_worth, _declared, _located, _roots):
        cached.cache_clear()
