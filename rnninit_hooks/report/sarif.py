"""SARIF 2.1.0, as code scanning takes it."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from rnninit_hooks.findings import CODES
from rnninit_hooks.report.fingerprint import Fingerprints
from rnninit_hooks.report.formats import to_json
from rnninit_hooks.report.judgement import UNJUDGED
from rnninit_hooks.report.paths import as_uri, standing
from rnninit_hooks.report.sentences import paragraph, readable
from rnninit_hooks.report.words import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rnninit_hooks.findings import Finding, Level, Place
    from rnninit_hooks.report.judgement import Judgement, Subject

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "%SRCROOT%"
_LEVELS: dict[Level, str] = {"error": "error", "warning": "warning", "info": "note"}
_LINK = re.compile(r"\[(?=[^\]]*\]\()")


def render(judgement: Judgement) -> str:
    """One run, with every code that it names as a rule. Source: OASIS, SARIF 2.1.0 plus errata 01."""
    codes = sorted({finding.code for _, finding in _all(judgement)})
    seen = Fingerprints(judgement)
    results = [_result(subject, one, judgement, codes, seen) for subject, one in judgement.found]
    for subject, one, reason in judgement.allowed:
        excused = {"kind": "external", "status": "accepted", "justification": message(reason)["text"]}
        results.append(_result(subject, one, judgement, codes, seen) | {"suppressions": [excused]})
    run = {
        "tool": {"driver": _driver(codes)},
        "invocations": [_invocation(judgement)],
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return to_json({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _all(judgement: Judgement) -> Iterable[tuple[Subject, Finding]]:
    return [*judgement.found, *((subject, finding) for subject, finding, _ in judgement.allowed)]


def _driver(codes: Iterable[str]) -> dict[str, Any]:
    from rnninit_hooks import __version__

    return {"name": "rnninit", "version": __version__, "rules": [_rule(code) for code in codes]}


def _rule(code: str) -> dict[str, Any]:
    known = CODES[code]
    page = files("rnninit_hooks").joinpath("explain", f"{code}.md").read_text(encoding="utf-8")
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in known.name.split("-")),
        "shortDescription": {"text": f"{known.name}: {known.summary}"},
        "fullDescription": {"text": _sight(page) or known.summary},
        "help": {"text": page, "markdown": page},
        "defaultConfiguration": {"level": _LEVELS[known.level]},
    }


def _sight(page: str) -> str:
    """The first paragraph of a page's section on what the code sees."""
    return " ".join(page.partition("## What it sees")[2].strip().partition("\n\n")[0].split())


def _invocation(judgement: Judgement) -> dict[str, Any]:
    told = [] if judgement.failure is None else [judgement.failure]
    told += [f"{finding.place}: {finding.message}" for _, finding in judgement.found if finding.code == UNJUDGED]
    notices = [{"level": "error", "message": message(text)} for text in told]
    return {"executionSuccessful": not told, **({"toolExecutionNotifications": notices} if notices else {})}


def _result(subject: Subject, finding: Finding, judgement: Judgement, codes: list[str], seen: Fingerprints) -> dict[str, Any]:
    return {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": _LEVELS[finding.level],
        "message": message(paragraph(finding)),
        "locations": [_location(subject, finding, judgement)],
        "partialFingerprints": {"rnninit/v1": seen.of(subject, finding)},
        "suppressions": [],
        "properties": {judgement.noun: visible(subject.name), **({"rule": visible(finding.rule)} if finding.rule else {})},
    }


def _location(subject: Subject, finding: Finding, judgement: Judgement) -> dict[str, Any]:
    file, place = standing(subject, finding, judgement)
    found: dict[str, Any] = {}
    if file is not None:
        region = {"region": _region(place)} if place else {}
        found["physicalLocation"] = {"artifactLocation": _artifact(file), **region}
    if finding.address:
        found["logicalLocations"] = [{"fullyQualifiedName": visible(finding.address), "kind": "member"}]
    return found


def _artifact(file: str) -> dict[str, str]:
    uri = as_uri(file)
    return {"uri": uri} if uri.startswith("file:") else {"uri": uri, "uriBaseId": _ROOT}


def _region(place: Place) -> dict[str, int]:
    return {"startLine": place.line, "startColumn": place.column}


def message(text: str) -> dict[str, str]:
    """A plain text as SARIF has it: braces are doubled (3.11.5), and nothing looks like a link (3.11.6).

    >>> message("keep {a} at b[0](c)")
    {'text': 'keep {{a}} at b\\\\[0](c)'}
    """
    doubled = readable(text).replace("{", "{{").replace("}", "}}")
    return {"text": _LINK.sub(r"\\[", doubled)}
