"""RNN304: names with `_l0` in a network that may have more layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnninit_hooks.lint.coverage import candidates, reaches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.reading import Study


def check(study: Study) -> Iterator[Finding]:
    """Stacks of which only layer 0 is initialised."""
    seen: set[int] = set()
    for reach in reaches(study):
        deep = any(one.layers is None or one.layers > 1 for one in candidates(study, reach.owner, reach.write))
        if reach.first_only and deep and id(reach.write.node) not in seen:
            seen.add(id(reach.write.node))
            yield study.source.finding(
                "RNN304", reach.write.node, f"only layer 0 of `{reach.owner.key}` is initialised here",
                expected=f"every layer; {_depth(reach.owner.layers)}",
                fix="loop over range(num_layers), or write a rule without `layer`, which reaches all of them",
            )  # fmt: skip


def _depth(layers: int | None) -> str:
    return f"this one has {layers}" if layers else "num_layers is not fixed to 1"
