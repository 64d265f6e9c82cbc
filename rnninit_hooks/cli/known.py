"""The baseline of a call: how it names targets and rules, and what it sets aside."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rnninit_hooks.baseline.files import Baseline, read
from rnninit_hooks.baseline.judging import LintScope, ModelScope, outcome_settled, relative, report_settled
from rnninit_hooks.cli.failures import CannotJudge
from rnninit_hooks.errors import BaselineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rnninit_hooks.cli.commands import Job
    from rnninit_hooks.cli.settings import TargetName
    from rnninit_hooks.lint.runner import Outcome
    from rnninit_hooks.rows import Report


def baseline_at(path: str) -> Baseline:
    """The baseline that a call names; raises `CannotJudge`."""
    try:
        return read(Path(path))
    except BaselineError as error:
        there = Path(path).exists()
        fix = "restore it from version control, or remove it and run `rnninit baseline`" if there else None
        raise CannotJudge(f"--baseline {path!r}", str(error).removeprefix(f"{path}: "), fix=fix) from error


def scope_of(target: TargetName, rules: str, path: str, *, arguments: Sequence[str] = (), complete: bool = True) -> ModelScope:
    """How a baseline at `path` names a target and its rules: files relative to its own folder, wherever one stands."""
    folder = Path(path).absolute().parent
    module, colon, name = target.spec.rpartition(":")
    module = relative(target.base.absolute() / module, folder) if module.endswith(".py") else module
    words = [f"{module}{colon}{name}", *(f"--arg {argument}" for argument in sorted(arguments))]
    return ModelScope(" ".join(words), _rules(rules, folder), complete)


def _rules(rules: str, folder: Path) -> str:
    if Path(rules).suffix or os.sep in rules or Path(rules).is_file():
        return relative(rules, folder)
    return rules.removeprefix("builtin:")


@dataclass(frozen=True)
class Known:
    """The baseline of a call of `plan` or `check`, and how it names the targets; nothing without one."""

    baseline: Baseline | None = None
    scopes: tuple[ModelScope, ...] = ()

    @classmethod
    def of(cls, job: Job) -> Known:
        """Under --weights and --against something else is judged than what a target builds, which no baseline knows."""
        path, options = job.settings.baseline, job.options
        other = next((f"--{word}" for word in ("weights", "against") if getattr(options, word, None)), None)
        if other and options.baseline:
            found = f"it knows what a target builds, and {other} judges something else"
            raise CannotJudge(f"--baseline {path!r}", found, fix="drop one of the two")
        if path is None or other:
            return cls()
        rules, complete = job.settings.required_rules(), options.command == "check"
        told = (scope_of(target, rules, path, arguments=options.arg, complete=complete) for target in job.targets)
        return cls(baseline_at(path), tuple(told))

    def settled(self, reports: Iterable[tuple[str, Report]]) -> Iterable[tuple[str, Report]]:
        """Reports, one for each target, without what is known."""
        if self.baseline is None:
            return reports
        own = self.baseline
        return [(spec, report_settled(report, own, scope)) for (spec, report), scope in zip(reports, self.scopes, strict=True)]


def lint_settled(outcome: Outcome, path: str, *, paths: Sequence[Path], codes: frozenset[str]) -> Outcome:
    """What the lint found, without what the baseline knows."""
    return outcome_settled(outcome, baseline_at(path), lint_scope(outcome, path, paths=paths, codes=codes))


def lint_scope(outcome: Outcome, path: str, *, paths: Sequence[Path], codes: frozenset[str]) -> LintScope:
    """What a run of the lint has judged, as a baseline at `path` names it."""
    return LintScope.of(outcome, folder=Path(path).absolute().parent, paths=tuple(paths), codes=codes)
