"""How long the lint takes for a thousand files on one core: `python -m tests.benchmarks.linting [FOLDER]`."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from rnninit_hooks.lint.runner import files_of, lint_paths
from tests.lint.test_corpus import SNIPPETS, split

COUNT = 1000


def written(folder: Path) -> list[Path]:
    """A thousand files of a few hundred lines, made of the corpus."""
    sources = [split(text)[0] for text in SNIPPETS.values()]
    for number in range(COUNT):
        parts = [sources[(number + step) % len(sources)] for step in range(10)]
        (folder / f"m{number:04}.py").write_text("\n\n".join(parts), encoding="utf-8")
    return [folder]


def main(words: list[str]) -> None:
    """Print the time of the folder's first thousand files, or of made ones."""
    with tempfile.TemporaryDirectory() as made:
        paths = list(files_of([Path(words[0])]))[:COUNT] if words else written(Path(made))
        began = time.process_time()
        outcome = lint_paths(paths)
        spent = time.process_time() - began
    print(f"{outcome.files} files, {len(outcome.findings)} findings, {spent:.1f} s, {1000 * spent / outcome.files:.1f} ms a file")


if __name__ == "__main__":
    main(sys.argv[1:])
