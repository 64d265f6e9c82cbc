"""Plain words of a YAML text become numbers, truth values, nothing or text, by the core schema of YAML 1.2."""

from __future__ import annotations

import re
from typing import Any

_INT = re.compile(r"[-+]?[0-9]+")
_OCT_HEX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})

REFUSED = object()
"""Stands for a number that no rule file can hold: infinite, not a number, or longer than any seed."""


def scalar(text: str) -> Any:
    """A plain scalar by the core schema of YAML 1.2: `1e-3` is a number, `off` and `1_000` are text.

    >>> [scalar(text) for text in ("1e-3", "0o17", "012", "true", "off", "~", "1_000", "12:30")]
    [0.001, 15, 12, True, 'off', None, '1_000', '12:30']
    """
    if text in _NULLS:
        return None
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text) if len(text) <= 40 else REFUSED
    if _OCT_HEX.fullmatch(text):
        return int(text, 0) if len(text) <= 40 else REFUSED
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if number - number == 0 else REFUSED
    return REFUSED if _NOT_FINITE.fullmatch(text) else text
