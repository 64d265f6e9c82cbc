"""The command `rnninit`: a door, and nothing but a door."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from rnninit_hooks.cli.failures import INTERRUPTED, NOT_JUDGED, CannotJudge, one_line
from rnninit_hooks.errors import RnnInitError, RuleFileError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

_MODEL_COMMANDS = ("plan", "apply", "check", "inspect", "layouts", "baseline", "diff")
_FLAGS = ("format", "rules", "targets", "layouts", "select", "ignore", "baseline", "fail_on")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give the exit status: 0 clean, 1 findings, 2 could not judge, 130 interrupted.

    >>> main(["explain", "RNN999"])
    2
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(words)
    except KeyboardInterrupt:
        print("rnninit: interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        return _report(error, words)


def _run(words: Sequence[str]) -> int:
    from rnninit_hooks.cli.parser import parser

    own = parser()
    try:
        options = own.parse_args(words)
    except SystemExit as done:  # argparse leaves this way after --help and --version
        return int(done.code or 0)
    if options.command is None:
        raise CannotJudge("usage", "no command", expected="one of those in `rnninit --help`", fix="name one")
    return _dispatch(options)


def _dispatch(options: Namespace) -> int:
    from rnninit_hooks.cli import pages
    from rnninit_hooks.cli.forms import spoken
    from rnninit_hooks.cli.settings import settings

    folder = Path.cwd()
    flags = {key: getattr(options, key, None) for key in _FLAGS}
    if options.command not in _MODEL_COMMANDS:
        asks_project = options.command == "lint" or (options.command == "rules" and not options.files)
        own = settings(folder, os.environ, flags=flags, project=asks_project)
        spoken(options.command, own.format)
        if options.command == "lint":
            from rnninit_hooks.cli.lint import lint_command

            return lint_command(options, own)
        if options.command == "recipes":
            from rnninit_hooks.cli.recipes import recipes_command

            return recipes_command(options, own)
        return int(getattr(pages, f"{options.command}_command")(options, own))
    from rnninit_hooks.cli import commands

    job = commands.Job(options, settings(folder, os.environ, flags=flags))
    spoken(options.command, job.settings.format)
    commands.register_layouts(job.settings.layouts)
    if options.command == "layouts":
        from rnninit_hooks.cli.layouts import layouts_command

        return layouts_command(job)
    if options.command == "diff":
        from rnninit_hooks.cli.diff import diff_command

        return diff_command(job)
    if options.command == "baseline":
        from rnninit_hooks.cli.baseline import baseline_command

        return baseline_command(job)
    return int(getattr(commands, f"{options.command}_command")(job))


def _report(error: Exception, words: Sequence[str]) -> int:
    """Say on stderr why nothing was judged; in a format for machines say it there too."""
    from rnninit_hooks.cli.unjudged import tell

    failure = _as_failure(error)
    if "--traceback" in words:
        traceback.print_exception(error)
    tell(failure, words)
    return NOT_JUDGED


def _as_failure(error: Exception) -> CannotJudge:
    if isinstance(error, CannotJudge):
        return error
    findings = tuple(getattr(error, "findings", ()))
    if isinstance(error, RuleFileError):
        return CannotJudge("--rules", str(error).partition("\n")[0], fix="mend the file", findings=findings)
    if isinstance(error, RnnInitError):
        return CannotJudge(type(error).__name__, str(error).partition("\n")[0], findings=findings)
    return CannotJudge("internal", one_line(error), fix="run it with --traceback and report what it shows")
