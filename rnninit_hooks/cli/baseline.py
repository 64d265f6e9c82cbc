"""`rnninit baseline`: what stands today is written down; from then on the file only shrinks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rnninit_hooks.baseline.debts import LintDebt, ModelDebt, missing, refusal, shrunk, taken
from rnninit_hooks.baseline.files import DEFAULT_NAME, Baseline, written
from rnninit_hooks.cli.failures import CLEAN, FINDINGS, CannotJudge
from rnninit_hooks.cli.known import baseline_at, lint_scope, scope_of
from rnninit_hooks.cli.output import page_width, print_json, print_lines, write_file
from rnninit_hooks.findings import CODES

if TYPE_CHECKING:
    from rich.text import Text

    from rnninit_hooks.baseline.judging import ModelScope
    from rnninit_hooks.cli.commands import Job
    from rnninit_hooks.findings import Finding

D = TypeVar("D", ModelDebt, LintDebt)


@dataclass(frozen=True)
class Section:
    """One section before and after.

    `added` and `removed` are changes, `outside` is what stands and is not known, `refused` what no baseline can hold,
    `unjudged` how much is kept of what was not judged.
    """

    name: str
    after: Counter[Any]
    added: Counter[Any] = field(default_factory=Counter)
    removed: Counter[Any] = field(default_factory=Counter)
    outside: Counter[Any] = field(default_factory=Counter)
    refused: tuple[Finding, ...] = ()
    unjudged: int = 0


def baseline_command(job: Job) -> int:
    """Write the file; 1 where something stands that is not in it."""
    path = _path(job)
    old = baseline_at(str(path)) if path.exists() else Baseline()
    lint = job.options.lint
    models = _models(job, path, old.models) if job.options.targets or not lint else None
    source = _lint(job, path, old.lint) if lint else None
    new = Baseline(models.after if models else old.models, source.after if source else old.lint)
    if written(new) + "\n" != old.text:
        write_file(path, written(new))
    sections = [section for section in (models, source) if section]
    _say(path, sections, job.settings.format)
    return FINDINGS if any(section.outside or section.refused for section in sections) else CLEAN


def _path(job: Job) -> Path:
    if job.options.output:
        return Path(job.options.output)
    return Path(job.settings.baseline or (job.settings.folder or Path()) / DEFAULT_NAME)


def _models(job: Job, path: Path, old: Counter[ModelDebt] | None) -> Section:
    policy, rules = job.policy, job.settings.required_rules()
    from rnninit_hooks.checking import check  # after the rules: it wakes torch

    now: Counter[ModelDebt] = Counter()
    standing: list[Finding] = []
    scopes: list[ModelScope] = []
    for target in job.targets:
        scope = scope_of(target, rules, str(path), arguments=job.options.arg)
        findings = job.on(target, lambda model: check(model, policy)).findings
        now |= taken(findings, scope.key)
        standing += findings
        scopes.append(scope.seeing(findings))

    def judged(debt: ModelDebt) -> bool:
        return any(scope.judged(debt) for scope in scopes)

    return _section("models", old, now, judged, standing, grow=job.options.grow)


def _lint(job: Job, path: Path, old: Counter[LintDebt] | None) -> Section:
    from rnninit_hooks.cli.lint import judged_paths

    paths, codes, outcome = judged_paths(job.options.lint, job.settings)
    if outcome.unread:
        raise CannotJudge(
            "--lint", f"{outcome.unread} of {outcome.files} files cannot be judged, so nothing was written",
            fix="mend them, or leave them out of the paths", findings=[one for one in outcome.findings if one.code == "RNN320"],
        )  # fmt: skip
    scope = lint_scope(outcome, str(path), paths=paths, codes=codes)
    now = taken(outcome.findings, scope.key)
    return _section("lint", old, now, scope.judged, outcome.findings, grow=job.options.grow)


def _section(
    name: str, old: Counter[D] | None, now: Counter[D], judged: Callable[[D], bool], standing: Iterable[Finding], *, grow: bool
) -> Section:
    """A section that was never taken takes all that stands; another one shrinks, and grows on request alone."""
    before: Counter[D] = Counter() if old is None else old
    kept = shrunk(before, now, judged=judged)
    more = missing(kept, now)
    add = more if grow or old is None else Counter[D]()
    refused = tuple(one for one in standing if one.level != "info" and refusal(one.code))
    unjudged = sum(number for debt, number in kept.items() if not judged(debt))
    return Section(name, kept + add, add, before - kept, more - add, refused, unjudged)


def _say(path: Path, sections: Iterable[Section], form: str) -> None:
    if form == "json":
        print_json({"verb": "baseline", "file": str(path), **{section.name: _facts(section) for section in sections}})
    else:
        print_lines(_lines(path, sections))


def _facts(section: Section) -> dict[str, Any]:
    parts = {"added": section.added, "removed": section.removed, "outside": section.outside}
    told = {name: [{**asdict(debt), "count": number} for debt, number in sorted(own.items())] for name, own in parts.items()}
    numbers = {"known": section.after.total(), "unjudged": section.unjudged}
    return {**numbers, **told, "refused": [finding.to_dict() for finding in section.refused]}


def _lines(path: Path, sections: Iterable[Section]) -> Iterator[Text]:
    from rnninit_hooks.report.flow import prose
    from rnninit_hooks.report.words import visible

    for section in sections:
        for text in (*_changes(section), _summary(path, section)):
            yield from prose(visible(text), width=page_width(), hang=4)


def _changes(section: Section) -> Iterator[str]:
    for word, own in (("added", section.added), ("removed", section.removed), ("not added", section.outside)):
        yield from (f"{word}: {_named(debt, number)}" for debt, number in sorted(own.items()))
    for finding in section.refused:
        where = finding.address or finding.place or "the model"
        yield f"refused: {finding.code} {CODES[finding.code].name} at {where} cannot be in a baseline: {refusal(finding.code)}"


def _named(debt: ModelDebt | LintDebt, number: int) -> str:
    times = f"{number} x " if number > 1 else ""
    said = f"{times}{debt.code} {CODES[debt.code].name}"
    if isinstance(debt, LintDebt):
        return f"{debt.file}: {said}: {debt.line}"
    rule = f" (rule {debt.rule!r})" if debt.rule else ""
    return f"{debt.target}: {said} {debt.address or 'the model'}{rule}"


def _summary(path: Path, section: Section) -> str:
    said = [f"{section.after.total()} known", f"{section.added.total()} added", f"{section.removed.total()} removed"]
    said += [f"{section.unjudged} of them not judged and kept"] if section.unjudged else []
    left = f"; {section.outside.total()} not added: mend them, or add them with --grow" if section.outside else ""
    return f"{path}: {section.name}: {', '.join(said)}{left}"
