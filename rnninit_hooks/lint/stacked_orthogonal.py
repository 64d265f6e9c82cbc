"""RNN302: one orthogonal draw over the rows of all gates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnninit_hooks.lint.stacked import gates_text, loop_text, narrow, only_input, whole_writes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.reading import Study


def check(study: Study) -> Iterator[Finding]:
    """Orthogonal writes of a fused recurrent matrix; input weights only where the sizes say that they are too narrow."""
    for write in whole_writes(study, frozenset({"orthogonal"})):
        if not only_input(study, write) or narrow(write):
            yield study.source.finding(
                "RNN302", write.node, f"one orthogonal matrix over the rows of {gates_text(write)}",
                expected="an orthogonal matrix for each gate; the stack shrinks every gate to 1/sqrt(gates) of the norm",
                fix=f"{loop_text(write)}, or write a rule `init: {{kind: orthogonal}}`, which works per gate",
            )  # fmt: skip
