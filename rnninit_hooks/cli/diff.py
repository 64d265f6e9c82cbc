"""`rnninit diff`: what a change of rules does to a model."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnninit_hooks.cli.failures import CLEAN, FINDINGS, CannotJudge
from rnninit_hooks.cli.output import print_text, put, write_file
from rnninit_hooks.cli.settings import TargetName
from rnninit_hooks.errors import RuleFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.text import Text

    from rnninit_hooks.changes import Diff
    from rnninit_hooks.cli.commands import Job
    from rnninit_hooks.rules.models import Policy

_RULES = re.compile(r"\.ya?ml$")
_HOW = "rnninit diff RULES_A RULES_B [TARGET...], or rnninit diff --rev REV [RULES] [TARGET...]"


@dataclass(frozen=True)
class Sides:
    """The two policies with their names, and the targets that the call names."""

    a: Policy
    b: Policy
    names: tuple[str, str]
    targets: tuple[str, ...]


def diff_command(job: Job) -> int:
    """`rnninit diff`: 0 nothing changes, 1 something does."""
    sides = _sides(job)
    own = job.settings
    asked = tuple(TargetName(spec, Path.cwd()) for spec in sides.targets) or own.targets
    job = replace(job, settings=replace(own, targets=asked, rules=None))
    job.options.seed = sides.b.seed  # under which the model is built
    from rnninit_hooks.diffing import diff  # after the rules: it wakes torch

    found = [(spec, replace(one, a=sides.names[0], b=sides.names[1])) for spec, one in job.each(
        lambda model: diff(model, sides.a, sides.b)
    )]  # fmt: skip
    _deliver(found, own.format, job.options.output)
    return _status(found)


def _status(found: Sequence[tuple[str, Diff]]) -> int:
    if any(not diff.same for _, diff in found):
        return FINDINGS
    for spec, diff in found:
        if diff.unjudged:
            raise CannotJudge(
                spec, f"nothing changes in what could be judged, but {diff.unjudged[0]} has no shape yet",
                fix="build the model with its sizes given, or run one forward in the factory",
            )  # fmt: skip
    return CLEAN


def _sides(job: Job) -> Sides:
    words = list(job.options.words)
    if job.options.rev is not None:
        return _against_revision(job, words)
    if len(words) < 2 or not all(map(_names_rules, words[:2])):
        found = f"found {' '.join(words)!r}" if words else "nothing is named"
        raise CannotJudge("RULES_A RULES_B", found, expected="two rule files, presets, or REV:PATH", fix=_HOW)
    from rnninit_hooks.rules.revisions import named

    a, b = (_seeded(_read(word, partial(named, word)), job) for word in words[:2])
    return Sides(a, b, (words[0], words[1]), tuple(words[2:]))


def _against_revision(job: Job, words: list[str]) -> Sides:
    rules = words.pop(0) if words and _RULES.search(words[0]) else job.settings.required_rules()
    if not _RULES.search(rules):
        raise CannotJudge("--rev", f"{rules!r} is a preset, which has no revisions", expected="a rule file", fix=_HOW)
    from rnninit_hooks.rules.load import load
    from rnninit_hooks.rules.revisions import at_revision

    before = f"{job.options.rev}:{rules}"
    a = _seeded(_read(before, partial(at_revision, job.options.rev, Path(rules))), job)
    return Sides(a, _seeded(_read(rules, partial(load, rules)), job), (before, rules), tuple(words))


def _names_rules(word: str) -> bool:
    """A target has a colon and does not end as a rule file does."""
    return bool(_RULES.search(word)) or ":" not in word or word.startswith("builtin:")


def _seeded(policy: Policy, job: Job) -> Policy:
    seed = job.options.seed
    return policy if seed is None else policy.model_copy(update={"seed": seed})


def _read(name: str, reader: Callable[[], Policy]) -> Policy:
    try:
        return reader()
    except RuleFileError as error:
        only = error.findings[0] if len(error.findings) == 1 else None
        if only and only.code == "RNN001":
            raise CannotJudge(name, only.message, fix=only.fix) from error
        raise CannotJudge(name, str(error).partition("\n")[0], fix="mend the file", findings=error.findings) from error


def _deliver(found: Sequence[tuple[str, Diff]], form: str, output: str | None) -> None:
    if form != "markdown":
        put(form, output, lines=lambda width: _lines(found, width), document=lambda: _document(found))
        return
    from rnninit_hooks.report.diff_markdown import render_diffs

    text = render_diffs(found)
    print_text(text) if output is None else write_file(Path(output), text)


def _document(found: Sequence[tuple[str, Diff]]) -> dict[str, Any]:
    reports = [{"target": spec, **diff.to_dict()} for spec, diff in found]
    return {"verb": "diff", "same": all(diff.same for _, diff in found), "reports": reports}


def _lines(found: Sequence[tuple[str, Diff]], width: int) -> Iterator[Text]:
    from rich.text import Text

    from rnninit_hooks.report.diff_text import diff_lines
    from rnninit_hooks.report.words import visible

    for index, (target, diff) in enumerate(found):
        if len(found) > 1:
            yield Text(("\n" if index else "") + visible(target), style="bold underline")
        yield from diff_lines(diff, width=width)
