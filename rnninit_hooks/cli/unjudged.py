"""Saying that nothing could be judged: on stderr for people, and in the format that was asked for."""

from __future__ import annotations

import os
import sys
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from rnninit_hooks.cli.failures import CannotJudge

if TYPE_CHECKING:
    from collections.abc import Sequence

_WITH_REPORT_FILE = ("plan", "check", "inspect", "lint", "rules", "diff")


def tell(failure: CannotJudge, words: Sequence[str]) -> None:
    """Say it; `words` are the call's, for they may be what could not be understood.

    A report file that was asked for is written too: one that an earlier call left would tell of another verdict.
    """
    _say(failure)
    text = _document(failure, words)
    if text is None:
        return
    from rnninit_hooks.cli.output import print_text, write_file

    file = _last(words, "--output", short="-o") if words and words[0] in _WITH_REPORT_FILE else None
    try:
        if file and Path(file).parent.is_dir() and not Path(file).is_dir():
            write_file(Path(file), text)
        else:
            print_text(text)
    except CannotJudge as second:  # the stream or the file itself is what fails
        _say(second)


def _document(failure: CannotJudge, words: Sequence[str]) -> str | None:
    """The failure in the format that was asked for, also where the words could not be parsed; None for text."""
    form = _last(words, "--format") or os.environ.get("RNNINIT_FORMAT")
    if form == "json":
        from rnninit_hooks.report.formats import error_document, to_json

        return to_json(error_document(failure.to_dict(), failure.findings))
    from rnninit_hooks.cli.judging import of_failure
    from rnninit_hooks.report.renderers import RENDERERS

    verb = words[0] if words and words[0].isidentifier() else "rnninit"
    return RENDERERS[form](of_failure(verb, failure)) if form in RENDERERS else None


def _last(words: Sequence[str], flag: str, *, short: str = "") -> str | None:
    """The value of a flag, the last time that it is given: after it, after `=`, or grown onto the short form."""
    found = None
    for word, after in zip_longest(words, words[1:]):
        if word == flag or (short and word == short):
            found = after
        elif word.startswith(f"{flag}="):
            found = word.partition("=")[2]
        elif short and word.startswith(short):
            found = word.removeprefix(short).removeprefix("=")
    return found


def _say(failure: CannotJudge) -> None:
    from rnninit_hooks.cli.output import make_lossless

    make_lossless(sys.stderr)
    print(failure, file=sys.stderr)
    if failure.findings:
        from rnninit_hooks.report.text import render_findings

        print(render_findings(failure.findings), file=sys.stderr)
