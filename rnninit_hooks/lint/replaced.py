"""RNN313: a layer gets a new Parameter in place of the one it had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnninit_hooks.lint.values import MOVED, Opaque, Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.events import Write
    from rnninit_hooks.lint.reading import Study


def check(study: Study) -> Iterator[Finding]:
    """Assignments to a parameter's name on a recurrent layer."""
    seen: set[int] = set()
    for journal in study.journals:
        for write in journal.writes:
            if _replaces(write) and id(write.node) not in seen:
                seen.add(id(write.node))
                yield study.source.finding(
                    "RNN313", write.node, f"`{write.target.parameter.name}` is replaced by a new Parameter",
                    expected="the same Parameter with other values, which optimizers and ties go on to know",
                    fix="write in place: `with torch.no_grad(): param.copy_(...)`",
                )  # fmt: skip


def _replaces(write: Write) -> bool:
    """A class that derives from a torch layer declares its own parameters; what comes from another layer is wanted."""
    owner, value = write.target.parameter.owner, write.value
    carried = isinstance(value, Tensor) or value == Opaque(MOVED)
    return write.how == "replace" and owner.recurrent and owner.key != "self" and not carried
