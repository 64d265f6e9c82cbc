"""RNN315: recurrent weights drawn from [0, 1) or from N(0, 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnninit_hooks.lint.values import Draw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.events import Write
    from rnninit_hooks.lint.reading import Study


def check(study: Study) -> Iterator[Finding]:
    """Draws that nothing scales."""
    seen: set[int] = set()
    for journal in study.journals:
        for write in journal.writes:
            own = write.target.parameter
            if own.owner.recurrent and own.part == "hh" and not own.bias and _unit(write) and id(write.node) not in seen:
                seen.add(id(write.node))
                yield study.source.finding(
                    "RNN315", write.node, "recurrent weights of the size of 1: the spectral radius grows with the width",
                    expected="a spread of about 1/sqrt(hidden); N(0, 1) at 128 units has radius 11.9, [0, 1) has 64",
                    fix="give bounds or a std, or write a rule such as `init: {kind: orthogonal}`",
                )  # fmt: skip


def _unit(write: Write) -> bool:
    if write.op == "rand":
        return True
    if write.op not in ("normal", "uniform"):
        return False
    given = [value for key, value in write.options if key != "generator"]
    return not given or (write.how != "init" and isinstance(given[0], Draw))
