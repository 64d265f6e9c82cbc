"""RNN305: a whole module is initialised after a checkpoint was loaded into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnninit_hooks.lint.events import Moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.events import Journal
    from rnninit_hooks.lint.reading import Study


def check(study: Study) -> Iterator[Finding]:
    """Every initialisation that happens whenever an earlier load of the same object has happened."""
    seen: set[int] = set()
    for journal in study.journals:
        for moment in _overwritten(journal):
            if id(moment.node) not in seen:
                seen.add(id(moment.node))
                yield study.source.finding(
                    "RNN305", moment.node, f"`{moment.words}` is initialised after its checkpoint was loaded",
                    expected="the loaded weights, which are now overwritten",
                    fix="initialise first and load afterwards",
                )  # fmt: skip


def _overwritten(journal: Journal) -> Iterator[Moment]:
    loaded: dict[str, Moment] = {}
    for event in journal.events:
        if not isinstance(event, Moment):
            continue
        before = loaded.get(event.key)
        if event.kind == "load":
            loaded[event.key] = event
        elif event.kind == "bind":
            for key in [key for key in loaded if key == event.key or key.startswith(f"{event.key}.")]:
                del loaded[key]
        elif before is not None and set(event.path) <= set(before.path):
            yield event
