"""What tells one finding from another in the next run too, when lines have moved and numbers have changed."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from rnninit_hooks.report.paths import standing

if TYPE_CHECKING:
    from rnninit_hooks.findings import Finding
    from rnninit_hooks.report.judgement import Judgement, Subject


class Fingerprints:
    """Fingerprints of one report: findings that are the same but for their line are counted, in their order.

    A finding about a slot or a rule is known by target, code, address and rule; one in a text by code, file and source line.

    >>> from rnninit_hooks.findings import Finding, Place
    >>> from rnninit_hooks.report.judgement import Judgement, Subject
    >>> at = lambda line: Finding("RNN302", "stacked", place=Place("a.py", line, 1), excerpt="orthogonal_(w)")
    >>> run = Judgement("lint", ())
    >>> Fingerprints(run).of(Subject("a.py"), at(3)) == Fingerprints(run).of(Subject("a.py"), at(9))
    True
    """

    def __init__(self, judgement: Judgement) -> None:
        self._judgement = judgement
        self._seen: Counter[tuple[str, ...]] = Counter()

    def of(self, subject: Subject, finding: Finding) -> str:
        """The fingerprint of the next finding."""
        key = _key(subject, finding, self._judgement)
        self._seen[key] += 1
        text = "\0".join([*key, str(self._seen[key])])
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _key(subject: Subject, finding: Finding, judgement: Judgement) -> tuple[str, ...]:
    if finding.address or finding.rule:
        return ("slot", subject.name, finding.code, finding.address or "", finding.rule or "")
    line = (finding.excerpt or finding.message).strip().partition("\n")[0].strip()
    file = standing(subject, finding, judgement)[0] or subject.name
    return ("text", finding.code, file, line)
