"""What `diff` hands back: one row per slot, from what to what. Plain data; knows nothing of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rnninit_hooks.findings import Finding
from rnninit_hooks.rows import Row

ChangeKind = Literal["same", "changed", "only_a", "only_b"]
KINDS: tuple[ChangeKind, ...] = ("changed", "only_a", "only_b", "same")


@dataclass(frozen=True)
class Change:
    """One slot under two policies.

    `change` is "same" (bit-identical), "changed", "only_a" (was decided, is left alone now) or "only_b". `a` and `b` are
    the rows of the two plans: recipe, rule, place, why. `bits_equal` tells whether the model as it is would hold the same
    bits after either policy; None where that hangs on a batch, on a model without memory, or on a recipe that cannot be
    drawn, and then `note` says on what. Figures are those of what would be written: `effective_bias` and `retention` of a
    bias, `value` of one of its partners, `mean` and `std` of a matrix, `mean` of any other vector; empty where nothing
    changes.
    """

    address: str
    change: ChangeKind
    a: Row
    b: Row
    bits_equal: bool | None
    note: str | None = None
    figures_a: Mapping[str, float] = field(default_factory=dict)
    figures_b: Mapping[str, float] = field(default_factory=dict)

    @property
    def parameter(self) -> str:
        """The qualified name without the gate."""
        return self.a.parameter

    @property
    def module(self) -> str:
        """The path of the module that owns the slot."""
        return self.a.module

    @property
    def reworded(self) -> bool:
        """True when the same bits come from another rule, another recipe, or for another reason."""
        return self.change == "same" and _said(self.a) != _said(self.b)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; `bits_equal` is null where it is not known."""
        facts: dict[str, Any] = {"address": self.address, "change": self.change, "bits_equal": self.bits_equal}
        facts |= {"note": self.note} if self.note else {}
        return facts | {"a": _side(self.a, self.figures_a), "b": _side(self.b, self.figures_b)}


def _said(row: Row) -> tuple[object, ...]:
    return row.rule, row.recipe, row.why, row.status


def _side(row: Row, figures: Mapping[str, float]) -> dict[str, Any]:
    known = row.to_dict()
    facts = {name: known[name] for name in ("status", "rule", "recipe", "place", "why", "note") if name in known}
    return facts | ({"figures": dict(figures)} if figures else {})


@dataclass(frozen=True)
class Diff:
    """What a change of rules does to a model, slot by slot; `str(diff)` prints it, `to_dict()` gives plain data.

    `new` are the findings of the second plan that the first one has not, `gone` the reverse; a finding whose line moved
    is neither. `unjudged` are parameters without a shape yet, of which nothing can be said.
    """

    a: str
    b: str
    rows: tuple[Change, ...]
    seeds: tuple[int, int]
    sampler: str
    new: tuple[Finding, ...] = ()
    gone: tuple[Finding, ...] = ()
    unjudged: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[ChangeKind, int]:
        """How many slots there are of every kind of change."""
        return {kind: sum(row.change == kind for row in self.rows) for kind in KINDS}

    @property
    def same(self) -> bool:
        """True when every slot is bit-identical under the same decision and no error or warning comes or goes."""
        told = any(finding.level != "info" for finding in (*self.new, *self.gone))
        return not told and all(row.change == "same" for row in self.rows)

    @property
    def summary(self) -> str:
        """One line.

        >>> Diff("a.yaml", "b.yaml", (), (0, 0), "v2").summary
        '0 slots change, 0 are no longer decided, 0 are newly decided, 0 stay bit-identical'
        """
        counts = self.counts
        changed, gone, new, same = (counts[kind] for kind in KINDS)
        return ", ".join([
            f"{changed} {'slot changes' if changed == 1 else 'slots change'}", f"{gone} {_are(gone)} no longer decided",
            f"{new} {_are(new)} newly decided", f"{same} {'stays' if same == 1 else 'stay'} bit-identical",
        ])  # fmt: skip

    def __getitem__(self, address: str) -> Change:
        for row in self.rows:
            if row.address == address:
                return row
        raise KeyError(f"no slot {address!r}; this diff has {', '.join(row.address for row in self.rows)}")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "verb": "diff", "same": self.same, "a": self.a, "b": self.b, "seeds": list(self.seeds), "sampler": self.sampler,
            "counts": dict(self.counts), "new": [finding.to_dict() for finding in self.new],
            "gone": [finding.to_dict() for finding in self.gone], "unjudged": list(self.unjudged),
            "rows": [row.to_dict() for row in self.rows],
        }  # fmt: skip

    def __str__(self) -> str:
        from rnninit_hooks.report.diff_text import render_diff  # rendering is asked for, not paid at import

        return render_diff(self)


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
