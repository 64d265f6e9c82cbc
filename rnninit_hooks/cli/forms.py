"""Which command speaks which formats, and which ends with 1 for what."""

from __future__ import annotations

from rnninit_hooks.cli.failures import CannotJudge, did_you_mean

FORMATS = ("text", "concise", "json", "github", "sarif", "junit", "markdown", "html")
FAIL_ON = ("error", "warning", "info", "never")
_OF_FINDINGS = ("plan", "check", "lint", "rules")
_OF_TABLES = ("text", "json", "markdown", "html")
_PLAIN = ("text", "json")
_OF_DIFF = ("text", "json", "markdown")
WITH_FAIL_ON = ("plan", "check", "inspect", "lint")


def formats_of(command: str) -> tuple[str, ...]:
    """What a command can speak: all where it gives findings, pages where it gives a table of numbers.

    >>> formats_of("explain"), len(formats_of("check"))
    (('text', 'json'), 8)
    """
    if command in _OF_FINDINGS:
        return FORMATS
    if command == "diff":
        return _OF_DIFF
    return _OF_TABLES if command == "inspect" else _PLAIN


def spoken(command: str, form: str) -> str:
    """The format, if the command speaks it: a project's RNNINIT_FORMAT is no reason to print another one."""
    known = formats_of(command)
    if form not in known:
        raise CannotJudge(
            f"--format {form}", f"`rnninit {command}` has no such format", expected=" or ".join(known),
            fix="give --format one of these" + ("" if form not in FORMATS else ", or take plan, check, lint or rules"),
        )  # fmt: skip
    return form


def known_word(source: str, word: object, known: tuple[str, ...], *, noun: str) -> str:
    """A word of a closed list, or the failure that says where the wrong one stands."""
    if not isinstance(word, str) or word not in known:
        fix = did_you_mean(str(word), known) or "set one of these or unset it"
        raise CannotJudge(f"{source} {word!r}", f"no such {noun}", expected=" or ".join(known), fix=fix)
    return word
