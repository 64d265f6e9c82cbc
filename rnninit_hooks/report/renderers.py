"""The table of formats that are made from a judgement. Text and JSON hold more than findings and are made elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnninit_hooks.report import concise, github, html, junit, markdown, sarif

if TYPE_CHECKING:
    from collections.abc import Callable

    from rnninit_hooks.report.judgement import Judgement

RENDERERS: dict[str, Callable[[Judgement], str]] = {
    "concise": concise.render,
    "github": github.render,
    "sarif": sarif.render,
    "junit": junit.render,
    "markdown": markdown.render,
    "html": html.render,
}
LINES = frozenset({"concise", "github"})
"""Formats of one line per finding: their summary goes to stderr, so that no reader takes it for a finding."""
