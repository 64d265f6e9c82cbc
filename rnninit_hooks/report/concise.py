"""One line per finding, for `grep`, editors and `wc -l`; the summary goes elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnninit_hooks.report.sentences import one_line, sentence

if TYPE_CHECKING:
    from rnninit_hooks.findings import Finding
    from rnninit_hooks.report.judgement import Judgement, Subject


def render(judgement: Judgement) -> str:
    """`file:line:column: CODE message`; the address comes first where no line of a file is to blame.

    >>> from rnninit_hooks.findings import Finding
    >>> from rnninit_hooks.report.judgement import Judgement, Subject
    >>> found = Finding("RNN103", "no rule decides it", "warning", address="rnn.bias_l0[cell]")
    >>> render(Judgement("plan", (Subject("nets:build", (found,)),)))
    'rnn.bias_l0[cell]: RNN103 no rule decides it'
    """
    told = [f"rnninit: could not judge: {one_line(judgement.failure)}"] if judgement.failure is not None else []
    several = len(judgement.subjects) > 1 and judgement.noun == "target"
    return "\n".join([*told, *(_line(subject, one, several=several) for subject, one in judgement.found)])


def _line(subject: Subject, finding: Finding, *, several: bool) -> str:
    text = sentence(finding)
    where = str(finding.place or finding.address or subject.name)
    if not finding.place and finding.address:
        text = text.removeprefix(one_line(f"{finding.address}:")).lstrip()
    return one_line(f"{where}: {finding.code} {text}{f' [{subject.name}]' if several else ''}")
