"""The file of known findings: JSON with one entry a line, sorted, so that a diff shows what was paid."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from rnninit_hooks.baseline.debts import LintDebt, ModelDebt, refusal
from rnninit_hooks.errors import BaselineError
from rnninit_hooks.findings import CODES, Place

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 1
DEFAULT_NAME = "rnninit.baseline.json"
_KEYS = ("version", "models", "lint")
_OPTIONAL = ("address", "rule")
D = TypeVar("D", ModelDebt, LintDebt)


@dataclass(frozen=True)
class Baseline:
    """What is known, by section; None for a section that was never taken. `name` stands in messages."""

    models: Counter[ModelDebt] | None = None
    lint: Counter[LintDebt] | None = None
    name: str = DEFAULT_NAME
    text: str = ""

    def place(self, debt: ModelDebt | LintDebt) -> Place:
        """The line of an entry; the first line where the file was formatted by another hand."""
        return Place(self.name, self._lines.get(_facts(debt), 1), 1)

    @cached_property
    def _lines(self) -> dict[str, int]:
        lines = enumerate(self.text.split("\n"), 1)
        return {line.rpartition(', "count": ')[0]: number for number, line in lines if line.startswith("{")}


def written(baseline: Baseline) -> str:
    """The text of the file.

    >>> print(written(Baseline(lint=Counter([LintDebt("acme/nets.py", "RNN303", "lstm.bias_hh_l0.fill_(1.0)")]))))
    {
    "version": 1,
    "lint": [
    {"file": "acme/nets.py", "code": "RNN303", "line": "lstm.bias_hh_l0.fill_(1.0)", "count": 1}
    ]
    }
    """
    parts = [f'"version": {VERSION}']
    for name, counts in (("models", baseline.models), ("lint", baseline.lint)):
        if counts is not None:
            parts.append(f'"{name}": {_listed(counts)}')
    return "{\n" + ",\n".join(parts) + "\n}"


def _listed(counts: Mapping[Any, int]) -> str:
    lines = [f'{_facts(debt)}, "count": {number}}}' for debt, number in sorted(counts.items())]
    return "[\n" + ",\n".join(lines) + "\n]" if lines else "[]"


def _facts(debt: ModelDebt | LintDebt) -> str:
    """An entry without its count and its closing brace."""
    facts = {key: value for key, value in asdict(debt).items() if value or key not in _OPTIONAL}
    return json.dumps(facts, ensure_ascii=False)[:-1]


def read(path: Path, *, name: str | None = None) -> Baseline:
    """Read a file of known findings; raises `BaselineError`, which says what is wrong, where it can with the line."""
    shown = name or str(path)
    try:
        text = path.read_text(encoding="utf-8")
        _settled(text)
        data = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except FileNotFoundError as error:
        raise BaselineError(f"{shown}: no such file; run `rnninit baseline` once to write it") from error
    except OSError as error:
        raise BaselineError(f"{shown}: cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise BaselineError(f"{shown}: nests too deeply to be a baseline") from error
    except ValueError as error:  # no JSON, no UTF-8, or a key that stands twice
        raise BaselineError(f"{shown}: is no baseline: {error}") from error
    try:
        models, lint = _sections(data)
    except ValueError as error:
        raise BaselineError(f"{shown}: {error}") from error
    return Baseline(models, lint, shown, text)


def _settled(text: str) -> None:
    """Refuse an unfinished merge by its line; to write the file anew, as for other damage, would take every finding in."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(("<<<<<<< ", "||||||| ", ">>>>>>> ")):
            raise ValueError(f"line {number} is a marker of a merge conflict; keep the entries that both sides have")


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping whose keys stand once; JSON itself would keep the last of two, silently."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} stands twice")
        found[key] = value
    return found


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _sections(data: Any) -> tuple[Counter[ModelDebt] | None, Counter[LintDebt] | None]:
    if not isinstance(data, dict) or "version" not in data:
        raise ValueError('is no baseline; expected {"version": 1, "models": [...], "lint": [...]}')
    version = data["version"]
    if type(version) is not int or version != VERSION:
        later = "; upgrade rnninit-hooks" if type(version) is int and version > VERSION else ""
        raise ValueError(f"is of version {version!r}; expected {VERSION}{later}")
    if unknown := [key for key in data if key not in _KEYS]:
        raise ValueError(f"unknown key {unknown[0]!r}; expected one of {', '.join(_KEYS)}")
    return _section(data, "models", ModelDebt), _section(data, "lint", LintDebt)


def _section(data: Mapping[str, Any], name: str, kind: type[D]) -> Counter[D] | None:
    if name not in data:
        return None
    if not isinstance(data[name], list):
        raise ValueError(f"{name!r} is {type(data[name]).__name__}; expected a list of entries")
    found: Counter[D] = Counter()
    for index, entry in enumerate(data[name]):
        debt, number = _entry(f"{name}[{index}]", entry, kind)
        if debt in found:
            raise ValueError(f"{name}[{index}] stands twice; keep one entry, with the count that is true")
        found[debt] = number
    return found


def _entry(where: str, entry: Any, kind: type[D]) -> tuple[D, int]:
    keys: list[str] = [field.name for field in fields(kind)]
    if not isinstance(entry, dict):
        raise ValueError(f"{where} is {type(entry).__name__}; expected an entry with {', '.join(keys)}")
    if unknown := [key for key in entry if key not in (*keys, "count")]:
        raise ValueError(f"{where} has the unknown key {unknown[0]!r}; expected {', '.join(keys)}, count")
    if absent := [key for key in (*keys, "count") if key not in entry and key not in _OPTIONAL]:
        raise ValueError(f"{where} has no {absent[0]!r}; write the file with `rnninit baseline`, not by hand")
    facts = {key: entry[key] for key in keys if key in entry}
    if wrong := [key for key, value in facts.items() if not isinstance(value, str)]:
        raise ValueError(f"{where}: {wrong[0]!r} is {facts[wrong[0]]!r}; expected text")
    if type(entry["count"]) is not int or entry["count"] < 1:
        raise ValueError(f"{where}: 'count' is {entry['count']!r}; expected a whole number from 1")
    _known_code(where, facts["code"], kind)
    return kind(**facts), entry["count"]


def _known_code(where: str, code: str, kind: type[ModelDebt] | type[LintDebt]) -> None:
    starts = ("RNN3", "RNN4") if kind is LintDebt else ("RNN1", "RNN2")
    if code not in CODES or not code.startswith(starts):
        raise ValueError(f"{where}: {code!r} is no code that stands here; expected one that begins with {' or '.join(starts)}")
    if reason := refusal(code):
        raise ValueError(f"{where}: {code} cannot be in a baseline: {reason}")
