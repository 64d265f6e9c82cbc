"""Writes that treat the blocks of all gates as one matrix; shared by the checks of each scheme."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rnninit_hooks.lint.values import GATES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.lint.events import Journal, Write
    from rnninit_hooks.lint.reading import Study

_RECURRENT = re.compile(r"lstm|gru|rnn|cell|recurrent", re.IGNORECASE)

_STATE = re.compile(r"(?:^|_)(?:ih|hh)$|[hix]2h$")  # what the Linears of a cell are called


def whole_writes(study: Study, ops: frozenset[str]) -> Iterator[Write]:
    """Writes of a whole fused weight by one of some schemes, each place once."""
    seen: set[int] = set()
    for journal in study.journals:
        mixed = _mixed(journal)
        for write in journal.writes:
            if write.op in ops and id(write.node) not in seen and id(write.node) not in mixed and _fused(write):
                seen.add(id(write.node))
                yield write


def _mixed(journal: Journal) -> set[int]:
    """Places that plain layers of an unknown model reach as well: the scheme may be meant for those alone."""
    return {
        id(write.node) for write in journal.writes
        if not write.target.parameter.owner.sure and not write.target.parameter.owner.recurrent
    }  # fmt: skip


def _fused(write: Write) -> bool:
    own, owner = write.target.parameter, write.target.parameter.owner
    matrix = write.target.whole and not write.target.copied and not own.bias and own.dims in (2, 3) and own.part != "hr"
    if not (matrix and write.fused):
        return False
    if owner.recurrent:
        return True
    speaks = _RECURRENT.search(write.scope) or _STATE.search(owner.key)
    return (own.part in ("ih", "hh") or owner.kinds == {"Gates"}) and speaks is not None


def gates_text(write: Write) -> str:
    """How many gates the matrix holds, in words: `4 gates`, `3 or 4 gates`."""
    owner = write.target.parameter.owner
    counts = sorted({GATES[kind] for kind in write.kinds if GATES[kind] > 1}) if owner.recurrent else [owner.gates or 0]
    return f"{' or '.join(map(str, counts))} gates"


def loop_text(write: Write) -> str:
    """How to go over the gates one by one."""
    return "loop over `weight.data`" if write.target.parameter.dims == 3 else "loop over `weight.data.chunk(gates)`"


def only_input(study: Study, write: Write) -> bool:
    """Whether nothing but input weights passes this place."""
    return study.places_of_parts[id(write.node)] == {"ih"}


def narrow(write: Write) -> bool:
    """Whether an input weight surely has fewer columns than rows, so that its gates cannot all be orthonormal."""
    own = write.target.parameter
    widths = own.owner.widths if own.layer == 0 else None
    return widths is not None and own.part == "ih" and widths < min(GATES.get(kind, 0) for kind in write.kinds)
