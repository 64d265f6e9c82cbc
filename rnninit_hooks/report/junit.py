"""JUnit's XML, as Jenkins, GitLab and their like read it: a suite per target or file, a case per rule and per finding."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as Tree

from rnninit_hooks.report.judgement import UNJUDGED, fails
from rnninit_hooks.report.paths import standing
from rnninit_hooks.report.sentences import one_line, paragraph, readable, title

if TYPE_CHECKING:
    from rnninit_hooks.findings import Finding
    from rnninit_hooks.report.judgement import Judgement, Subject

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def render(judgement: Judgement) -> str:
    """A document in ASCII, so that no encoding can harm it.

    A finding that the call fails on is a failed case, a lesser one a passed case that tells it, an allowed one a skipped
    case; every rule that a target was judged by and that no such case names is a passed one, or skipped if not judged.
    """
    suites = Tree.Element("testsuites", name=f"rnninit {judgement.verb}")
    if judgement.failure is not None:
        _unjudged(suites, judgement)
    for subject in judgement.subjects:
        _count(_suite(suites, subject, judgement))
    _count(suites)
    Tree.indent(suites)
    ascii_only: bytes = Tree.tostring(suites, encoding="us-ascii")
    return _HEAD + ascii_only.decode()


def _unjudged(suites: Tree.Element, judgement: Judgement) -> None:
    suite = Tree.SubElement(suites, "testsuite", name="could not judge")
    case = Tree.SubElement(suite, "testcase", classname="rnninit", name=judgement.verb)
    text = readable(judgement.failure or "")
    Tree.SubElement(case, "error", message=one_line(text), type="could-not-judge").text = text
    _count(suite)


def _suite(suites: Tree.Element, subject: Subject, judgement: Judgement) -> Tree.Element:
    suite = Tree.SubElement(suites, "testsuite", name=one_line(subject.name))
    for finding in subject.findings:
        _finding(suite, subject, finding, judgement)
    for finding, reason in subject.allowed:
        skipped = Tree.SubElement(_case(suite, _name(finding)), "skipped", message=f"allowed: {one_line(reason)}")
        skipped.text = paragraph(finding)
    _holding(suite, subject, judgement)
    return suite


def _holding(suite: Tree.Element, subject: Subject, judgement: Judgement) -> None:
    """A case for every rule that holds; without rules, one for the subject as a whole."""
    failing = [finding for finding in subject.findings if fails(finding, judgement.fail_on) or finding.code == UNJUDGED]
    blamed = {finding.rule for finding in (*failing, *(excused for excused, _ in subject.allowed))}
    for rule in subject.rules:
        if rule not in blamed:
            case = _case(suite, one_line(rule))
            if rule in subject.unjudged:
                Tree.SubElement(case, "skipped", message="not judged")
    if not (subject.rules or failing or judgement.failure is not None):
        _case(suite, judgement.verb)


def _finding(suite: Tree.Element, subject: Subject, finding: Finding, judgement: Judgement) -> None:
    case = _case(suite, _name(finding))
    file, place = standing(subject, finding, judgement)
    if file is not None:
        case.set("file", one_line(file))
    if place is not None:
        case.set("line", str(place.line))
    text = "\n".join(filter(None, [f"{finding.place}" if finding.place else "", paragraph(finding), finding.excerpt]))
    if finding.code == UNJUDGED or judgement.failure is not None:
        told = Tree.SubElement(case, "error", message=one_line(finding.message), type="could-not-judge")
    elif fails(finding, judgement.fail_on):
        told = Tree.SubElement(case, "failure", message=one_line(finding.message), type=finding.level)
    else:
        told = Tree.SubElement(case, "system-out")
    told.text = readable(text)


def _case(suite: Tree.Element, name: str) -> Tree.Element:
    return Tree.SubElement(suite, "testcase", classname=suite.get("name", ""), name=name)


def _name(finding: Finding) -> str:
    parts = [title(finding), finding.address or "", f"({finding.rule})" if finding.rule else ""]
    where = "" if finding.address or not finding.place else f"{finding.place.line}:{finding.place.column}"
    return one_line(" ".join([*parts, where]))


def _count(element: Tree.Element) -> None:
    """How many cases there are below, and how many of each kind: readers demand it."""
    element.set("tests", str(sum(1 for _ in element.iter("testcase"))))
    for kind in ("failure", "error"):
        element.set(f"{kind}s", str(sum(1 for _ in element.iter(kind))))
    element.set("skipped", str(sum(1 for _ in element.iter("skipped"))))
