"""What reaches the terminal, the pipe or the file: lines or one JSON document."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rnninit_hooks.cli.failures import CannotJudge
from rnninit_hooks.report.formats import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rich.text import Text

    from rnninit_hooks.report.judgement import Judgement

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
        stream.write(_ended(text))
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
        temporary.write_text(_ended(text), encoding="utf-8", errors="backslashreplace")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise CannotJudge(f"--output {str(path)!r}", f"cannot be written: {error.strerror}", fix="name another file") from error


def put(
    form: str, output: str | None, *, lines: Callable[[int], Iterable[Text]], document: Callable[[], Mapping[str, Any]]
) -> None:  # fmt: skip
    """Text or JSON to a file, or else to stdout."""
    if output is not None:
        from rnninit_hooks.report.flow import plain

        write_file(Path(output), to_json(document()) if form == "json" else plain(lines(PIPE_WIDTH)))
    elif form == "json":
        print_json(document())
    else:
        print_lines(lines(page_width()))


def put_judgement(judgement: Judgement, form: str, output: str | None) -> None:
    """What was judged, in a format made of findings, to a file or to stdout; the summary of bare lines to stderr."""
    from rnninit_hooks.report.renderers import LINES, RENDERERS

    text = RENDERERS[form](judgement)
    if output is not None:
        write_file(Path(output), text)
    else:
        print_text(text)
    if form in LINES:
        make_lossless(sys.stderr)
        print(judgement.summary, file=sys.stderr)


def make_lossless(stream: TextIO) -> None:
    """A stream that cannot encode a character writes its escape instead of failing half way."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None and getattr(stream, "errors", None) == "strict":
        reconfigure(errors="backslashreplace")


def _ended(text: str) -> str:
    """Text whose last line is a line; no line at all stays so, for a reader that counts them."""
    return text if text.endswith("\n") or not text else text + "\n"


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
