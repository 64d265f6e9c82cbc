"""`# rnninit: ignore[RNN301] reason` silences a code on its line; without a reason, or unused, it is a finding itself."""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rnninit_hooks.findings import CODES, Finding, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rnninit_hooks.lint.source import Source

_PRAGMA = re.compile(r"#\s*rnninit:\s*ignore\[([^\]]*)\]\s*(.*)")


@dataclass(frozen=True)
class Pragma:
    """One such comment."""

    place: Place
    codes: tuple[str, ...]
    reason: str

    def covers(self, finding: Finding) -> bool:
        """Whether it silences a finding: same line, code named."""
        return finding.place is not None and finding.place.line == self.place.line and finding.code in self.codes


def pragmas(source: Source) -> tuple[Pragma, ...]:
    """The pragmas of a file; text inside strings is none."""
    if "rnninit:" not in source.text:
        return ()
    return tuple(_found(source))


def _found(source: Source) -> Iterator[Pragma]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
            match = _PRAGMA.match(token.string) if token.type == tokenize.COMMENT else None
            if match is not None:
                codes = tuple(word.strip() for word in match[1].split(",") if word.strip())
                yield Pragma(Place(source.file, token.start[0], token.start[1] + 1), codes, match[2].strip())
    except (tokenize.TokenError, IndentationError):
        return  # the parser has read it all the same; what follows the odd token holds no pragma


def silenced(findings: Iterable[Finding], found: tuple[Pragma, ...], judged: frozenset[str]) -> Iterator[Finding]:
    """The findings that stand, and those of the pragmas themselves; `judged` are the codes that were asked for."""
    own, stated = list(findings), _by_line(pragma for pragma in found if pragma.reason)
    at: dict[int, list[Finding]] = {}
    for finding in own:
        at.setdefault(_line(finding), []).append(finding)
        if not any(pragma.covers(finding) for pragma in stated.get(_line(finding), ())):
            yield finding
    for pragma in found:
        yield from _of_pragma(pragma, at.get(pragma.place.line, []), judged)


def ignored_by(found: tuple[Pragma, ...], findings: Iterable[Finding]) -> Iterator[tuple[Finding, str]]:
    """The findings that are silenced, each with the reason of the first comment that does so."""
    stated = _by_line(pragma for pragma in found if pragma.reason)
    for finding in findings:
        reason = next((pragma.reason for pragma in stated.get(_line(finding), ()) if pragma.covers(finding)), None)
        if reason is not None:
            yield finding, reason


def _line(finding: Finding) -> int:
    return finding.place.line if finding.place is not None else 0


def _by_line(found: Iterable[Pragma]) -> dict[int, list[Pragma]]:
    lines: dict[int, list[Pragma]] = {}
    for pragma in found:
        lines.setdefault(pragma.place.line, []).append(pragma)
    return lines


def _of_pragma(pragma: Pragma, findings: list[Finding], judged: frozenset[str]) -> Iterator[Finding]:
    if not pragma.reason and "RNN321" in judged:
        yield Finding("RNN321", "an ignore without a reason silences nothing", CODES["RNN321"].level, place=pragma.place,
                      expected="words after the bracket", fix="say why the line is right")  # fmt: skip
    for code in pragma.codes or ("",):
        used = any(pragma.covers(finding) and finding.code == code for finding in findings)
        if not used and "RNN322" in judged and (code in judged or code not in CODES):
            yield Finding("RNN322", f"ignore[{code}] silences nothing on this line", CODES["RNN322"].level,
                          place=pragma.place, expected="a code that is found here", fix="remove it")  # fmt: skip
