"""Where a finding stands, as a repository names it."""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from rnninit_hooks.findings import Finding, Place
    from rnninit_hooks.report.judgement import Judgement, Subject

_NO_FILE = ("builtin:", "pkg:", "<")


def repository(folder: Path) -> Path:
    """The folder of the repository that holds a folder, or the folder itself."""
    return next((at for at in (folder, *folder.parents) if (at / ".git").exists()), folder)


def in_repository(file: str, judgement: Judgement) -> str | None:
    """A path relative to the repository's root, absolute outside of it, with slashes; None for what is no file.

    >>> from rnninit_hooks.report.judgement import Judgement
    >>> judgement = Judgement("lint", (), folder=Path("/repo/code"), root=Path("/repo"))
    >>> in_repository("a.py", judgement), in_repository("../../b.py", judgement), in_repository("builtin:keras", judgement)
    ('code/a.py', '/b.py', None)
    """
    if file.startswith(_NO_FILE):
        return None
    whole = PurePath(os.path.normpath(judgement.folder / file))
    return (whole.relative_to(judgement.root) if whole.is_relative_to(judgement.root) else whole).as_posix()


def standing(subject: Subject, finding: Finding, judgement: Judgement) -> tuple[str | None, Place | None]:
    """The file of the repository that a finding stands in, and where in it.

    A finding without a place, or whose rule stands in a packaged file, belongs to the subject's file as a whole: code
    scanning on GitHub refuses a report in which one result has no file.
    """
    place = finding.place
    file = in_repository(place.file, judgement) if place else None
    if file is None:
        return in_repository(subject.file, judgement) if subject.file else None, None
    return file, place


def as_uri(path: str) -> str:
    """A path as a URI reference: relative stays relative, absolute becomes `file:`.

    >>> as_uri("a b/c:d.py"), as_uri("/b.py")
    ('a%20b/c%3Ad.py', 'file:///b.py')
    """
    quoted = quote(path, errors="surrogatepass")
    return f"file://{'' if path.startswith('/') else '/'}{quoted}" if PurePath(path).is_absolute() else quoted
