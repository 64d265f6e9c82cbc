"""The pytest plugin: rule files become test items, and a fixture judges one model.

This module and what it imports need pytest and the standard library alone, so that a suite which never asks for a policy
pays for nothing: no torch, no pydantic, no YAML. Rule files are collected only where the plugin is switched on, by
`--rnninit` or by `rnninit = true` in pytest's configuration, because other projects have YAML files too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rnninit_hooks.pytest_plugin.fixtures import CHECKER, init_check, refuse_marker_alone
from rnninit_hooks.pytest_plugin.scope import SCOPE, scope_of

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

__all__ = ["init_check"]

_MARKER = "init_policy(policy): the rule file (relative to pytest's root) or preset by which `init_check` judges in this test"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The switch, and where rules and targets may be named instead of in [tool.rnninit]."""
    group = parser.getgroup("rnninit", "initialisation policies")
    group.addoption("--rnninit", action="store_true", default=False, help="collect rule files as tests")
    parser.addini("rnninit", "collect rule files as tests, as --rnninit does", type="bool", default=False)
    parser.addini("rnninit_rules", "rule files to collect (default: rules in [tool.rnninit])", type="paths", default=[])
    parser.addini("rnninit_targets", "models to judge (default: targets in [tool.rnninit])", type="linelist", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; where switched on, read the configuration and add rule files to `testpaths`."""
    config.addinivalue_line("markers", _MARKER)
    if not (config.getoption("rnninit") or config.getini("rnninit")):
        return
    scope = config.stash[SCOPE] = scope_of(config)
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        config.args.extend(map(str, scope.outside(config.invocation_params.dir / path for path in config.args)))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A rule file, where the plugin is switched on and the configuration or the command line speaks of that file."""
    scope = parent.config.stash.get(SCOPE, None)
    if scope is None or not scope.collects(file_path, named=parent.session.isinitpath(file_path)):
        return None
    from rnninit_hooks.pytest_plugin.items import RulesFile

    return RulesFile.from_parent(parent, path=file_path)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A marked test without the fixture would check nothing."""
    refuse_marker_alone(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """A test that asked for the fixture and passed without a call checked nothing."""
    result = yield
    if checker := item.stash.get(CHECKER, None):
        checker.refuse_unused()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A rule that is skipped stands in its rule file, not in this package."""
    report = yield
    if report.skipped and SCOPE in item.config.stash and isinstance(report.longrepr, tuple):
        from rnninit_hooks.pytest_plugin.items import RuleItem

        if isinstance(item, RuleItem):
            path, line, _ = item.reportinfo()
            report.longrepr = (str(path), (line or 0) + 1, report.longrepr[2])
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What the rules came to, target by target."""
    if SCOPE in config.stash:
        from rnninit_hooks.pytest_plugin.summary import write

        write(terminalreporter, config)
