"""`rnninit lint PATH...`: source files become findings; torch is not woken and no code is run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnninit_hooks.cli.failures import CLEAN, FINDINGS, NOT_JUDGED, CannotJudge
from rnninit_hooks.cli.judging import of_lint
from rnninit_hooks.cli.output import print_text, put, put_judgement, write_file
from rnninit_hooks.findings import CODES

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from rnninit_hooks.cli.settings import Settings
    from rnninit_hooks.lint.runner import Outcome


def lint_command(options: Namespace, settings: Settings) -> int:
    """Judge the files; 1 for a finding that the call fails on, 2 where a file could not be judged."""
    if options.suggest:
        return _suggest(_paths(options.paths), settings.format, options.output)
    paths, codes, outcome = judged_paths(options.paths, settings)
    if settings.baseline:
        from rnninit_hooks.cli.known import lint_settled

        outcome = lint_settled(outcome, settings.baseline, paths=paths, codes=codes)
    judgement = of_lint(outcome, settings.fail_on)
    if settings.format in ("text", "json"):
        put(settings.format, options.output, lines=lambda width: _lines(outcome, width), document=lambda: _facts(outcome))
    else:
        put_judgement(judgement, settings.format, options.output)
    if outcome.unread:
        return NOT_JUDGED
    return FINDINGS if judgement.failed else CLEAN


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


def _suggest(paths: Sequence[Path], form: str, output: str | None) -> int:
    if form not in ("text", "json"):
        fix = "leave --format away, or --suggest"
        raise CannotJudge("--suggest", f"a rule file is no {form}", expected="--format text", fix=fix)
    from rnninit_hooks.lint.runner import studies
    from rnninit_hooks.lint.suggest import suggestion

    text = suggestion(studies(paths))
    if text is None:
        raise CannotJudge("--suggest", "no initialisation of a recurrent layer is in these files", fix="name others")
    if output is None:
        print_text(text)
    else:
        write_file(Path(output), text)
    return CLEAN


def _facts(outcome: Outcome) -> dict[str, Any]:
    return {
        "verb": "lint", "ok": all(one.level != "error" for one in outcome.findings), "clean": outcome.clean,
        "files": outcome.files, "findings": [one.to_dict() for one in outcome.findings],
        "ignored": [{**one.to_dict(), "reason": reason} for one, reason in outcome.ignored],
        "baselined": [one.to_dict() for one in outcome.known], "counts": outcome.counts,
    }  # fmt: skip


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
