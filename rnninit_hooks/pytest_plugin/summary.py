"""The section of the terminal summary that says what the rules came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from rnninit_hooks.pytest_plugin.scope import SCOPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TITLE = "initialisation policy"
_WORDS = {"passed": "hold", "failed": "broken", "error": "not judged", "skipped": "decide nothing here"}


@dataclass(frozen=True)
class Told:
    """One item, as its report tells it; reports come from other processes too, under xdist."""

    model: str
    rule: str
    outcome: str
    codes: str
    place: str
    allowed: int
    baselined: int

    @classmethod
    def of(cls, outcome: str, report: Any) -> Told | None:
        """None for a report of anything but a rule."""
        facts = dict(getattr(report, "user_properties", ()))
        if "rnninit_rule" not in facts:
            return None
        file = report.nodeid.partition("::")[0]
        return cls(
            f"{file}::{facts['rnninit_target']}", facts["rnninit_rule"], outcome, facts.get("rnninit_codes", ""),
            facts.get("rnninit_place", ""), int(facts.get("rnninit_allowed", 0)),
            int(facts.get("rnninit_baselined", 0)),
        )  # fmt: skip

    def __str__(self) -> str:
        place = f" ({self.place})" if self.place else ""
        return f"{self.rule}{place}: {self.codes or _WORDS[self.outcome]}"


def write(reporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Write the section; it is there whenever rule files were asked for, so that none collected is seen."""
    told = [one for outcome in _WORDS for report in reporter.stats.get(outcome, []) if (one := Told.of(outcome, report))]
    lines = list(_lines(told)) if told else list(_nothing(config))
    if lines:
        reporter.section(_TITLE)
    for line in lines:
        reporter.line(line)


def _lines(told: Iterable[Told]) -> Iterator[str]:
    models: dict[str, list[Told]] = {}
    for one in told:
        models.setdefault(one.model, []).append(one)
    for model, own in sorted(models.items()):
        counts = Counter(one.outcome for one in own)
        aside = {"findings allowed": sum(one.allowed for one in own), "in the baseline": sum(one.baselined for one in own)}
        said = [f"{counts[outcome]} {word}" for outcome, word in _WORDS.items() if counts[outcome]]
        yield "; ".join([f"{model}: {', '.join(said)}", *(f"{words}: {number}" for words, number in aside.items() if number)])
        yield from (f"  {one}" for one in own if one.outcome == "failed")
    yield from _unused(told)
    yield from _advice(told)


def _unused(told: Iterable[Told]) -> Iterator[str]:
    """A file's own rules that no model needed; inherited ones may be idle, and a single model's line says it."""
    outcomes: dict[tuple[str, str], list[str]] = {}
    for one in told:
        file = one.model.partition("::")[0]
        if one.place.startswith(f"{file}:"):
            outcomes.setdefault((file, one.rule), []).append(one.outcome)
    idle = [key for key, own in outcomes.items() if len(own) > 1 and set(own) == {"skipped"}]
    for file in dict.fromkeys(file for file, _ in idle):
        yield f"{file}: decide nothing in any model: {', '.join(rule for name, rule in idle if name == file)}"


def _advice(told: Iterable[Told]) -> Iterator[str]:
    codes = sorted({part.split(" ")[0] for one in told for part in one.codes.split(", ") if part})
    if codes:
        yield f"what a code means and how to mend or allow it: {' · '.join(f'rnninit explain {code}' for code in codes)}"


def _nothing(config: pytest.Config) -> Iterator[str]:
    """Silence would read as agreement, except where the user asked for other tests by name."""
    if config.args_source is pytest.Config.ArgsSource.ARGS or config.option.collectonly:
        return
    rules = config.stash[SCOPE].rules
    preset = f"; [tool.rnninit] names the preset {rules!r}, which is no file: let a rule file extend it" if rules else ""
    yield f"switched on, but no rule was judged: no *.rules.yaml among the paths of this run{preset}"
