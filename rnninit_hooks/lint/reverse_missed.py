"""RNN306: names without `_reverse` in a network that runs both ways."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rnninit_hooks.lint.coverage import candidates, reaches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.coverage import Reach
    from rnninit_hooks.lint.reading import Study
    from rnninit_hooks.lint.values import Layer


_SPEAKS_OF_IT = re.compile(r"^[^#\n]*reverse", re.MULTILINE)  # what a comment keeps of it reaches nothing


def check(study: Study) -> Iterator[Finding]:
    """Bidirectional stacks of which only the forward direction is initialised."""
    seen: set[int] = set()
    if _SPEAKS_OF_IT.search(study.source.text):
        return
    for reach in reaches(study):
        both = any(_may_run_back(one, reach) for one in candidates(study, reach.owner, reach.write))
        if reach.forward_only and both and id(reach.write.node) not in seen:
            seen.add(id(reach.write.node))
            yield study.source.finding(
                "RNN306", reach.write.node, f"the reverse direction of `{reach.owner.key}` keeps torch's default",
                expected="both directions; names of the second end in _reverse",
                fix="loop over suffixes ('', '_reverse'), or write a rule without `direction`, which reaches both",
            )  # fmt: skip


def _may_run_back(layer: Layer, reach: Reach) -> bool:
    """A layer from outside is held to it only by code that goes through all layers, and so means to reach everything."""
    return layer.bidirectional is not False and (layer.built or not reach.first_only)
