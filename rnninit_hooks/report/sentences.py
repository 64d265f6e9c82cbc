"""A finding in words that no format has to fear: on one line, without control characters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnninit_hooks.findings import CODES
from rnninit_hooks.report.words import visible

if TYPE_CHECKING:
    from rnninit_hooks.findings import Finding


def one_line(text: str) -> str:
    r"""The words of a text on one line, control characters written out.

    >>> one_line("gain\n  is\x1b[31m red")
    'gain is\\x1b[31m red'
    """
    return visible(" ".join(text.split()))


def title(finding: Finding) -> str:
    """The code and its name, `RNN201 law-broken`."""
    return f"{finding.code} {CODES[finding.code].name}"


def sentence(finding: Finding) -> str:
    """Address, message and what was expected, on one line."""
    address = f"{finding.address}: " if finding.address else ""
    expected = f"; expected {finding.expected}" if finding.expected else ""
    return one_line(f"{address}{finding.message}{expected}")


def paragraph(finding: Finding) -> str:
    """The sentence, then what to do and whose rule it is, each on a line of its own."""
    parts = (sentence(finding), f"fix: {finding.fix}" if finding.fix else "", f"rule: {finding.rule}" if finding.rule else "")
    return "\n".join(one_line(part) for part in parts if part)


def readable(text: str) -> str:
    """Lines stay lines; control characters in them are written out."""
    return "\n".join(visible(line.expandtabs(4)) for line in text.split("\n"))
