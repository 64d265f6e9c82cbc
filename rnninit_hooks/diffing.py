"""The blast radius of a change of rules on a model: what changes from what to what, what stays bit-identical."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from rnninit_hooks.changes import Change, ChangeKind, Diff
from rnninit_hooks.decisions import Decision
from rnninit_hooks.dissection import dissect
from rnninit_hooks.findings import Finding
from rnninit_hooks.memo import uncollected
from rnninit_hooks.outcomes import Figures, Hand, Verdict, figures, outcomes, worst
from rnninit_hooks.pairing import Pair, paired
from rnninit_hooks.planning import Plan, plan, row_of
from rnninit_hooks.recipes.fills import Keep
from rnninit_hooks.rows import Row
from rnninit_hooks.rules.revisions import named

if TYPE_CHECKING:
    from rnninit_hooks.rules.models import Policy

_NOTES: Mapping[Verdict, str] = {
    "undrawn": "cannot be drawn, see the findings",
    "unmeasured": "depends on the batch",
    "batch": "the same request, but it is measured on a batch, which passes through what changes",
    "meta": "the model holds no memory, so what is there without the rule is not known",
    "coupled": "behind a parametrization that may move it with what changes",
}


def diff(model: nn.Module, policy_a: Policy | str | Path, policy_b: Policy | str | Path) -> Diff:
    """Compare what two policies would do to a model, slot by slot and bit by bit, writing nothing.

    A policy may also be named as git names a file in a revision, `HEAD~1:init.rules.yaml`. Works on models on the meta
    device. Both sides are drawn where their draws differ, one group of parameters at a time, so that a slot called
    bit-identical is so: `apply` of either policy to this model leaves the same bits there. `RuleFileError` is raised when a
    policy is named that cannot be read. A policy whose plan has errors is compared all the same, as if these were mended
    by leaving the slots that they speak of alone; `Diff.new` and `Diff.gone` hold the findings that come and go.

    >>> import torch, rnninit_hooks as ri
    >>> text = "version: 1\\nuntouched: allow\\nrules:\\n  - {id: open, match: {kind: bias, gate: forget}, init: {kind: %s}}\\n"
    >>> difference = ri.diff(torch.nn.LSTM(3, 4), ri.loads(text % "zeros"), ri.loads(text % "ones"))
    >>> difference.summary
    '1 slot changes, 0 are no longer decided, 0 are newly decided, 11 stay bit-identical'
    >>> difference["bias_l0[forget]"].figures_b["retention"].__round__(3)
    0.731
    """
    with uncollected():
        plans = plan(model, named(policy_a)), plan(model, named(policy_b))
        native = frozenset(slot.address for slot in dissect(model).slots)
        return _compared(plans, native, (_label(policy_a, "A"), _label(policy_b, "B")))


def _label(policy: Policy | str | Path, otherwise: str) -> str:
    return str(policy) if isinstance(policy, str | Path) else otherwise


def _compared(plans: tuple[Plan, Plan], native: frozenset[str], labels: tuple[str, str]) -> Diff:
    one, other = plans
    pairs = tuple(paired(one.decisions, other.decisions, native))
    lazy = {member.name: None for decided in plans for member in decided.lazy}
    unjudged = () if one.policy.model_dump() == other.policy.model_dump() else tuple(lazy)
    rows = tuple(_rows(pairs, _judged(pairs, plans), sure=not unjudged))
    new, gone = _apart(other.findings, one.findings), _apart(one.findings, other.findings)
    return Diff(*labels, rows, (one.seed, other.seed), one.sampler, new, gone, unjudged)


def _apart(findings: Sequence[Finding], others: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings that others do not have, wherever their rule stands."""
    known = {_told(finding) for finding in others}
    return tuple(finding for finding in findings if _told(finding) not in known)


def _told(finding: Finding) -> tuple[object, ...]:
    return finding.code, finding.level, finding.address, finding.rule, finding.message


@dataclass(frozen=True, eq=False)
class _Judged:
    """Verdicts by place, and the figures of both sides by the slot's address."""

    verdicts: dict[object, Verdict] = field(default_factory=dict)
    figures: dict[str, tuple[Figures, Figures]] = field(default_factory=dict)

    def of(self, pair: Pair) -> Verdict:
        """The verdict of a slot: that of its worst piece; a piece that no plan reaches is equal."""
        return worst(self.verdicts.get((piece.member.key, piece.region), "equal") for piece in pair.slot.pieces)


def _judged(pairs: Sequence[Pair], plans: tuple[Plan, Plan]) -> _Judged:
    judged, partners = _Judged(), {pair.slot.address for pair in pairs if pair.partner}
    one, other = map(Hand.of, plans)
    for place, verdict, heads in outcomes(one, other, [pair.slot for pair in pairs]):
        judged.verdicts[place] = worst((verdict, judged.verdicts.get(place, "equal")))
        for slot, *images in heads:
            partner = slot.address in partners
            first, second = (figures(slot, image, partner=partner) for image in images)
            judged.figures[slot.address] = first, second
    return judged


def _rows(pairs: Sequence[Pair], judged: _Judged, *, sure: bool) -> Iterator[Change]:
    verdicts = [judged.of(pair) for pair in pairs]
    calm = sure and all(verdict in ("equal", "batch") for verdict in verdicts)
    for pair, verdict in zip(pairs, verdicts, strict=True):
        yield _change(pair, "equal" if calm else verdict, judged)  # what a batch gives is the same when all else is


def _change(pair: Pair, verdict: Verdict, judged: _Judged) -> Change:
    one, other = _row(pair.a), _row(pair.b)
    kind = _kind(one, other, verdict)
    bits = {"equal": True, "differs": False}.get(verdict)
    found = judged.figures.get(pair.slot.address, ({}, {})) if kind != "same" else ({}, {})
    sides = (side if row.status == "write" else {} for side, row in zip(found, (one, other), strict=True))
    return Change(pair.slot.address, kind, one, other, bits, _note(pair, verdict), *sides)


def _kind(one: Row, other: Row, verdict: Verdict) -> ChangeKind:
    writes = one.status == "write", other.status == "write"
    if writes == (True, False):
        return "only_a"
    if writes == (False, True):
        return "only_b"
    return "same" if verdict == "equal" else "changed"


def _note(pair: Pair, verdict: Verdict) -> str | None:
    if verdict == "differs" and not _writers(pair):
        return "the tensor is written under another name"
    return _NOTES.get(verdict)


def _writers(pair: Pair) -> list[Decision]:
    return [one for one in (pair.a, pair.b) if one.rule and not isinstance(one.rule.init, Keep)]


def _row(decision: Decision) -> Row:
    if decision.rule is None:
        return row_of(decision, "untouched")
    return row_of(decision, "keep" if isinstance(decision.rule.init, Keep) else "write")
