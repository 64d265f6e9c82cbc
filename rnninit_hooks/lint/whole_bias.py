"""RNN402: one constant for the biases of all gates, in both partners. Noisy: small constants are harmless."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnninit_hooks.lint.values import Num

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.events import Write
    from rnninit_hooks.lint.reading import Study


def check(study: Study) -> Iterator[Finding]:
    """Non-zero constants on whole fused biases."""
    seen: set[int] = set()
    for journal in study.journals:
        for write in journal.writes:
            if id(write.node) not in seen and _everywhere(write):
                seen.add(id(write.node))
                yield study.source.finding(
                    "RNN402", write.node, "one constant for the biases of all gates",
                    expected="a value for each gate: one that opens the forget gate also opens input and output",
                    fix="zero the bias and set the gate that is meant, or write a rule with `gate`",
                )  # fmt: skip


def _everywhere(write: Write) -> bool:
    own = write.target
    return (
        own.whole and own.parameter.bias and write.fused and own.parameter.owner.recurrent
        and write.op == "constant" and isinstance(write.value, Num) and write.value.value != 0
    )  # fmt: skip
