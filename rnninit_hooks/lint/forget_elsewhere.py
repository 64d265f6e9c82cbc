"""RNN318: the line speaks of the forget gate, but its rows belong to another one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rnninit_hooks.lint.values import Num

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.events import Journal, Write
    from rnninit_hooks.lint.reading import Study

_GATES = ("input", "forget", "cell", "output")
_OTHERS = re.compile(r"input|output|candidate|\bcell|update|reset|others?\b|rest\b|all\b", re.IGNORECASE)


def check(study: Study) -> Iterator[Finding]:
    """Constants on one block of an LSTM's bias, not the second, where the line or the comment above says `forget`."""
    seen: set[int] = set()
    for journal in study.journals:
        for write in journal.writes:
            gate = _block(write)
            if gate in (0, 2, 3) and id(write.node) not in seen and _speaks(write, study) and not _has_forget(journal, write):
                seen.add(id(write.node))
                yield study.source.finding(
                    "RNN318", write.node, f"the line speaks of the forget gate, but the rows are the {_GATES[gate]} gate's",
                    expected="torch's order: input, forget, cell, output; the forget gate has the second quarter",
                    fix="take rows [hidden : 2 * hidden], or write a rule with `gate: forget`",
                )  # fmt: skip


def _block(write: Write) -> int | None:
    own = write.target
    set_to = write.value.value if isinstance(write.value, Num) else 0
    if own.extent is None or not set_to or not own.parameter.bias or not write.kinds <= {"LSTM", "LSTMCell"}:
        return None
    return own.extent.gate(4)


def _has_forget(journal: Journal, write: Write) -> bool:
    return any(_block(other) == 1 for other in journal.writes if other.target.parameter == write.target.parameter)


def _speaks(write: Write, study: Study) -> bool:
    line = getattr(write.node, "lineno", 1)
    above = study.source.lines[line - 2].strip() if line > 1 else ""
    text = study.source.lines[line - 1] + (above if above.startswith("#") else "")
    return "forget" in text.lower() and not _OTHERS.search(text)
