"""What the verbs hand back: one row per slot, and reports of rows and findings. Plain data; knows nothing of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from rnninit_hooks.findings import Finding, Place, counts

Status = Literal["write", "keep", "untouched", "written", "pending", "loaded", "touched", "obeys", "breaks"]
Verb = Literal["plan", "apply", "check", "attach"]


@dataclass(frozen=True)
class Row:
    """One slot and what was decided or found about it.

    `parameter` is the qualified name without the gate, `module` the path of the owner ("" for the root), `type` its
    class name, `shape` the slot's own shape as stored, `dtype` as torch prints it without the prefix ("float32").
    `recipe` is the recipe as text, `place` the rule's position in its file. `note` says what else is worth knowing,
    `measured` what the first batch gave where a rule asked for it.
    """

    address: str
    parameter: str
    module: str
    type: str
    shape: tuple[int, ...]
    dtype: str
    status: Status
    kind: str | None = None
    gate: str | None = None
    layer: int | None = None
    direction: str | None = None
    rule: str | None = None
    recipe: str | None = None
    place: Place | None = None
    why: str | None = None
    note: str | None = None
    digest: str | None = None
    stats: Mapping[str, float] | None = None
    measured: Mapping[str, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; keys without a value are left out."""
        facts = {f.name: getattr(self, f.name) for f in fields(self)}
        facts |= {"shape": list(self.shape), "place": str(self.place) if self.place else None}
        facts |= {name: dict(facts[name]) if facts[name] else None for name in ("stats", "measured")}
        return {key: value for key, value in facts.items() if value is not None}


@dataclass(frozen=True)
class Report:
    """What a verb did or saw: `ok` when nothing is an error, `clean` when there is no warning either."""

    verb: Verb
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...] = ()
    seed: int = 0
    sampler: str = ""
    allowed: tuple[tuple[Finding, str], ...] = field(default=())
    """Findings that the policy excuses, each with the reason given."""
    known: tuple[Finding, ...] = field(default=())
    """Findings that a baseline knows; they fail nothing and are counted."""

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that are errors."""
        return tuple(finding for finding in self.findings if finding.level == "error")

    @property
    def ok(self) -> bool:
        """True when no finding is an error."""
        return not self.errors

    @property
    def clean(self) -> bool:
        """True when no finding is an error or a warning."""
        return all(finding.level == "info" for finding in self.findings)

    @property
    def counts(self) -> dict[str, int]:
        """How many findings of which fate."""
        return counts(self.findings, allowed=len(self.allowed), baselined=len(self.known))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "verb": self.verb,
            "ok": self.ok,
            "clean": self.clean,
            "seed": self.seed,
            "sampler": self.sampler,
            "findings": [finding.to_dict() for finding in self.findings],
            "allowed": [{**finding.to_dict(), "reason": reason} for finding, reason in self.allowed],
            "baselined": [finding.to_dict() for finding in self.known],
            "counts": self.counts,
            "rows": [row.to_dict() for row in self.rows],
        }

    def __str__(self) -> str:
        from rnninit_hooks.report.text import render_report  # rendering is asked for, not paid at import

        return render_report(self)


@dataclass(frozen=True)
class SlotFacts:
    """What one slot effectively is. Matrix facts are None for vectors; bias facts are None for matrices.

    `orthogonality` is max|W Wᵀ/g² − I| on the smaller side, g² the mean squared singular value. For a bias,
    `effective_bias` is the mean over units of partners plus constants added in `forward`; `retention` = σ(polarity x
    effective bias) and `time_constant` = 1/(1 − retention) in steps exist for the slot that keeps the old state only.
    `looks_like` names every initialiser that the slot could come from, when the model was probed: () is unknown.
    """

    address: str
    parameter: str
    module: str
    type: str
    shape: tuple[int, ...]
    dtype: str
    mean: float
    std: float
    min: float
    max: float
    kind: str | None = None
    gate: str | None = None
    layer: int | None = None
    direction: str | None = None
    spectral_radius: float | None = None
    singular_max: float | None = None
    singular_min: float | None = None
    orthogonality: float | None = None
    effective_bias: float | None = None
    retention: float | None = None
    time_constant: float | None = None
    looks_like: tuple[str, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; keys without a value are left out."""
        facts = {f.name: getattr(self, f.name) for f in fields(self)} | {"shape": list(self.shape)}
        return {key: value for key, value in facts.items() if value is not None}


@dataclass(frozen=True)
class MemoryFacts:
    """How much of the old state one recurrent layer keeps in a step at zero input, measured by running the module.

    `retention` is the mean over units of d s'/d s, `least` and `most` its extremes; `time_constant` is the median over
    units of 1/(1 - retention), in steps.
    """

    module: str
    type: str
    layer: int | None
    direction: str | None
    retention: float
    least: float
    most: float
    time_constant: float

    @property
    def name(self) -> str:
        """The layer, for people: module, layer and direction."""
        where = [] if self.layer is None else [f"layer {self.layer}", str(self.direction)]
        return " ".join([self.module or "the model", *where])

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; keys without a value are left out."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}


@dataclass(frozen=True)
class FactTable:
    """The effective quantities of every slot of a model, as `inspect` measured them.

    `memory` and `findings` are there when the model was probed.
    """

    rows: tuple[SlotFacts, ...]
    memory: tuple[MemoryFacts, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __getitem__(self, address: str) -> SlotFacts:
        for row in self.rows:
            if row.address == address:
                return row
        raise KeyError(f"no slot {address!r}; this table has {', '.join(row.address for row in self.rows)}")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        probed = {
            "memory": [facts.to_dict() for facts in self.memory],
            "findings": [finding.to_dict() for finding in self.findings],
        }
        return {"verb": "inspect", "rows": [row.to_dict() for row in self.rows], **{k: v for k, v in probed.items() if v}}

    @property
    def ok(self) -> bool:
        """True when no finding is an error."""
        return all(finding.level != "error" for finding in self.findings)

    @property
    def clean(self) -> bool:
        """True when no finding is an error or a warning."""
        return all(finding.level == "info" for finding in self.findings)

    def __str__(self) -> str:
        from rnninit_hooks.report.text import render_facts  # rendering is asked for, not paid at import

        return render_facts(self)
