"""The fixture `init_check` and the marker `init_policy`: one model, judged inside an ordinary test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rnninit_hooks.pytest_plugin.scope import scope_of

if TYPE_CHECKING:
    from rnninit_hooks.rows import Report
    from rnninit_hooks.rules.models import Policy

FIXTURE, MARKER = "init_check", "init_policy"
_USAGE = f'write @pytest.mark.{MARKER}("init.rules.yaml"), with one rule file, preset or Policy'


class InitCheck:
    """Call it with a model: the test fails with the printed report when the model does not obey."""

    def __init__(self, config: pytest.Config, policy: Policy | str | Path | None) -> None:
        """`policy` is what the marker names; None leaves it to the configuration."""
        self._config, self._policy, self._calls = config, policy, 0

    def __call__(self, model: Any, policy: Policy | str | Path | None = None) -> Report:
        """Judge a model as it is by `policy`, else the marker's, else the configuration's; gives the report."""
        __tracebackhide__ = True
        from torch import nn

        self._calls += 1
        if not isinstance(model, nn.Module):
            pytest.fail(f"{FIXTURE} takes a torch.nn.Module, found {type(model).__name__}; fix: pass the model itself")
        report = self._judged(model, policy if policy is not None else self._policy)
        if not report.clean:
            pytest.fail(f"the model does not obey its initialisation policy\n{report}")
        return report

    def _judged(self, model: Any, policy: Policy | str | Path | None) -> Report:
        __tracebackhide__ = True
        from rnninit_hooks.checking import check
        from rnninit_hooks.errors import RuleFileError

        try:
            return check(model, self._located(policy if policy is not None else self._configured()))
        except RuleFileError as error:
            return pytest.fail(str(error))

    def _located(self, policy: Policy | str | Path) -> Policy | str | Path:
        """A relative file is one of pytest's root, wherever the test stands or goes."""
        if not isinstance(policy, str | Path):
            return policy
        file = self._config.rootpath / policy
        return file if file.is_file() or Path(policy).suffix else policy

    def _configured(self) -> Path | str:
        __tracebackhide__ = True
        scope = scope_of(self._config)
        named: list[Path | str] = [*scope.files] or [rules for rules in (scope.rules,) if rules]
        if len(named) != 1:
            pytest.fail(
                f"{FIXTURE} was called without a policy, and the configuration names {len(named)}; fix: {_USAGE}, pass "
                "it as the second argument, or write `rules` under [tool.rnninit] in pyproject.toml"
            )
        return named[0]

    def refuse_unused(self) -> None:
        """Fail where nothing was judged."""
        if not self._calls:
            fix = f"fix: call {FIXTURE}(model), or drop the fixture"
            pytest.fail(f"the test asks for {FIXTURE} and never calls it, so it checks no model; {fix}", pytrace=False)


CHECKER = pytest.StashKey[InitCheck]()
"""In an item that asked for the fixture."""


@pytest.fixture
def init_check(request: pytest.FixtureRequest) -> InitCheck:
    """`init_check(model)` fails the test when the model does not obey its initialisation policy; gives the report."""
    checker = request.node.stash[CHECKER] = InitCheck(request.config, _marked(request.node))
    return checker


def _marked(item: pytest.Item) -> Any:
    mark = item.get_closest_marker(MARKER)
    if mark is None:
        return None
    if len(mark.args) != 1 or mark.kwargs:
        pytest.fail(f"{MARKER} has {len(mark.args)} arguments and {len(mark.kwargs)} keywords; fix: {_USAGE}", pytrace=False)
    return mark.args[0]


def refuse_marker_alone(item: pytest.Item) -> None:
    """Fail a test that is marked itself (not only its class or module) and has no fixture to judge with."""
    marked = any(mark.name == MARKER for mark in item.own_markers)
    if marked and FIXTURE not in getattr(item, "fixturenames", ()):
        fix = f"fix: take the fixture {FIXTURE} and call {FIXTURE}(model)"
        pytest.fail(f"the test is marked {MARKER} and asks for no {FIXTURE}, so it checks no model; {fix}", pytrace=False)
