"""A model is built and judged by a policy, and every rule gets what was found about it."""

from __future__ import annotations

import importlib
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rnninit_hooks.cli.failures import CannotJudge
from rnninit_hooks.errors import RnnInitError, RnnInitWarning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnninit_hooks.cli.settings import TargetName
    from rnninit_hooks.findings import Finding
    from rnninit_hooks.rows import Report
    from rnninit_hooks.rules.models import Policy, Rule

_MACHINERY = (str(Path(__file__).parents[1]), str(Path(importlib.__file__).parent), "<frozen")


@dataclass(frozen=True)
class Unjudged:
    """A model that could not be built or judged, and why."""

    problem: str


@dataclass(frozen=True)
class Verdict:
    """The report of one model, part by part."""

    report: Report
    rules: frozenset[str]
    problem: None = None

    def of(self, rule: Rule | None) -> tuple[Finding, ...]:
        """What fails an item: a rule's errors and warnings, or for None those that belong to no rule."""
        worth = [finding for finding in self.report.findings if finding.level != "info"]
        return tuple(finding for finding in worth if self._owner(finding) == (rule.id if rule else None))

    def _owner(self, finding: Finding) -> str | None:
        return finding.rule if finding.rule in self.rules else None

    def decides(self, rule: Rule) -> bool:
        """True when some slot is the rule's."""
        return any(row.rule == rule.id for row in self.report.rows)

    def text(self, findings: Sequence[Finding]) -> str:
        """Findings as the command line prints them: file:line, address, found, expected, fix, why."""
        from rnninit_hooks.report.flow import plain
        from rnninit_hooks.report.problems import finding_lines
        from rnninit_hooks.report.text import WIDTH

        modules = {row.address: row.module for row in self.report.rows}
        whys = {row.rule: row.why for row in self.report.rows if row.rule and row.why}
        return plain(finding_lines(findings, width=WIDTH, modules=modules, whys=whys))

    def properties(self, rule: Rule | None) -> list[tuple[str, object]]:
        """What the summary and a JUnit file show of an item."""
        codes = Counter(finding.code for finding in self.of(rule))
        owner = rule.id if rule else None
        allowed = sum(1 for finding, _ in self.report.allowed if self._owner(finding) == owner)
        said = {
            "rnninit_codes": ", ".join(f"{code} x{count}" if count > 1 else code for code, count in codes.items()),
            "rnninit_place": str(rule.origin) if rule and rule.origin else "",
            "rnninit_allowed": allowed,
            "rnninit_baselined": sum(1 for finding in self.report.known if self._owner(finding) == owner),
        }
        return [(key, value) for key, value in said.items() if value]


def judged(
    target: TargetName, policy: Policy, *, layouts: Sequence[str] = (), baseline: str | None = None, rules: str = ""
) -> Verdict | Unjudged:
    """Build a target and judge it as `rnninit check` does; what is pending is written first, as a first forward would.

    `rules` is the file of the policy, by which a baseline names it.
    """
    from rnninit_hooks.cli.commands import register_layouts
    from rnninit_hooks.cli.targets import importable

    try:
        register_layouts(layouts)
        with importable(target), warnings.catch_warnings():
            warnings.simplefilter("ignore", RnnInitWarning)  # the findings say it all
            report = _without_known(_report(target, policy), target, baseline, rules)
            return Verdict(report, frozenset(rule.id for rule in policy.rules))
    except CannotJudge as error:
        return Unjudged(_told(error))
    except RnnInitError as error:
        return Unjudged(str(error))


def _report(target: TargetName, policy: Policy) -> Report:
    from rnninit_hooks.checking import check
    from rnninit_hooks.cli.targets import build
    from rnninit_hooks.hooks import materialize

    model = build(target, {}, seed=policy.seed)
    materialize(model)
    return check(model, policy)


def _without_known(report: Report, target: TargetName, baseline: str | None, rules: str) -> Report:
    if baseline is None:
        return report
    from rnninit_hooks.baseline.judging import report_settled
    from rnninit_hooks.cli.known import baseline_at, scope_of

    return report_settled(report, baseline_at(baseline), scope_of(target, rules, baseline))


def _told(error: CannotJudge) -> str:
    """The failure, and where the user's own code raised; frames of this package tell nobody anything."""
    told = str(error).replace("; --traceback shows where", "")
    findings = [str(finding) for finding in error.findings]
    return "\n".join([told, *findings, *_where(error.__cause__)])


def _where(cause: BaseException | None) -> list[str]:
    """The user's frames; a module that is not there has none."""
    if cause is None or isinstance(cause, ModuleNotFoundError):
        return []
    frames = [frame for frame in traceback.extract_tb(cause.__traceback__) if not frame.filename.startswith(_MACHINERY)]
    return [line.rstrip("\n") for line in traceback.format_list(frames)]
