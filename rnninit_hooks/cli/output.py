"""What reaches the terminal, the pipe or the file: lines or one JSON document."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any, TextIO

from rnninit_hooks.cli.failures import CannotJudge
from rnninit_hooks.report.formats import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from rich.text import Text

PIPE_WIDTH = 80
_NARROWEST = 40


def page_width() -> int:
    """The terminal's width; 80 in a pipe or a file, so that its text does not depend on who looks."""
    if not sys.stdout.isatty():
        return PIPE_WIDTH
    return max(_NARROWEST, shutil.get_terminal_size((PIPE_WIDTH, 24)).columns)


def print_text(text: str) -> None:
    """Plain text to stdout. A reader that has left (`| head`) is no error: the verdict stands."""
    stream = sys.stdout
    make_lossless(stream)
    try:
        stream.write(text if text.endswith("\n") else text + "\n")
        stream.flush()
    except BrokenPipeError:
        _silence(stream)
    except OSError as error:
        raise CannotJudge("stdout", f"cannot be written: {error.strerror}", fix="check where it goes") from error


def print_lines(lines: Iterable[Text]) -> None:
    """Styled lines to stdout: colour on a terminal only, and never under NO_COLOR or TERM=dumb."""
    print_text("\n".join(_styled(lines, sys.stdout)))


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON document to stdout."""
    print_text(to_json(document))


def write_file(path: Path, text: str) -> None:
    """Text to a file, as UTF-8, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8", errors="backslashreplace")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise CannotJudge(f"--output {str(path)!r}", f"cannot be written: {error.strerror}", fix="name another file") from error


def make_lossless(stream: TextIO) -> None:
    """A stream that cannot encode a character writes its escape instead of failing half way."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None and getattr(stream, "errors", None) == "strict":
        reconfigure(errors="backslashreplace")


def _styled(lines: Iterable[Text], stream: TextIO) -> list[str]:
    if not stream.isatty() or os.environ.get("NO_COLOR"):
        return [line.plain.rstrip() for line in lines]
    from rich.console import Console  # knows dumb terminals by itself

    console = Console(file=stream, width=page_width(), highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        for line in lines:
            console.print(line, soft_wrap=True)
    return [captured.get().rstrip("\n")]


def _silence(stream: TextIO) -> None:
    """Send what is still buffered nowhere, or the interpreter would complain once more while it closes stdout."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, stream.fileno())
    os.close(devnull)
