"""From a path, a text or a preset's name to a policy; all problems at once."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from rnninit_hooks.errors import RuleFileError
from rnninit_hooks.findings import Finding, Place
from rnninit_hooks.rules.document import Document, read
from rnninit_hooks.rules.extends import PRESETS, Merged, Reading, merge, preset_names
from rnninit_hooks.rules.models import Policy
from rnninit_hooks.rules.parsing import parse
from rnninit_hooks.rules.shelves import DISK, Shelf
from rnninit_hooks.rules.words import did_you_mean

_LOOKS_LIKE_A_PATH = re.compile(r"[/\\]|\.ya?ml$")


def load(path: str | Path, *, name: str | None = None, shelf: Shelf = DISK) -> Policy:
    """Read a rule file, with everything that it extends; `name` stands in messages instead of the path.

    `shelf` is where paths are looked up, the disk unless told.

    Raises `RuleFileError`, whose `findings` list every problem of every file with its place, the line and a caret.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "init.rules.yaml"
    >>> _ = file.write_text("version: 1\\nrules:\\n  - {id: zero, match: {kind: bias}, init: {kind: zeros}}\\n")
    >>> load(file).rules[0].id
    'zero'
    """
    file = Path(path)
    try:
        raw, key = shelf.raw_bytes(file), shelf.key(file)
    except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
        raise RuleFileError([_unreadable(file, error, name or str(path), shelf)]) from error
    return _policy(raw, name or str(path), file.parent, key, shelf)


def loads(text: str, *, name: str = "<string>", base: str | Path | None = None) -> Policy:
    """Read rules from a string; `name` stands in messages, relative `extends` are looked for in `base`.

    >>> loads("version: 1\\nextends: builtin:lstm-classic\\nseed: 3\\n").seed
    3
    """
    if not isinstance(text, str):
        raise TypeError(f"rules are read from text, found {type(text).__name__}; `load` takes a path")
    return _policy(text, name, Path(base) if base is not None else None, name)


def preset(name: str) -> Policy:
    """A packaged rule file; raises `RuleFileError` naming the presets there are.

    >>> [rule.id for rule in preset("rnn-orthogonal").rules][:2]
    ['rnn-input', 'rnn-recurrent']
    """
    known = preset_names()
    if name not in known:
        message = f"there is no preset {name!r}{did_you_mean(name, known)}"
        raise RuleFileError(
            [
                Finding(
                    "RNN013",
                    message,
                    expected=f"one of {', '.join(known)}",
                    fix="a rule file is named by its path, ending in .yaml",
                )
            ]
        )
    return _policy((PRESETS / f"{name}.yaml").read_bytes(), f"builtin:{name}", PRESETS, name)


def presets() -> dict[str, str]:
    """Name -> what it is, in one sentence: the first comment line of the packaged file."""
    return {name: _first_line(PRESETS / f"{name}.yaml") for name in preset_names()}


def _first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0].removeprefix("#").strip()


def resolve(policy: Policy | str | Path) -> Policy:
    """A policy from whatever names one: itself, a path, or the name of a preset (`builtin:` may stand before it)."""
    if isinstance(policy, Policy):
        return policy
    if isinstance(policy, Path) or (isinstance(policy, str) and _LOOKS_LIKE_A_PATH.search(policy)):
        return load(policy)
    if isinstance(policy, str):
        return preset(policy.removeprefix("builtin:"))
    raise TypeError(f"a policy is a Policy, a path or the name of a preset; found {type(policy).__name__}")


def _unreadable(path: Path, error: OSError | ValueError, name: str, shelf: Shelf) -> Finding:
    reason = getattr(error, "strerror", None) or error
    message = f"cannot be read: {reason}{did_you_mean(path.name, shelf.beside(path))}"
    return Finding("RNN001", message, place=Place(name, 1, 1), fix=shelf.advice)


def _policy(raw: bytes | str, name: str, base: Path | None, key: str, shelf: Shelf = DISK) -> Policy:
    document = read(raw, name)
    document.folder = base
    reading = Reading(done={key}, shelf=shelf)
    merged = merge(parse(document), base, reading, (key,))
    problems = [problem for each in reading.documents for problem in _sorted(each)]
    if not problems and not merged.rules:
        problems = [Finding("RNN005", "no rule is left to apply", place=document.place(()), fix="add a rule, or drop fewer")]
    if problems:
        raise RuleFileError(problems)
    return _built(merged)


def _sorted(document: Document) -> list[Finding]:
    """By position; those of an extended file also say which line brought it in."""
    way = f", in a file that {document.extended_from} extends" if document.extended_from else ""
    return [replace(problem, message=problem.message + way) for problem in sorted(document.problems, key=_position)]


def _position(problem: Finding) -> tuple[int, int, str]:
    return (problem.place.line, problem.place.column, problem.code) if problem.place else (0, 0, problem.code)


def _built(merged: Merged) -> Policy:
    return Policy(
        seed=merged.seed or 0, rules=tuple(merged.rules), untouched=merged.untouched or "warn",
        idle=merged.idle or "error", allow=tuple(merged.allow),
    )  # fmt: skip
