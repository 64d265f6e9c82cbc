"""Rule files as they stood in a revision of a git repository, named as git names them: `HEAD~1:rules/init.rules.yaml`.

Nothing is checked out: bytes come from `git cat-file`, which runs no filter and fetches nothing. A file that such a file
extends by a relative path comes from the same revision; presets and packages are those installed now, and weights that a
`pretrained` recipe names by a relative path are those of the working tree.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from rnninit_hooks.errors import RuleFileError
from rnninit_hooks.findings import Finding, Place
from rnninit_hooks.rules.document import LARGEST
from rnninit_hooks.rules.load import load, resolve
from rnninit_hooks.rules.shelves import DISK

if TYPE_CHECKING:
    from rnninit_hooks.rules.models import Policy

_SPEC = re.compile(r"(?P<rev>[^:\n]+):(?P<path>[^/\\\n][^\n]*\.ya?ml)")
_SCHEMES = ("builtin", "pkg")
_HOW = "name it as git does, REV:PATH, such as HEAD~1:init.rules.yaml; PATH counts from the repository's root, ./PATH from here"


def named(policy: Policy | str | Path) -> Policy:
    """A policy from whatever names one: itself, a path, a preset, or `REV:PATH`; a file of that very name comes first."""
    found = _SPEC.fullmatch(policy) if isinstance(policy, str) else None
    if found is None or found["rev"] in _SCHEMES or Path(found.string).is_file():
        return resolve(policy)
    return load_revision(found["rev"], found["path"])


def load_revision(revision: str, path: str, *, folder: Path | None = None) -> Policy:
    """Read a rule file of a revision, with everything that it extends; raises `RuleFileError`.

    `path` counts from the root of the repository that holds `folder` (default: where you stand); one that begins with a
    dot counts from `folder`, as for git.
    """
    label = f"{revision}:{path}"
    shelf = _shelf(revision, folder or Path.cwd(), label)
    inside = _inside(shelf.root, folder or Path.cwd(), path, label)
    return load(shelf.root / inside, name=f"{revision}:{inside}", shelf=shelf)


def at_revision(revision: str, file: Path) -> Policy:
    """The rule file at this path as it stood in a revision, also where its folder is another repository's."""
    folder = file.parent if file.parent.is_dir() else Path.cwd()
    return load_revision(revision, f"./{file.name if file.parent.is_dir() else file.as_posix()}", folder=folder)


@dataclass(frozen=True)
class Revision:
    """The files of one revision under the paths that they have in the working tree; files elsewhere are those on disk."""

    root: Path
    name: str

    def holds(self, path: Path) -> bool:
        """True for a file of that revision, also through a link."""
        inside = self.inside(path)
        return DISK.holds(path) if inside is None else self._asked(inside, "--batch-check")[0] == "blob"

    def raw_bytes(self, path: Path) -> bytes:
        """Its bytes; what is too large to be a rule file is not read to its end."""
        inside = self.inside(path)
        if inside is None:
            return DISK.raw_bytes(path)
        kind, size, _ = self._asked(inside, "--batch-check")
        if kind != "blob":
            raise FileNotFoundError(2, f"no such file in revision {self.name}")
        return b" " * (LARGEST + 1) if size > LARGEST else self._asked(inside, "--batch")[2]

    def label(self, path: Path) -> str:
        """`REV:PATH`, as git would take it."""
        inside = self.inside(path)
        return str(path) if inside is None else f"{self.name}:{inside}"

    def key(self, path: Path) -> str:
        """The same text for every way to write a path."""
        return DISK.key(path) if self.inside(path) is None else self.label(path)

    def beside(self, path: Path) -> list[str]:
        """Names of the rule files that the revision has in the same folder."""
        inside = self.inside(path)
        if inside is None:
            return DISK.beside(path)
        folder = PurePosixPath(inside).parent
        asked = ["ls-tree", "-z", "--name-only", self.name, *([] if str(folder) == "." else [f"{folder}/"])]
        names = _git(self.root, asked).stdout.decode("utf-8", "surrogateescape").split("\0")
        return [PurePosixPath(name).name for name in names if re.search(r"\.ya?ml$", name)]

    @property
    def advice(self) -> str:
        """As git names it."""
        return _HOW

    def inside(self, path: Path) -> str | None:
        """The path from the root, with slashes; None outside of the repository."""
        whole = Path(os.path.normpath(self.root / path))
        return whole.relative_to(self.root).as_posix() if whole.is_relative_to(self.root) else None

    def _asked(self, inside: str, how: str) -> tuple[str, int, bytes]:
        if "\n" in inside:
            return "missing", 0, b""
        answer = _git(self.root, ["cat-file", "--follow-symlinks", how], said=f"{self.name}:{inside}\n").stdout
        head, _, rest = answer.partition(b"\n")
        words = head.decode("utf-8", "surrogateescape").split(" ")
        if len(words) != 3 or words[1] not in ("blob", "tree", "commit", "tag"):
            return "missing", 0, b""
        return words[1], int(words[2]), rest[: int(words[2])]


def _shelf(revision: str, folder: Path, label: str) -> Revision:
    found = _git_or_refuse(folder, ["rev-parse", "--show-toplevel"], label)
    if found.returncode:
        reason = found.stderr.decode("utf-8", "replace").strip().partition("\n")[0].removeprefix("fatal: ")
        raise _refused(label, f"{folder} is in no git repository ({reason})", "run it in the working tree of the repository")
    root = Path(found.stdout.decode("utf-8", "surrogateescape").rstrip("\n"))
    asked = f"{revision}^{{tree}}\n"
    known = _git(root, ["cat-file", "--batch-check"], said=asked).stdout.split(b" ")
    if "\n" in revision or len(known) != 3 or known[1] != b"tree":
        fix = "name one that `git rev-parse --verify REV` knows; a shallow clone has only its newest: `git fetch --unshallow`"
        raise _refused(label, f"{root} has no revision {revision!r}", fix)
    return Revision(root, revision)


def _inside(root: Path, folder: Path, path: str, label: str) -> str:
    start = folder.resolve() if path.startswith(("./", "../")) else root
    whole = Path(os.path.normpath(start / path))
    if Path(path).is_absolute() or not whole.is_relative_to(root):
        raise _refused(label, f"{path} does not name a file inside the repository {root}", _HOW)
    return whole.relative_to(root).as_posix()


def _git_or_refuse(folder: Path, words: Sequence[str], label: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return _git(folder, words)
    except OSError as error:
        reason = error.strerror or str(error)
        raise _refused(label, f"git cannot be run: {reason}", "install git, or name a rule file on disk") from error


def _git(folder: Path, words: Sequence[str], *, said: str = "") -> subprocess.CompletedProcess[bytes]:
    """One call of git that asks and changes nothing; what a partial clone lacks is not fetched.

    In a hook git sets GIT_DIR without GIT_WORK_TREE, and then takes whatever folder it stands in for the root.
    """
    environment = {**os.environ, "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0"}
    if "GIT_WORK_TREE" not in environment:
        environment.pop("GIT_DIR", None)
    return subprocess.run(
        ["git", *words], cwd=folder, input=said.encode("utf-8", "surrogateescape"), capture_output=True, check=False,
        env=environment,
    )  # fmt: skip


def _refused(label: str, found: str, fix: str) -> RuleFileError:
    return RuleFileError([Finding("RNN001", found, place=Place(label, 1, 1), fix=fix)])
