"""How much work a text would be, from its bytes alone: what is too much is refused before it is parsed.

Bytes are a poor measure: 200 kB of prose in docstrings are parsed in no time, 200 kB of `x;` are 100,000 statements. What
costs are signs (operators, brackets, quotes) and the statements that lines and semicolons end, so these are counted.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST, MOST_SIGNS, MOST_FIELDS = 800_000, 150_000, 500_000_000
_SIGNS, _ENDS = b"()[]{},.:=+-*/<>@%&|^~\"'", b"\n;"
_FORMATTED = re.compile(rb"(?:[fF][rR]?|[rR][fF])(\"\"\"|'''|\"|')")
_SLOW_FIELDS = sys.version_info < (3, 12)


def too_heavy(data: bytes) -> tuple[str, str] | None:
    """What is too much in a text, and what was expected; None for what is parsed in well under a second.

    >>> too_heavy(b"x = 1\\n" * 20_000), too_heavy(b"x;" * 90_000)
    (None, ('the file has 180000 signs and statements', 'at most 150000, or about 20,000 lines'))
    """
    if len(data) > LARGEST:
        return f"the file has over {LARGEST} bytes", f"at most {LARGEST}"
    signs = _count(data, _SIGNS) + 2 * _count(data, _ENDS)
    if signs > MOST_SIGNS:
        return f"the file has {signs} signs and statements", f"at most {MOST_SIGNS}, or about 20,000 lines"
    if _SLOW_FIELDS and data.count(b"{") * len(data) > MOST_FIELDS and sum(_fields(data)) > MOST_FIELDS:
        return "the formatted strings of the file are too long", "shorter ones, or Python 3.12"
    return None


def _count(data: bytes, signs: bytes) -> int:
    return len(data) - len(data.translate(None, signs))


def _fields(data: bytes) -> Iterator[int]:
    """Fields times length of every formatted string: before 3.12 the parser looks for each field from its beginning."""
    at = 0
    while match := _FORMATTED.search(data, at):
        quote = match[1]
        end = data.find(quote if len(quote) == 3 else b"\n", match.end())
        at = end if end >= 0 else len(data)
        yield data.count(b"{", match.end(), at) * (at - match.end())
