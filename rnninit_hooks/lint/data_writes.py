"""RNN401: a parameter is written through `.data`, behind autograd's back. Noisy: nearly all older code does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.reading import Study


def check(study: Study) -> Iterator[Finding]:
    """Every write through `.data` to a recurrent layer."""
    seen: set[int] = set()
    for journal in study.journals:
        for write in journal.writes:
            hidden = not write.target.tracked or write.how == "data"
            if hidden and write.target.parameter.owner.recurrent and id(write.node) not in seen:
                seen.add(id(write.node))
                yield study.source.finding(
                    "RNN401", write.node, "a write through `.data`, of which autograd hears nothing",
                    expected="`with torch.no_grad():`, under which a write between forward and backward is an error",
                    fix="drop `.data` and write under no_grad, or use torch.nn.init",
                )  # fmt: skip
