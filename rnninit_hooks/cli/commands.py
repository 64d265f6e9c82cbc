"""The commands that build a model: plan, apply, check, inspect."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from rnninit_hooks.cli.failures import CannotJudge
from rnninit_hooks.cli.progress import progress_bar
from rnninit_hooks.cli.targets import arguments, build, importable
from rnninit_hooks.cli.verdicts import Judged, Written, deliver
from rnninit_hooks.errors import PolicyError, RecordError, RnnInitWarning
from rnninit_hooks.rows import FactTable, Report

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from torch import nn

    from rnninit_hooks.cli.known import Known
    from rnninit_hooks.cli.settings import Settings, TargetName
    from rnninit_hooks.record import Record
    from rnninit_hooks.rules.models import Policy

T = TypeVar("T")


@dataclass(frozen=True)
class Job:
    """One call of a model command."""

    options: Namespace
    settings: Settings

    @cached_property
    def policy(self) -> Policy:
        """The rules, with the seed that the call asks for; read before any model is built."""
        from rnninit_hooks.rules.load import resolve

        policy = resolve(self.settings.required_rules())
        seed = self.options.seed
        return policy if seed is None else policy.model_copy(update={"seed": seed})

    @cached_property
    def record(self) -> Record | None:
        """The record that a check compares with."""
        path = getattr(self.options, "against", None)
        if path is None:
            return None
        from rnninit_hooks.record import Record

        try:
            return Record.load(path)
        except RecordError as error:
            raise CannotJudge("--against", str(error), fix="name a file that `rnninit apply --record` wrote") from error

    @cached_property
    def known(self) -> Known:
        """What the baseline knows of the targets; read before any model is built."""
        from rnninit_hooks.cli.known import Known

        return Known.of(self)

    @property
    def seed(self) -> int:
        """The seed under which a target is built: the one asked for, the record's, or the rules'."""
        if self.options.seed is not None or self.options.command in ("inspect", "layouts"):
            return self.options.seed or 0
        return self.policy.seed if self.settings.rules or self.record is None else self.record.seed

    @property
    def targets(self) -> tuple[TargetName, ...]:
        """The targets, at least one."""
        if not self.settings.targets:
            raise CannotJudge(
                "TARGET", "none is named", expected="package.module:factory or path/to/file.py:name",
                fix="give one, or write `targets` under [tool.rnninit] in pyproject.toml",
            )  # fmt: skip
        return self.settings.targets

    def only_target(self, why: str) -> TargetName:
        """The target of a call that takes one."""
        if len(self.targets) != 1:
            raise CannotJudge("TARGET", f"{len(self.targets)} are named", expected=f"one, {why}", fix="give one")
        return self.targets[0]

    def each(self, verb: Callable[[nn.Module], T]) -> Iterable[tuple[str, T]]:
        """What a verb says of every target."""
        return [(target.spec, self.on(target, verb)) for target in self.targets]

    def on(self, target: TargetName, verb: Callable[[nn.Module], T]) -> T:
        """What a verb says of one target. Findings stand in the report, so they are no warnings on stderr too."""
        with importable(target), warnings.catch_warnings():
            warnings.simplefilter("ignore", RnnInitWarning)
            return verb(build(target, arguments(self.options.arg), seed=self.seed))


def register_layouts(files: Iterable[str]) -> None:
    """Make the layouts of some files known for this call."""
    if not files:
        return
    from rnninit_hooks.errors import LayoutFileError
    from rnninit_hooks.layout_files import load_layouts
    from rnninit_hooks.layouts.registry import register_layout

    for file in files:
        try:
            for layout in load_layouts(file):
                register_layout(layout, replace=True)
        except LayoutFileError as error:
            head = str(error).partition("\n")[0]
            raise CannotJudge(f"--layouts {file}", head, fix="mend the file", findings=error.findings) from error


def plan_command(job: Job) -> int:
    """`rnninit plan`."""
    policy, known = job.policy, job.known
    from rnninit_hooks.planning import plan  # wakes torch, which rules that cannot be read need not wait for

    return _deliver(job, known.settled(job.each(lambda model: plan(model, policy, probe=job.options.probe))))


def check_command(job: Job) -> int:
    """`rnninit check`."""
    weights, record = job.options.weights, job.record
    policy = job.policy if record is None or job.settings.rules else None
    known = job.known
    from rnninit_hooks.checking import check  # after the rules: it wakes torch
    from rnninit_hooks.comparing import compare

    if weights or record:
        job.only_target("because --weights and --against belong to one model")

    def judged(model: nn.Module) -> Report:
        if weights:
            from rnninit_hooks.cli.weights import load

            load(model, weights)
        compared = compare(model, record) if record else None
        obeyed = check(model, policy, probe=job.options.probe) if policy else None
        return _both(obeyed, compared)

    return _deliver(job, known.settled(job.each(judged)))


def _both(obeyed: Report | None, compared: Report | None) -> Report:
    """One report of what was asked for: laws, recorded bits, or both."""
    if obeyed is None or compared is None:
        report = obeyed or compared
        assert report is not None  # check without --against needs rules
        return report
    return replace(obeyed, findings=(*obeyed.findings, *compared.findings))


def inspect_command(job: Job) -> int:
    """`rnninit inspect`."""
    from rnninit_hooks.inspection import inspect

    def seen(model: nn.Module) -> FactTable:
        return inspect(model, probe=job.options.probe)

    return _deliver(job, job.each(seen))


def apply_command(job: Job) -> int:
    """`rnninit apply`: nothing is written when the plan has errors."""
    from rnninit_hooks.cli.weights import destination

    path = destination(job.options.output, force=job.options.force)
    _place_for_record(job.options.record)
    target = job.only_target("because --output is one file")
    policy = job.policy
    report, written = job.on(target, lambda model: _applied(model, policy, path, target.spec))
    if job.options.record and written.tensors is not None:
        _save_record(report, job.options.record)
    return deliver(Judged("apply", ((target.spec, report),), written), job.settings.format)


def _place_for_record(path: str | None) -> None:
    """Refuse a record that cannot be written before the weights are, or they would stand there without it."""
    from pathlib import Path

    if path is not None and (Path(path).is_dir() or not Path(path).parent.is_dir()):
        expected = "a file in a folder that exists"
        raise CannotJudge(f"--record {path!r}", "no place for a file", expected=expected, fix=f"create {Path(path).parent}")


def _save_record(report: Report, path: str) -> None:
    from rnninit_hooks.record import Record

    try:
        Record.of(report).save(path)
    except RecordError as error:
        raise CannotJudge("--record", str(error), fix="name a file in a folder that exists") from error


def _applied(model: nn.Module, policy: Policy, path: Path, spec: str) -> tuple[Report, Written]:
    from rnninit_hooks.applying import apply
    from rnninit_hooks.cli.weights import save
    from rnninit_hooks.planning import plan

    try:
        with progress_bar() as progress:
            report = apply(model, policy, progress=progress)
    except PolicyError as error:
        decided = plan(model, policy)
        extra = tuple(finding for finding in error.findings if finding not in decided.findings)
        return Report(
            "plan", decided.rows, (*decided.findings, *extra), decided.seed, decided.sampler, decided.allowed
        ), Written(path)
    facts = {
        "format": "pt",
        "rnninit.target": spec,
        "rnninit.seed": str(report.seed),
        "rnninit.sampler": report.sampler,
    }
    return report, Written(path, save(model, path, metadata=facts), path.stat().st_size)


def _deliver(job: Job, reports: Iterable[tuple[str, Any]]) -> int:
    own = job.settings
    judged = Judged(job.options.command, tuple(reports))
    return deliver(judged, own.format, output=job.options.output, fail_on=own.fail_on)
