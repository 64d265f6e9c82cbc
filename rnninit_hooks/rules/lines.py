"""One pattern against many names in few calls: the names as lines of one text, where that gives the same answers.

A search costs a fraction of a microsecond to call and far less to run, so 50 rules times 20,000 names are mostly calls.
As lines of one text they are scanned at the speed of the matcher. That is the same question only for patterns that can
neither match a line break nor look across one, so only these go this way; all others are searched name by name.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING

import regex

from rnninit_hooks.rules.patterns import SEARCH_SECONDS, found_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PLAIN = re.compile(
    r"""(?: [^\\\[\](){}|^$.*+?\s]                # a literal, no white space
    | [.|^$*+?()] | \{\d+(?:,\d*)?\}           # operators and counts; `(?` is looked at below
    | \\[dwb.\\\-\[\](){}|^$*+?]              # an escape that no line break fits
    | \[ (?:[^\\\[\]^\s] | \\[dw.\-\[\]])+ \] # a set that says what it holds, not what it does not
    )*""",
    re.VERBOSE,
)


@lru_cache(maxsize=4096)
def line_pattern(pattern: str) -> regex.Pattern[str] | None:
    """The pattern as one for lines, or None where lines might answer otherwise."""
    if not _PLAIN.fullmatch(pattern) or "(?" in pattern.replace("(?:", ""):
        return None
    return regex.compile(pattern, regex.MULTILINE)


class Names:
    """Distinct names in their order, and which of them a pattern is found in.

    >>> names = Names(["rnn.weight_hh_l0", "rnn.bias_hh_l0", "head.weight"])
    >>> sorted(names.found(r"weight(_hh_l0)?$"))
    ['head.weight', 'rnn.weight_hh_l0']
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(dict.fromkeys(names))
        self._text = "\n".join(self.names)
        self._starts = list(accumulate((len(name) + 1 for name in self.names), initial=0))[:-1]
        self._whole = self._text.count("\n") == max(0, len(self.names) - 1)

    def found(self, pattern: str | None) -> frozenset[str]:
        """The names in which a pattern is found, all where there is none. Raises `PatternTimeout`."""
        if pattern is None:
            return frozenset(self.names)
        lines = line_pattern(pattern) if self._whole else None
        if lines is None:
            return frozenset(found_in(pattern, self.names))
        try:
            return frozenset(self._on_lines(lines))
        except TimeoutError:  # many names together may take longer than one is allowed to
            return frozenset(found_in(pattern, self.names))

    def _on_lines(self, lines: regex.Pattern[str]) -> Iterator[str]:
        at, count = 0, len(self.names)
        while at < count and (match := lines.search(self._text, self._starts[at], timeout=SEARCH_SECONDS)):
            at = bisect_right(self._starts, match.start())
            yield self.names[at - 1]
