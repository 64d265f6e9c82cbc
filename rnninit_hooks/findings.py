"""What can be wrong, where it was found, and the table of codes. Knows nothing of torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

Level = Literal["error", "warning", "info"]


@dataclass(frozen=True, order=True)
class Place:
    """A position in a text file; line and column count from 1.

    >>> str(Place("init.rules.yaml", 3, 7))
    'init.rules.yaml:3:7'
    """

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Code:
    """One kind of finding: its number, its name, and what it is worth unless a policy says otherwise."""

    code: str
    name: str
    level: Level
    summary: str


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    `message` says what was found; `expected` what should have been there; `fix` what to do. `address` names a slot
    (`encoder.rnn.bias_l0[forget]`), `rule` a rule id, `place` the line in the rule file. `excerpt` is the source line
    with a caret under the column, for problems in a text.

    >>> print(Finding("RNN101", "rule 'a' matches nothing", rule="a", place=Place("r.yaml", 4, 5), fix="see `rnninit plan`"))
    r.yaml:4:5: RNN101 rule 'a' matches nothing (fix: see `rnninit plan`)
    """

    code: str
    message: str
    level: Level = "error"
    address: str | None = None
    rule: str | None = None
    place: Place | None = None
    expected: str | None = None
    fix: str | None = None
    excerpt: str | None = None

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        target = f" {self.address}:" if self.address else ""
        expected = f"; expected {self.expected}" if self.expected else ""
        fix = f" (fix: {self.fix})" if self.fix else ""
        return f"{where}{self.code}{target} {self.message}{expected}{fix}"

    def at_level(self, level: Level) -> Finding:
        """The same finding with another weight."""
        return replace(self, level=level)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; keys without a value are left out."""
        place = {"file": self.place.file, "line": self.place.line, "column": self.place.column} if self.place else None
        facts = {
            "code": self.code, "name": CODES[self.code].name, "level": self.level, "message": self.message,
            "address": self.address, "rule": self.rule, "place": place, "expected": self.expected,
            "fix": self.fix, "excerpt": self.excerpt,
        }  # fmt: skip
        return {key: value for key, value in facts.items() if value is not None}


STALE = ("RNN110", "RNN117", "RNN118", "RNN322")
"""Codes that say of an excuse that it is no longer one."""


def counts(findings: Iterable[Finding], **set_aside: int) -> dict[str, int]:
    """How many findings stand, by level, how many were set aside and how, and how many say that an excuse is stale.

    >>> counts([Finding("RNN110", "excuses nothing", level="warning")], allowed=3)
    {'errors': 0, 'warnings': 1, 'infos': 0, 'allowed': 3, 'stale': 1}
    """
    own = tuple(findings)
    levels = {f"{level}s": sum(one.level == level for one in own) for level in ("error", "warning", "info")}
    return {**levels, **set_aside, "stale": sum(one.code in STALE for one in own)}


def _table(*rows: tuple[str, str, Level, str]) -> dict[str, Code]:
    return {code: Code(code, name, level, summary) for code, name, level, summary in rows}


CODES: dict[str, Code] = _table(
    ("RNN001", "unreadable-file", "error", "the rule file is missing, too large, or no UTF-8 text"),
    ("RNN002", "yaml-syntax", "error", "the text is not YAML"),
    ("RNN003", "duplicate-key", "error", "a key stands twice in one mapping"),
    ("RNN004", "not-plain-data", "error", "a tag, an anchor, an alias or a second document"),
    ("RNN005", "empty-policy", "error", "the file is empty or leaves no rule to apply"),
    ("RNN006", "unknown-key", "error", "a key that the grammar does not have"),
    ("RNN007", "missing-key", "error", "a key that the grammar demands"),
    ("RNN008", "wrong-type", "error", "a value of another type; types are strict"),
    ("RNN009", "bad-value", "error", "a value outside what is allowed"),
    ("RNN010", "bad-regex", "error", "a pattern that does not compile, or takes exponential time"),
    ("RNN011", "unknown-recipe", "error", "no recipe of that kind is registered"),
    ("RNN012", "duplicate-id", "error", "two rules of one file share an id"),
    ("RNN013", "extends-not-found", "error", "a rule file to extend cannot be found"),
    ("RNN014", "extends-cycle", "error", "rule files extend each other in a circle"),
    ("RNN015", "drop-unknown", "error", "`drop` names an id that no extended file has"),
    ("RNN016", "unknown-code", "error", "`allow` names a code that does not exist"),
    ("RNN017", "unknown-version", "error", "a grammar version that this release does not read"),
    ("RNN018", "too-deep", "error", "nesting or size beyond what a rule file needs"),
    ("RNN101", "idle-rule", "error", "a rule matches no slot of the model"),
    ("RNN102", "shadowed-rule", "warning", "every slot that a rule matches is decided by a later rule"),
    ("RNN103", "untouched-recurrent-slot", "warning", "no rule decides a recurrent slot"),
    ("RNN104", "gate-not-in-layout", "error", "the named modules have no such gate"),
    ("RNN105", "shape-cannot-obey", "error", "the recipe cannot hold on a slot of this shape"),
    ("RNN106", "tied-parameter-written-twice", "error", "two names of one tensor are decided differently"),
    ("RNN107", "layout-disproved-by-probe", "error", "the module does not do what its layout says"),
    ("RNN108", "unknown-recurrent-module", "warning", "a module that looks recurrent has no layout"),
    ("RNN109", "one-bias-partner-named", "error", "a rule names one of two parameters whose sum the gate feels"),
    ("RNN110", "stale-allow", "warning", "an `allow` entry excuses nothing"),
    ("RNN111", "frozen-parameter-written", "warning", "a rule decides a parameter that does not require grad"),
    ("RNN112", "layout-does-not-fit", "warning", "a module's class has a layout that its parameters contradict"),
    ("RNN113", "no-way-to-write", "error", "a parameter that a rule decides cannot be written"),
    ("RNN114", "regex-timeout", "error", "a pattern took too long on a parameter name"),
    ("RNN115", "kept-because-touched", "warning", "a pending slot was written by somebody else and is kept"),
    ("RNN116", "layout-not-probed", "info", "a module could not be probed, so that its layout is not proved"),
    ("RNN117", "expired-allow", "warning", "an `allow` entry is past its day"),
    ("RNN118", "stale-baseline", "warning", "a finding in the baseline no longer occurs"),
    ("RNN119", "initialisation-pending", "warning", "a model is looked at while its initialisation is still pending"),
    ("RNN120", "batch-needed", "error", "a rule measures a batch, and the verb has none"),
    ("RNN201", "law-broken", "error", "a slot does not obey the recipe that its rule asks for"),
    ("RNN202", "effective-bias-wrong", "error", "the bias that a gate feels is not the one asked for"),
    ("RNN203", "stacked-not-per-gate", "error", "the recipe holds for the fused matrix, not for each gate"),
    ("RNN204", "layers-or-directions-differ", "error", "one rule holds in some layers or directions only"),
    ("RNN205", "not-finite", "error", "a slot holds nan or inf"),
    ("RNN206", "record-differs", "error", "a slot holds other bits than a record says were written"),
    ("RNN207", "record-does-not-fit", "error", "a slot stands in the record or in the model only"),
    ("RNN208", "retain-bias-doubled", "warning", "both partners of the retaining gate's bias hold the same constant"),
    ("RNN209", "retention-uneven", "warning", "layers, directions or units keep different shares of their state"),
    ("RNN210", "bias-on-another-gate", "warning", "a constant stands on another gate than the one that keeps the state"),
    ("RNN211", "retain-gate-shut", "warning", "a bias makes the layer forget, as with the sign of another cell"),
    ("RNN212", "no-memory-set", "info", "nothing was done for the memory of a recurrent module"),
    ("RNN213", "gates-identical", "warning", "gates hold the same bits though their recipe draws for each"),
    ("RNN220", "judged-without-batch", "info", "of a rule that measured a batch, only what holds for every batch was judged"),
    ("RNN301", "name-test-never-true", "error", "a parameter name is tested for a text that none holds"),
    ("RNN302", "stacked-orthogonal", "warning", "one orthogonal matrix is drawn over the rows of all gates"),
    ("RNN303", "doubled-bias", "warning", "both biases of a gate receive the value meant for their sum"),
    ("RNN304", "first-layer-only", "warning", "names with `_l0` reach one layer of several"),
    ("RNN305", "init-after-load", "warning", "a module is initialised after its checkpoint was loaded"),
    ("RNN306", "reverse-direction-missed", "warning", "names without `_reverse` reach one direction of two"),
    ("RNN307", "stacked-xavier", "warning", "the fan-out of all gates is taken for that of one"),
    ("RNN308", "gates-of-another-cell", "warning", "rows are cut for the gates of another cell"),
    ("RNN309", "write-on-view", "error", "an in-place write that autograd refuses"),
    ("RNN310", "lost-write", "error", "a copy is initialised, the parameter keeps its values"),
    ("RNN311", "all-weights-unpacked", "error", "the members of `all_weights` are taken for four"),
    ("RNN312", "vector-in-matrix-init", "warning", "a loop over parameters reaches vectors it should not"),
    ("RNN313", "parameter-replaced", "info", "a layer gets a new Parameter instead of new values"),
    ("RNN314", "stacked-identity", "warning", "one identity matrix is written over the rows of all gates"),
    ("RNN315", "unscaled-draw", "info", "recurrent weights are drawn from [0, 1) or N(0, 1)"),
    ("RNN316", "bias-may-be-missing", "info", "a bias is written that the layer may not have"),
    ("RNN317", "one-bias-left-noisy", "info", "one bias of a gate is set, its partner keeps the default"),
    ("RNN318", "forget-bias-elsewhere", "info", "what is called the forget gate has the rows of another"),
    ("RNN319", "followed-in-part", "info", "a function takes more steps than the lint follows"),
    ("RNN320", "source-not-judged", "error", "a source file cannot be read, parsed or followed"),
    ("RNN321", "ignore-without-reason", "warning", "an ignore comment does not say why"),
    ("RNN322", "unused-ignore", "warning", "an ignore comment silences nothing"),
    ("RNN401", "write-through-data", "info", "a parameter is written through `.data`"),
    ("RNN402", "constant-on-all-gates", "info", "one constant is written to the biases of all gates"),
)
