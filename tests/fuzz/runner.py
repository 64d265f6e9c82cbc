"""Feed inputs to a reader; what is no clean answer is a crash, and the slowest is remembered."""

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from rnninit_hooks.errors import RuleFileError
from rnninit_hooks.findings import CODES, Finding
from rnninit_hooks.lint.runner import chosen, lint_text
from rnninit_hooks.lint.source import parse
from rnninit_hooks.rules.load import loads
from rnninit_hooks.rules.models import Policy
from tests.fuzz.rules import rule_file
from tests.fuzz.sources import source_file

ALL = chosen(["RNN3", "RNN4"])


@dataclass
class Tally:
    """What a run came to; `slowest` is CPU seconds and the input that took them."""

    inputs: int = 0
    refused: int = 0
    crashes: list[tuple[bytes, str]] = field(default_factory=list)
    slowest: tuple[float, bytes] = (0.0, b"")


def read_rules(raw: bytes) -> bool:
    """True when the file is refused; the findings have codes of rule files and places within the text."""
    try:
        found = loads(raw.decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError:
        return True
    except RuleFileError as error:
        _well_formed(error.findings, "RNN0")
        return True
    assert isinstance(found, Policy) and loads(found.to_yaml()) == found
    return False


def lint(raw: bytes) -> bool:
    """True when something was found; every finding has a code of the lint and a line of the file."""
    source = parse(raw, "fuzz.py")
    if source is None:
        return False
    found = [source] if isinstance(source, Finding) else lint_text("\n".join(source.lines), codes=ALL)
    _well_formed(found, "RNN3", "RNN4")
    return bool(found)


def _well_formed(findings: list[Finding] | tuple[Finding, ...], *beginnings: str) -> None:
    for finding in findings:
        assert finding.code in CODES and finding.code.startswith(beginnings), finding
        assert finding.place is not None and finding.place.line >= 1 and finding.place.column >= 1, finding
        assert finding.message and "\n" not in str(finding.message)


KINDS: dict[str, tuple[Callable[[Random], bytes], Callable[[bytes], bool]]] = {
    "rules": (rule_file, read_rules),
    "lint": (source_file, lint),
}


def run(kind: str, inputs: int, seed: int) -> Tally:
    """Some inputs of one kind, each made from its own number, so that one alone can be made again."""
    make, judge = KINDS[kind]
    tally = Tally(inputs)
    for number in range(inputs):
        raw = make(Random(f"{kind} {seed} {number}"))
        start = time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)
                tally.refused += judge(raw)
        except Exception:
            tally.crashes.append((raw, traceback.format_exc()))
        took = time.process_time() - start
        if took > tally.slowest[0]:
            tally.slowest = (took, raw)
    return tally
