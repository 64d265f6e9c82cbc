"""Paths become findings: files are found, followed and judged one by one."""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rnninit_hooks.findings import CODES, Finding, counts
from rnninit_hooks.lint.checks import CHECKS, QUIET
from rnninit_hooks.lint.neighbours import forget
from rnninit_hooks.lint.pragmas import ignored_by, pragmas, silenced
from rnninit_hooks.lint.reading import study
from rnninit_hooks.lint.source import Source, parse, read, too_deep

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rnninit_hooks.lint.outline import Sent
    from rnninit_hooks.lint.reading import Study

_SKIPPED = frozenset({"__pycache__", "node_modules", "venv"})
UNREAD, UNUSED = "RNN320", "RNN322"
Ignored: TypeAlias = "tuple[tuple[Finding, str], ...]"
LINT_CODES = tuple(code for code in CODES if code.startswith(("RNN3", "RNN4")))


@dataclass(frozen=True)
class Outcome:
    """What was found in some files; `names` are all that were judged, `unread` counts those that could not be."""

    names: tuple[str, ...]
    findings: tuple[Finding, ...]
    ignored: tuple[tuple[Finding, str], ...] = ()
    """Findings that a comment silences, each with its reason."""
    known: tuple[Finding, ...] = ()
    """Findings that a baseline knows; they fail nothing and are counted."""
    unsure: frozenset[tuple[str, str]] = frozenset()
    """Lines, by file and text, of which callers outside of this run may show more."""

    @property
    def counts(self) -> dict[str, int]:
        """How many findings of which fate."""
        return counts(self.findings, ignored=len(self.ignored), baselined=len(self.known))

    @property
    def files(self) -> int:
        """How many files there were."""
        return len(self.names)

    @property
    def judged(self) -> tuple[str, ...]:
        """The files that have a verdict."""
        unread = {one.place.file for one in self.findings if one.code == UNREAD and one.place}
        return tuple(name for name in self.names if name not in unread)

    @property
    def unread(self) -> int:
        """Files without a verdict."""
        return sum(finding.code == UNREAD for finding in self.findings)

    @property
    def clean(self) -> bool:
        """True when nothing is an error or a warning."""
        return all(finding.level == "info" for finding in self.findings)


def chosen(select: Iterable[str] = (), ignore: Iterable[str] = ()) -> frozenset[str]:
    """The codes to judge by: those selected, else all but the noisy ones; less those ignored. Prefixes count.

    >>> "RNN401" in chosen(), sorted(chosen(["RNN40"])), "RNN303" in chosen(ignore=["RNN30"])
    (False, ['RNN320', 'RNN401', 'RNN402'], False)
    """
    wanted, unwanted = tuple(select), tuple(ignore)
    codes = {code for code in LINT_CODES if (code.startswith(wanted) if wanted else not code.startswith(QUIET))}
    return frozenset(code for code in codes if not (unwanted and code.startswith(unwanted))) | {UNREAD}


def lint_paths(paths: Iterable[Path], codes: frozenset[str] | None = None) -> Outcome:
    """Judge files, and every `.py` file below folders. Raises FileNotFoundError for a path that does not exist.

    Files of one call say of each other's functions what they give them. A file that is named by itself, as hooks for changed
    files do, may miss its callers: a comment that silences nothing in such a function is then no finding.
    """
    named = list(paths)
    with _one_run():
        names = dict.fromkeys(str(path) for path in files_of(named))
        return _judged_together(list(names), codes, frozenset(str(path) for path in named if path.is_file()))


@contextlib.contextmanager
def _one_run() -> Iterator[None]:
    """Collect garbage seldom, since millions of tree nodes come and go, and none of them in circles; then forget the files."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        forget()


def _judged_together(names: list[str], codes: frozenset[str] | None, lone: frozenset[str]) -> Outcome:
    verdicts = {name: _judged(read(Path(name), name), name, codes, lone=name in lone) for name in names}
    for name, calls in _calls([one.sent for one in verdicts.values()], names).items():
        verdicts[name] = _judged(read(Path(name), name), name, codes, calls, alone=verdicts[name], lone=name in lone)
    found = [finding for name in names for finding in verdicts[name].standing]
    unsure = frozenset((name, text) for name in names for text in verdicts[name].unsure)
    return Outcome(tuple(names), tuple(found), tuple(one for name in names for one in verdicts[name].ignored), unsure=unsure)


def _calls(sent: Iterable[Sequence[Sent]], names: Iterable[str]) -> dict[str, list[Sent]]:
    """What the files of a run tell each other's functions, by the file that is told."""
    own = {os.path.realpath(name): name for name in names}
    found: dict[str, list[Sent]] = {}
    for one in itertools.chain.from_iterable(sent):
        if name := own.get(os.path.realpath(one.file)):
            found.setdefault(name, []).append(one)
    return found


def lint_text(text: str, file: str = "<text>", codes: frozenset[str] | None = None) -> tuple[Finding, ...]:
    """Judge source text.

    >>> lint_text("import torch\\nlstm = torch.nn.LSTM(4, 8)\\ntorch.nn.init.orthogonal_(lstm.weight_hh_l0)")[0].code
    'RNN302'
    """
    return _judged(parse(text.encode("utf-8", "surrogatepass"), file), file, codes).standing


def studies(paths: Iterable[Path]) -> Iterator[Study]:
    """Every file that can be followed, as the checks see it."""
    with _one_run():
        for path in files_of(paths):
            source = read(path, str(path))
            if isinstance(source, Source):
                with contextlib.suppress(RecursionError):  # such a file holds no intent that a person could read either
                    yield study(source)


def files_of(paths: Iterable[Path]) -> Iterator[Path]:
    """Files as named, and Python files below folders in the order of their names; hidden folders are left out."""
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(path)
        if path.is_dir():
            yield from _below(path)
        else:
            yield path


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in _SKIPPED:
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _below(path)
        elif path.suffix == ".py" and path.is_file():
            yield path


@dataclass(frozen=True)
class Verdict:
    """One file: what stands, what comments silence, and what its calls tell functions of other files."""

    standing: tuple[Finding, ...] = ()
    ignored: Ignored = ()
    sent: tuple[Sent, ...] = ()
    unsure: frozenset[str] = frozenset()
    """The text of lines of which callers that this run does not see may show more."""


def _judged(
    source: Source | Finding | None, file: str, codes: frozenset[str] | None, calls: Sequence[Sent] = (), *,
    alone: Verdict | None = None, lone: bool = False,
) -> Verdict:  # fmt: skip
    judged = chosen() if codes is None else codes
    if source is None:
        return Verdict()
    if isinstance(source, Finding):
        return Verdict((source,))
    try:
        followed = study(source, calls)
        found = [one for code, check in CHECKS.items() if code in judged for one in check(followed)]
        found = _with_callers(found, followed, alone) if alone is not None else found
        comments = pragmas(source)
        unsure = followed.open_lines if lone else frozenset()
        standing = [one for one in silenced(found, comments, judged) if one.code != UNUSED or _line(one) not in unsure]
        standing.sort(key=_position)
        texts = frozenset(source.lines[line - 1].strip() for line in unsure)
        return Verdict(tuple(standing), tuple(ignored_by(comments, found)), tuple(followed.outline.sent), texts)
    except RecursionError:
        return Verdict((too_deep(file),))


def _with_callers(found: list[Finding], study: Study, alone: Verdict) -> list[Finding]:
    """Findings that the file alone does not show, each with the call that shows it."""
    seen = {(one.code, one.place) for one in (*alone.standing, *(one for one, _ in alone.ignored))}
    callers = [study.caller(one.place.line) if one.place and (one.code, one.place) not in seen else None for one in found]
    return [
        replace(one, message=f"{one.message}; as called at {place}") if place is not None else one
        for one, place in zip(found, callers, strict=True)
    ]  # fmt: skip


def _line(finding: Finding) -> int:
    return finding.place.line if finding.place else 0


def _position(finding: Finding) -> tuple[int, int, str]:
    return (finding.place.line, finding.place.column, finding.code) if finding.place else (0, 0, "")
