"""RNN312: a loop over all parameters meets vectors: a scheme for matrices raises there, others damage norm layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnninit_hooks.lint.arithmetic import as_scaled, calculate, number
from rnninit_hooks.lint.values import Num

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnninit_hooks.findings import Finding
    from rnninit_hooks.lint.events import Write
    from rnninit_hooks.lint.reading import Study

_MATRIX = frozenset({"orthogonal", "xavier", "kaiming", "sparse", "eye"})


def check(study: Study) -> Iterator[Finding]:
    """Vectors in the reach of a loop."""
    seen: set[int] = set()
    for journal in study.journals:
        for write in journal.writes:
            reason = _reason(write)
            if reason is not None and id(write.node) not in seen:
                seen.add(id(write.node))
                yield study.source.finding(
                    "RNN312", write.node, reason,
                    expected="matrices only, with a test of `param.dim()`; norm weights stay near 1",
                    fix="ask `param.dim() > 1` first, and leave norm layers out by class",
                )  # fmt: skip


def _reason(write: Write) -> str | None:
    own = write.target.parameter
    if not (write.target.looped and write.target.whole and own.dims == 1 and own.owner.built) or write.caught:
        return None
    if write.op in _MATRIX and write.how == "init":
        return f"the loop reaches `{own.name}` of a {_kind(write)}, a vector, for which torch raises ValueError"
    if own.owner.kinds == {"Norm"} and not own.bias and _damages(write):
        return "the loop reaches the weight of a norm layer, which should stay near 1"
    return None


def _kind(write: Write) -> str:
    kinds = sorted(write.target.parameter.owner.kinds)
    return "norm layer" if kinds == ["Norm"] else " or ".join(kinds)


def _damages(write: Write) -> bool:
    if write.op == "constant":
        return isinstance(write.value, Num) and abs(write.value.value) < 0.5
    return write.op in ("normal", "uniform") and _level(write) < 0.5


def _level(write: Write) -> float:
    """The highest mean that a draw can have, as far as it is known; torch's own default where nothing is said."""
    options = dict(write.options)
    if write.op == "normal":
        mean = options.get("mean", options.get("#1", Num(0.0)))
        return value if (value := number(mean)) is not None else 1.0
    low, high = options.get("a", options.get("#1", Num(0.0))), options.get("b", options.get("#2", Num(1.0)))
    if calculate("Mult", low, Num(-1.0)) == (as_scaled(high) or high):
        return 0.0
    return value if (value := number(high)) is not None else 1.0
