"""Which rule files and which models a test run speaks of: pytest's own configuration, then [tool.rnninit]."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rnninit_hooks.cli.settings import Settings, TargetName

_SUFFIXES = (".rules.yaml", ".rules.yml")


@dataclass(frozen=True)
class Scope:
    """Rule files, models, layout files, known findings; `rules` is what [tool.rnninit] names, a path or a preset."""

    files: tuple[Path, ...]
    targets: tuple[TargetName, ...]
    layouts: tuple[str, ...]
    rules: str | None
    baseline: str | None

    def collects(self, file: Path, *, named: bool) -> bool:
        """True for a file that the configuration names, else for every `*.rules.yaml` when it names none.

        A file given on the command line counts as named.
        """
        if file in self.files:
            return True
        return file.name.endswith(_SUFFIXES) and (named or not self.files)

    def outside(self, paths: Iterable[Path]) -> list[Path]:
        """The named files that a walk of these paths does not meet; older pytest collects twice what it is told twice."""
        walked = [path.resolve() for path in paths]
        return [file for file in self.files if not any(file.is_relative_to(path) for path in walked)]


SCOPE = pytest.StashKey[Scope]()
"""In the configuration of a run that collects rule files."""


def scope_of(config: pytest.Config) -> Scope:
    """The scope of a run; raises `pytest.UsageError` where the configuration cannot be meant."""
    from rnninit_hooks.cli.failures import CannotJudge

    try:
        told = _settings(config)
    except CannotJudge as error:
        raise pytest.UsageError(str(error)) from error
    files = tuple(config.getini("rnninit_rules")) or _files(told)
    for file in files:
        if not file.is_file():
            raise pytest.UsageError(f"rnninit: rules {str(file)!r}: no such file; fix: correct `rules` in the configuration")
    own, targets = tuple(file.resolve() for file in files), _targets(config) or told.targets
    return Scope(own, targets, told.layouts, told.rules, told.baseline)


def _settings(config: pytest.Config) -> Settings:
    """What [tool.rnninit] of the root says; RNNINIT_* are for the command line, a test run is the same everywhere."""
    from rnninit_hooks.cli.settings import settings

    return settings(config.rootpath, {}, flags={})


def _files(told: Settings) -> tuple[Path, ...]:
    """The rules of [tool.rnninit] when they are a file; a preset is none, and is enough for the fixture."""
    if told.rules is None or (not Path(told.rules).suffix and not Path(told.rules).is_file()):
        return ()
    return (Path(told.rules).resolve(),)


def _targets(config: pytest.Config) -> tuple[TargetName, ...]:
    from rnninit_hooks.cli.settings import TargetName

    base = config.inipath.parent if config.inipath else config.rootpath
    return tuple(TargetName(spec, base) for spec in config.getini("rnninit_targets"))
