"""Rule files, models and rules as pytest sees them: `init.rules.yaml::pkg.models:build::forget-open`."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rnninit_hooks.errors import RuleFileError
from rnninit_hooks.pytest_plugin.scope import SCOPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rnninit_hooks.cli.settings import TargetName
    from rnninit_hooks.pytest_plugin.verdict import Unjudged, Verdict
    from rnninit_hooks.rules.models import Policy, Rule

REST = "_policy"
"""The item of findings that belong to no rule; no rule's id begins so."""


class RulesFile(pytest.File):
    """A rule file; reading it wakes no torch, so that collecting stays cheap."""

    def collect(self) -> Iterator[TargetModel]:
        """One collector per model."""
        targets = self.config.stash[SCOPE].targets
        if not targets:
            raise self.CollectError(
                f"rnninit: {self.shown}: no targets are named; expected package.module:factory or path/to/file.py:name; "
                "fix: write `targets` under [tool.rnninit] in pyproject.toml, or `rnninit_targets` in pytest's configuration"
            )
        policy = self._policy()
        for target in dict.fromkeys(targets):
            yield TargetModel.of(self, target, policy)

    @property
    def shown(self) -> str:
        """The file as the user would type it."""
        return os.path.relpath(self.path, self.config.invocation_params.dir)

    def _policy(self) -> Policy:
        from rnninit_hooks.rules.load import load

        try:
            return load(self.path, name=self.shown)
        except RuleFileError as error:
            raise self.CollectError(str(error)) from error


class TargetModel(pytest.Collector):
    """A model and the policy by which it is judged, once, when the first of its items runs."""

    target: TargetName
    policy: Policy

    @classmethod
    def of(cls, parent: RulesFile, target: TargetName, policy: Policy) -> TargetModel:
        """The node of one model."""
        node = cls.from_parent(parent, name=target.spec)
        node.target, node.policy = target, policy
        return node

    def collect(self) -> Iterable[RuleItem]:
        """One item per rule, and one for what belongs to no rule."""
        return [*(RuleItem.of(self, rule) for rule in self.policy.rules), RuleItem.of(self, None)]

    def setup(self) -> None:
        """Build and judge; a model that cannot be built is an error of each of its items."""
        if problem := self.judged.problem:
            pytest.fail(problem, pytrace=False)

    @cached_property
    def judged(self) -> Verdict | Unjudged:
        """What the model came to; kept, because in a random order pytest sets a node up more than once."""
        from rnninit_hooks.pytest_plugin.verdict import judged

        scope = self.config.stash[SCOPE]
        return judged(self.target, self.policy, layouts=scope.layouts, baseline=scope.baseline, rules=str(self.path))


class RuleItem(pytest.Item):
    """One rule on one model."""

    model: TargetModel
    rule: Rule | None

    @classmethod
    def of(cls, parent: TargetModel, rule: Rule | None) -> RuleItem:
        """The item of a rule; of everything else for None."""
        item = cls.from_parent(parent, name=rule.id if rule else REST)
        item.model, item.rule = parent, rule
        item.user_properties += [("rnninit_target", parent.target.spec), ("rnninit_rule", item.name)]
        return item

    def runtest(self) -> None:
        """Fail with what was found; skip where the rule decides nothing of this model and may do so."""
        from rnninit_hooks.pytest_plugin.verdict import Verdict

        verdict = self.model.judged
        assert isinstance(verdict, Verdict)  # setup failed otherwise
        findings = verdict.of(self.rule)
        self.user_properties += verdict.properties(self.rule)
        if findings:
            pytest.fail(verdict.text(findings), pytrace=False)
        if self.rule and not verdict.decides(self.rule):
            pytest.skip(f"rule {self.name!r} decides nothing in {self.model.name}, which the policy permits")

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The rule's line, for a rule of this very file."""
        own = self.rule is not None and self.rule.origin is not None and not self.rule.inherited
        line = self.rule.origin.line - 1 if own and self.rule and self.rule.origin else None
        return self.path, line, f"{self.model.name}::{self.name}"
