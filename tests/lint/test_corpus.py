"""Snippets in the manner of public code: every line marked `#! CODE` is found, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rnninit_hooks.lint.runner import lint_text

_FOLDER = Path(__file__).parent / "corpus"
_MARK = re.compile(r"\s*#!(.*)$")


def snippets() -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted(_FOLDER.glob("*.txt")):
        for part in re.split(r"^### ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            name, _, text = part.partition("\n")
            assert f"{path.stem}/{name}" not in found
            found[f"{path.stem}/{name}"] = text
    return found


SNIPPETS = snippets()


def split(marked: str) -> tuple[str, set[tuple[int, str]]]:
    """The source without its marks, and the (line, code) pairs that they promise."""
    lines, expected = [], set()
    for number, line in enumerate(marked.splitlines(), 1):
        match = _MARK.search(line)
        expected |= {(number, code) for code in (match[1].split() if match else ())}
        lines.append(_MARK.sub("", line))
    return "\n".join(lines) + "\n", expected


def found(source: str) -> set[tuple[int, str]]:
    return {(finding.place.line, finding.code) for finding in lint_text(source) if finding.place}


def test_the_corpus_is_large_and_has_both_sorts():
    faulty = [name for name, text in SNIPPETS.items() if "#!" in text]
    assert len(SNIPPETS) >= 100 and 60 <= len(faulty) < len(SNIPPETS) - 30


@pytest.mark.parametrize("name", SNIPPETS)
def test_marked_lines_are_found_and_no_others(name):
    source, expected = split(SNIPPETS[name])
    compile(source, name, "exec")
    assert found(source) == expected
