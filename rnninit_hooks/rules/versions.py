"""Versions of the grammar: which ones this release reads, and how an older file becomes one of today's.

A step takes the plain data of one version to the next, so that files of every version from the oldest to the current one
are read; places stay those of the text, and a key that a step brought in is placed where the nearest key above it stands.
There has been one grammar only, so there are no steps yet, and nothing that a command could migrate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

Step = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class Versions:
    """The current version, and the steps that lead to it: `steps[n]` takes data of version n to n + 1.

    >>> versions = Versions(2, {1: lambda data: {**data, "seed": data.get("seed", 0) + 1}})
    >>> versions.upgraded({"version": 1, "seed": 3})
    {'version': 2, 'seed': 4}
    >>> versions.oldest, versions.objection(3)[0]
    (1, 'version 3 is of a later release than this one')
    """

    current: int
    steps: Mapping[int, Step] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Steps lead to the current version without a gap."""
        if sorted(self.steps) != list(range(self.oldest, self.current)):
            raise ValueError(f"steps {sorted(self.steps)} do not lead to version {self.current} one by one")

    @property
    def oldest(self) -> int:
        """The oldest version that is read."""
        return self.current - len(self.steps)

    def objection(self, version: int) -> tuple[str, str, str] | None:
        """What is wrong with a version, what was expected, and what to do; None for one that is read."""
        if self.oldest <= version <= self.current:
            return None
        expected = f"version: {self.current}"
        if version > self.current:
            fix = f"update rnninit-hooks, or write the file in version {self.current}"
            return f"version {version} is of a later release than this one", expected, fix
        return f"no release that reads version {version} has been made", expected, f"write `version: {self.current}`"

    def is_later(self, version: int) -> bool:
        """True for a file whose other keys this release cannot judge."""
        return version > self.current

    def upgraded(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The data of a version that is read, as the current version says it."""
        for version in range(data["version"], self.current):
            data = {**self.steps[version](data), "version": version + 1}
        return dict(data)


VERSIONS = Versions(1)
"""Those of rule files."""
