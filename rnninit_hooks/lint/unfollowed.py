"""RNN319: a function costs more steps than the lint takes; what comes after them was not judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.reading import Study


def check(study: Study) -> Iterator[Finding]:
    """Entries whose budget ran out, each at its first line."""
    for journal in study.journals:
        if journal.cut_off is not None:
            yield study.source.finding(
                "RNN319", journal.cut_off, f"`{journal.entry}` is only followed in part: it takes too many steps",
                expected="loops that code about parameters needs",
                fix="move the initialisation into a function of its own, which is followed by itself",
            )  # fmt: skip
