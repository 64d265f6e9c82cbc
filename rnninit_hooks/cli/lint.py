"""`rnninit lint PATH...`: source files become findings; torch is not woken and no code is run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rnninit_hooks.cli.failures import CLEAN, FINDINGS, NOT_JUDGED, CannotJudge
from rnninit_hooks.cli.output import page_width, print_json, print_lines, print_text
from rnninit_hooks.findings import CODES

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from rnninit_hooks.cli.settings import Settings
    from rnninit_hooks.lint.runner import Outcome


def lint_command(options: Namespace, settings: Settings) -> int:
    """Judge the files; 1 for an error or a warning, 2 where a file could not be judged."""
    if options.suggest:
        return _suggest(_paths(options.paths))
    paths, codes, outcome = judged_paths(options.paths, settings)
    if settings.baseline:
        from rnninit_hooks.cli.known import lint_settled

        outcome = lint_settled(outcome, settings.baseline, paths=paths, codes=codes)
    _deliver(outcome, settings.format)
    if outcome.unread:
        return NOT_JUDGED
    return CLEAN if outcome.clean else FINDINGS


def judged_paths(words: Sequence[str], settings: Settings) -> tuple[list[Path], frozenset[str], Outcome]:
    """The paths, the codes that the settings choose, and what was found."""
    from rnninit_hooks.lint.runner import chosen, lint_paths

    codes = chosen(_codes("--select", settings.select), _codes("--ignore", settings.ignore))
    paths = _paths(words)
    return paths, codes, lint_paths(paths, codes)


def _paths(words: Sequence[str]) -> list[Path]:
    paths = [Path(word) for word in words]
    missing = next((path for path in paths if not path.exists()), None)
    if missing is not None:
        raise CannotJudge(f"PATH {str(missing)!r}", "no such file or folder", expected="a file or a folder", fix="check it")
    return paths


def _codes(flag: str, words: Sequence[str]) -> tuple[str, ...]:
    """Codes, or beginnings of codes, that the lint has; an unknown one would select nothing, silently."""
    for word in words:
        if not any(code.startswith(word.upper()) for code in CODES if code >= "RNN3") or len(word) < len("RNN3"):
            fix = "see `rnninit explain` for the codes of the lint"
            raise CannotJudge(f"{flag} {word!r}", "no code begins so", expected="RNN301, RNN4 and the like", fix=fix)
    return tuple(word.upper() for word in words)


def _suggest(paths: Sequence[Path]) -> int:
    from rnninit_hooks.lint.runner import studies
    from rnninit_hooks.lint.suggest import suggestion

    text = suggestion(studies(paths))
    if text is None:
        raise CannotJudge("--suggest", "no initialisation of a recurrent layer is in these files", fix="name others")
    print_text(text)
    return CLEAN


def _deliver(outcome: Outcome, form: str) -> None:
    if form == "json":
        print_json({
            "verb": "lint", "ok": all(one.level != "error" for one in outcome.findings), "clean": outcome.clean,
            "files": outcome.files, "findings": [one.to_dict() for one in outcome.findings],
            "ignored": [{**one.to_dict(), "reason": reason} for one, reason in outcome.ignored],
            "baselined": [one.to_dict() for one in outcome.known], "counts": outcome.counts,
        })  # fmt: skip
    else:
        print_lines(_lines(outcome, page_width()))


def _lines(outcome: Outcome, width: int) -> Iterator[Text]:
    from rich.text import Text

    from rnninit_hooks.report.problems import finding_lines
    from rnninit_hooks.report.text import aside
    from rnninit_hooks.report.words import count

    yield from finding_lines(outcome.findings, width=width)
    said = f"lint: {count(outcome.files, 'file')}, {count(len(outcome.findings), 'finding')}"
    unread = [f"{outcome.unread} not judged"] if outcome.unread else []
    ignored = [f"{len(outcome.ignored)} ignored with a reason"] if outcome.ignored else []
    yield Text(", ".join([said, *unread, *ignored, *aside(outcome.counts)]), style="green" if outcome.clean else "red")
