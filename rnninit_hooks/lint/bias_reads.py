"""RNN316: a bias is written without asking whether the layer has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnninit_hooks.lint.events import Read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.events import Journal
    from rnninit_hooks.lint.reading import Study


def check(study: Study) -> Iterator[Finding]:
    """Biases by name, of a layer whose `bias` argument is False or comes from outside."""
    seen: set[int] = set()
    for journal in study.journals:
        for read in _unguarded(journal):
            if id(read.node) not in seen:
                seen.add(id(read.node))
                never = read.owner.bias is False
                finding = study.source.finding(
                    "RNN316", read.node, f"`{read.name}` is written, but the layer {'has' if never else 'may have'} no biases",
                    expected="an AttributeError on a layer, None on a cell, where bias=False",
                    fix="ask `if rnn.bias:` first, or write a rule with `idle: allow`",
                )  # fmt: skip
                yield finding.at_level("error") if never else finding


def _unguarded(journal: Journal) -> Iterator[Read]:
    written = {(write.target.parameter.owner.key, write.target.parameter.name) for write in journal.writes if not write.caught}
    for event in journal.events:
        if isinstance(event, Read) and _may_lack(event) and (event.owner.key, event.name) in written:
            yield event


def _may_lack(read: Read) -> bool:
    return read.owner.built and read.owner.bias is not True and not read.guarded
