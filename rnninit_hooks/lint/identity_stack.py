"""RNN314: an identity over the rows of all gates, of which only the first gate gets any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnninit_hooks.lint.stacked import gates_text, whole_writes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.reading import Study


def check(study: Study) -> Iterator[Finding]:
    """`eye_` and `torch.eye` on a fused matrix."""
    for write in whole_writes(study, frozenset({"eye"})):
        yield study.source.finding(
            "RNN314", write.node, f"one identity over the rows of {gates_text(write)}: all but the first gate get zeros",
            expected="an identity for each gate that should have one",
            fix="write `for gate in weight.data.chunk(gates): nn.init.eye_(gate)`, or a rule `init: {kind: identity}`",
        )  # fmt: skip
