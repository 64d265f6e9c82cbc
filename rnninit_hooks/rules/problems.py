"""Validation errors in one voice: what was found, where, what was expected, what to do."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from rnninit_hooks.rules.document import Document, Path, shortened
from rnninit_hooks.rules.words import did_you_mean

_TYPES = {
    "string_type": "text", "int_type": "a whole number", "int_from_float": "a whole number", "float_type": "a number",
    "date_type": "a day as year-month-day, such as 2027-03-01",
    "bool_type": "true or false", "list_type": "a list", "tuple_type": "a list", "dict_type": "a mapping",
    "model_type": "a mapping", "model_attributes_type": "a mapping", "is_instance_of": "a mapping",
}  # fmt: skip
_NAMES = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "list": "a list"}


def report(document: Document, at: Path, error: ValidationError, model: type[BaseModel]) -> None:
    """Add every problem of a pydantic error to the document, each at its own place."""
    seen = set()
    for fault in error.errors(include_url=False):
        loc = tuple(fault["loc"])
        path = _path(document, at, loc)
        code, message, facts = _translated(fault, loc, _named(path), model)
        if (code, message, path) not in seen:
            seen.add((code, message, path))
            document.add(code, message, document.place(path, of_key=code == "RNN006"), **facts)


def _path(document: Document, at: Path, loc: Path) -> Path:
    """The longest beginning of a pydantic location that the text knows: one word may stand for a list of one."""
    path = at
    for step in loc:
        if (*path, step) not in document.values:
            break
        path = (*path, step)
    return path


def _translated(fault: Any, loc: Path, name: str, model: type[BaseModel]) -> tuple[str, str, dict[str, str | None]]:
    kind, found = fault["type"], fault.get("input")
    if kind == "extra_forbidden":
        known, word = list(model.model_fields), str(loc[-1])
        return "RNN006", f"the key {shortened(word)!r} is unknown here{did_you_mean(word, known)}", {"expected": _listed(known)}
    if kind == "missing":
        return "RNN007", f"the key {loc[-1]!r} is missing", {"fix": f"add `{loc[-1]}: …`"}
    if kind in _TYPES:
        return "RNN008", f"{name} is {shown(found)}", {"expected": _TYPES[kind]}
    if kind == "literal_error":
        allowed = _quoted(fault["ctx"]["expected"])
        if not isinstance(found, str):
            return "RNN008", f"{name} is {shown(found)}", {"expected": ", ".join(allowed)}
        return "RNN009", f"{name} is {shown(found)}{did_you_mean(found, allowed)}", {"expected": ", ".join(allowed)}
    if kind == "string_pattern_mismatch":
        return "RNN009", f"{name} is {shown(found)}", {"expected": "letters, digits, `_`, `.` and `-`, such as forget-open"}
    if kind == "string_too_short":
        return "RNN009", f"{name} is an empty text", {"fix": "write it out, or leave the key out"}
    if kind == "value_error":
        return _said(str(fault["ctx"]["error"]))
    return "RNN009", f"{name} is {shown(found)}", {"expected": _lowered(fault["msg"])}


def _said(text: str) -> tuple[str, str, dict[str, str | None]]:
    """What our own validators say; a word in front tells the code."""
    if text.startswith("regex: "):
        return "RNN010", text.removeprefix("regex: "), {"fix": "write a simpler pattern; `.` and `*` are special in a regex"}
    if text.startswith("code: "):
        return "RNN016", text.removeprefix("code: "), {"expected": "a code such as RNN103; see `rnninit explain`"}
    return "RNN009", text, {}


def _named(path: Path) -> str:
    words = [step for step in path if isinstance(step, str)]
    if not words:
        return "this"
    return f"`{words[-1]}`" if isinstance(path[-1], str) else f"an entry of `{words[-1]}`"


def shown(found: Any) -> str:
    """A value and its kind, as a reader of YAML would say it."""
    if found is None:
        return "empty"
    if isinstance(found, dict | list | tuple):
        return "a mapping" if isinstance(found, dict) else "a list"
    kind = _NAMES.get(type(found).__name__, type(found).__name__)
    text = repr(found) if isinstance(found, str) else str(found).lower() if isinstance(found, bool) else str(found)
    return f"{kind} ({text[:60]})" if kind != "true or false" else text


def _listed(names: list[str]) -> str:
    return f"one of {', '.join(names)}" if names else "no other key"


def _quoted(text: str) -> list[str]:
    return [part.strip(" '") for part in text.replace(" or ", ", ").split(",") if part.strip()]


def _lowered(text: str) -> str:
    text = text.removeprefix("Input should be ").removeprefix("String should ")
    return text[:1].lower() + text[1:]
