"""RNN311: the members of `all_weights` are taken for four."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnninit_hooks.lint.events import Unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.reading import Study


def check(study: Study) -> Iterator[Finding]:
    """Loops with a target of fixed length, unless the layer is built in sight with biases and without projection."""
    seen: set[int] = set()
    for journal in study.journals:
        for event in journal.events:
            if not isinstance(event, Unpack) or id(event.node) in seen:
                continue
            right = event.owner.built and event.owner.bias is True and event.owner.proj is False
            if event.count == 4 and not right:
                seen.add(id(event.node))
                yield study.source.finding(
                    "RNN311", event.node, "every member of all_weights is unpacked into 4 names",
                    expected="2 members with bias=False, 5 with proj_size, 3 with both",
                    fix="take parameters by name: `getattr(rnn, f'weight_hh_l{layer}')`",
                )  # fmt: skip
