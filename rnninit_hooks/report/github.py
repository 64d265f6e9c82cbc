"""Annotations of a workflow on GitHub: one workflow command per finding, on one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnninit_hooks.report.paths import standing
from rnninit_hooks.report.sentences import paragraph, readable, title

if TYPE_CHECKING:
    from rnninit_hooks.findings import Finding, Level
    from rnninit_hooks.report.judgement import Judgement, Subject

_COMMANDS: dict[Level, str] = {"error": "error", "warning": "warning", "info": "notice"}


def render(judgement: Judgement) -> str:
    """`::error file=...,line=...,col=...,title=...::message`, escaped as the runner of GitHub Actions undoes it.

    >>> from rnninit_hooks.findings import Finding, Place
    >>> from rnninit_hooks.report.judgement import Judgement, Subject
    >>> found = Finding("RNN101", "rule 'a' matches nothing", place=Place("init.rules.yaml", 4, 5), fix="drop it")
    >>> render(Judgement("plan", (Subject("nets:build", (found,)),)))
    "::error file=init.rules.yaml,line=4,col=5,title=RNN101 idle-rule::rule 'a' matches nothing%0Afix: drop it"
    """
    told = []
    if judgement.failure is not None:
        told.append(f"::error title=rnninit {judgement.verb} could not judge::{data(readable(judgement.failure))}")
    return "\n".join([*told, *(_command(subject, finding, judgement) for subject, finding in judgement.found)])


def _command(subject: Subject, finding: Finding, judgement: Judgement) -> str:
    where = {**_position(subject, finding, judgement), "title": title(finding)}
    properties = ",".join(f"{key}={prop(readable(value))}" for key, value in where.items())
    named = f"\nin {readable(subject.name)}" if len(judgement.subjects) > 1 and judgement.noun == "target" else ""
    return f"::{_COMMANDS[finding.level]} {properties}::{data(paragraph(finding) + named)}"


def _position(subject: Subject, finding: Finding, judgement: Judgement) -> dict[str, str]:
    file, place = standing(subject, finding, judgement)
    if file is None:
        return {}
    return {"file": file, "line": str(place.line), "col": str(place.column)} if place else {"file": file}


def data(text: str) -> str:
    """A message as a workflow command holds it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def prop(text: str) -> str:
    """A property as a workflow command holds it.

    >>> prop("100%, a:b")
    '100%25%2C a%3Ab'
    """
    return data(text).replace(":", "%3A").replace(",", "%2C")
