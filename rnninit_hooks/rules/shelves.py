"""Where rule files that are named by a path stand: the disk, or whatever else answers the same questions."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from rnninit_hooks.rules.document import raw_bytes


class Shelf(Protocol):
    """Files by path."""

    def holds(self, path: Path) -> bool:
        """True when there is such a file."""

    def raw_bytes(self, path: Path) -> bytes:
        """Its bytes, at most one more than a rule file may have; raises `OSError`."""

    def label(self, path: Path) -> str:
        """What messages call it."""

    def key(self, path: Path) -> str:
        """One text for every way to name the same file."""

    def beside(self, path: Path) -> list[str]:
        """Names of the rule files in the folder where it should be."""

    @property
    def advice(self) -> str:
        """How to name a file that is there."""


class Disk:
    """The files of this machine."""

    def holds(self, path: Path) -> bool:
        """True for a file, also through a link."""
        return path.is_file()

    def raw_bytes(self, path: Path) -> bytes:
        """Its bytes."""
        return raw_bytes(path)

    def label(self, path: Path) -> str:
        """The path as it was named."""
        return str(path)

    def key(self, path: Path) -> str:
        """The path without links."""
        return str(path.resolve())

    def beside(self, path: Path) -> list[str]:
        """Names of YAML files."""
        return [item.name for item in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []

    @property
    def advice(self) -> str:
        """A path."""
        return "give the path of a rule file, relative to where you stand"


DISK: Shelf = Disk()
