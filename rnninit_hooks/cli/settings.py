"""Where the defaults of the command line come from: pyproject.toml, then the environment, then flags."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnninit_hooks.cli.failures import CannotJudge, did_you_mean
from rnninit_hooks.cli.forms import FAIL_ON, FORMATS, known_word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rnninit_hooks.report.judgement import FailOn

_KEYS = ("rules", "targets", "layouts", "select", "ignore", "baseline", "fail-on")


@dataclass(frozen=True)
class TargetName:
    """A target as written, and the folder that its relative path and its imports start from."""

    spec: str
    base: Path

    def __str__(self) -> str:
        """The target as written."""
        return self.spec


@dataclass(frozen=True)
class Settings:
    """Which rules, which targets, which format; `rules` is a path or a preset name."""

    rules: str | None = None
    targets: tuple[TargetName, ...] = ()
    format: str = "text"
    layouts: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    baseline: str | None = None
    folder: Path | None = field(default=None, compare=False)
    """Where the pyproject.toml stands that was read."""
    fail_on: FailOn = "warning"

    def required_rules(self) -> str:
        """The rules, or the failure that says where they could be named."""
        if self.rules is None:
            raise CannotJudge(
                "--rules", "no rules are named", expected="a rule file or the name of a preset",
                fix="give --rules F, set RNNINIT_RULES, or write `rules` under [tool.rnninit] in pyproject.toml",
            )  # fmt: skip
        return self.rules


def settings(folder: Path, environment: Mapping[str, str], *, flags: Mapping[str, Any], project: bool = True) -> Settings:
    """What holds for this call: default < pyproject.toml < environment < flag.

    Without `project`, no pyproject.toml is read: explaining a code must not fail because of one.
    """
    found = _with_environment(_from_file(folder) if project else Settings(), environment)
    spelled = {key: value for key, value in flags.items() if value}
    if "targets" in spelled:
        spelled["targets"] = tuple(TargetName(spec, folder) for spec in spelled["targets"])
    if "layouts" in spelled:
        spelled["layouts"] = (*found.layouts, *spelled["layouts"])
    return replace(found, **spelled)


def _with_environment(found: Settings, environment: Mapping[str, str]) -> Settings:
    form = known_word("RNNINIT_FORMAT", environment.get("RNNINIT_FORMAT") or found.format, FORMATS, noun="format")
    level = environment.get("RNNINIT_FAIL_ON") or found.fail_on
    fail_on: Any = known_word("RNNINIT_FAIL_ON", level, FAIL_ON, noun="level")
    return replace(found, format=form, fail_on=fail_on, rules=environment.get("RNNINIT_RULES") or found.rules)


def _from_file(folder: Path) -> Settings:
    file = next((at / "pyproject.toml" for at in (folder, *folder.parents) if (at / "pyproject.toml").is_file()), None)
    if file is None:
        return Settings()
    return _read(file, _table(file))


def _table(file: Path) -> Mapping[str, Any]:
    toml = _toml()
    try:
        document = toml.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, toml.TOMLDecodeError) as error:
        raise CannotJudge(str(file), f"cannot be read: {error}", expected="a TOML file", fix="mend it") from error
    tool = document.get("tool", {})
    table = tool.get("rnninit", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise CannotJudge(str(file), f"tool.rnninit is {table!r}", expected="a table", fix="write [tool.rnninit]")
    return table


def _toml() -> Any:
    """`tomllib`, which came with Python 3.11, or the package that it was made from."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib


def _read(file: Path, table: Mapping[str, Any]) -> Settings:
    where = f"{file} [tool.rnninit]"
    for key in table:
        if key not in _KEYS:
            fix = did_you_mean(key, _KEYS) or "remove it"
            raise CannotJudge(where, f"unknown key {key!r}", expected=" or ".join(_KEYS), fix=fix)
    rules, targets = table.get("rules"), table.get("targets", [])
    if rules is not None and not (isinstance(rules, str) and rules):
        raise CannotJudge(
            where, f"rules is {rules!r}", expected="a path or a preset name", fix='write rules = "init.rules.yaml"'
        )
    if not isinstance(targets, list) or not all(isinstance(spec, str) for spec in targets):
        fix = 'write targets = ["acme.models:build"]'
        raise CannotJudge(where, f"targets is {targets!r}", expected="a list of targets", fix=fix)
    own = tuple(TargetName(spec, file.parent) for spec in targets)
    files = table.get("layouts", [])
    if not isinstance(files, list) or not all(isinstance(name, str) for name in files):
        fix = 'write layouts = ["acme.layouts.yaml"]'
        raise CannotJudge(where, f"layouts is {files!r}", expected="a list of files", fix=fix)
    found = tuple(str(file.parent / name) for name in files)
    select, ignore = (_words(where, key, table.get(key, [])) for key in ("select", "ignore"))
    fail_on: Any = known_word(f"{where} fail-on", table.get("fail-on", "warning"), FAIL_ON, noun="level")
    return Settings(
        _located(rules, file.parent), own, layouts=found, select=select, ignore=ignore, fail_on=fail_on,
        baseline=_baseline(where, table.get("baseline"), file.parent), folder=file.parent,
    )  # fmt: skip


def _baseline(where: str, value: Any, folder: Path) -> str | None:
    if value is not None and not (isinstance(value, str) and value):
        fix = 'write baseline = "rnninit.baseline.json"'
        raise CannotJudge(where, f"baseline is {value!r}", expected="the path of a file", fix=fix)
    return None if value is None else _beside(value, folder)


def _words(where: str, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) and word for word in value):
        raise CannotJudge(where, f"{key} is {value!r}", expected="a list of codes", fix=f'write {key} = ["RNN303"]')
    return tuple(value)


def _located(rules: str | None, folder: Path) -> str | None:
    """A path is relative to the file that names it; a word without suffix that is no file there is a preset."""
    if rules is None or not _is_path(rules, folder):
        return rules
    return _beside(rules, folder)


def _beside(name: str, folder: Path) -> str:
    path = folder / name
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _is_path(rules: str, folder: Path) -> bool:
    return bool(Path(rules).suffix) or len(Path(rules).parts) > 1 or (folder / rules).is_file()
