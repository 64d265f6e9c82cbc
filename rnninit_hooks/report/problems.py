"""Findings as text: one block per problem, those of one kind in one module together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from rnninit_hooks.findings import CODES, Finding, Level
from rnninit_hooks.report.flow import Cell, flow, prose, words
from rnninit_hooks.report.words import joined, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

STYLES: dict[Level, str] = {"error": "bold red", "warning": "yellow", "info": "cyan"}
_RANK: dict[Level, int] = {"error": 0, "warning": 1, "info": 2}


def finding_lines(
    findings: Sequence[Finding],
    *,
    width: int,
    modules: Mapping[str, str] | None = None,
    whys: Mapping[str, str] | None = None,
) -> Iterator[Text]:
    """Every finding, errors first; `modules` tells an address's module, `whys` what a rule gives as its reason."""
    for group in _groups(findings, modules or {}):
        yield from _single(group[0], width) if len(group) == 1 else _several(group, width, modules or {})
        why = (whys or {}).get(group[0].rule or "")
        if why:
            yield from prose(f"why: {why}", width=width, indent=4 if len(group) == 1 else 2, hang=6, style="dim")


def _groups(findings: Sequence[Finding], modules: Mapping[str, str]) -> list[list[Finding]]:
    groups: dict[object, list[Finding]] = {}
    for index, finding in enumerate(sorted(findings, key=lambda one: _RANK[one.level])):
        owner = index if finding.address is None else _owner(finding.address, modules)
        key = (finding.level, finding.code, finding.rule, finding.place, owner)
        groups.setdefault(key, []).append(finding)
    return list(groups.values())


def _owner(address: str, modules: Mapping[str, str]) -> str:
    if address in modules:
        return modules[address]
    return address.partition("[")[0].rpartition(".")[0]


def _head(finding: Finding) -> Cell:
    """Place and code in one cell: editors and `grep` look for `file:line:column: CODE`."""
    place = f"{finding.place}: " if finding.place else ""
    return Cell(visible(f"{place}{finding.code} {CODES[finding.code].name} {finding.level}:"), STYLES[finding.level])


def _single(finding: Finding, width: int) -> Iterator[Text]:
    target = [Cell(visible(f"{finding.address}:"))] if finding.address else []
    yield from flow([_head(finding), *target, *words(finding.message)], width=width, hang=4, gap=1)
    yield from _advice(finding, width)
    yield from _excerpt(finding.excerpt, width)


def _several(group: Sequence[Finding], width: int, modules: Mapping[str, str]) -> Iterator[Text]:
    owner = _owner(group[0].address or "", modules)
    head = words(f"{len(group)} findings" + (f" in {owner}" if owner else ""))
    yield from flow([_head(group[0]), *head], width=width, hang=4, gap=1)
    told: set[tuple[str | None, str | None]] = set()
    for finding, addresses in _by_message(group):
        yield from flow([Cell(name) for name in compact(addresses, owner)], width=width, indent=2, hang=4, gap=1)
        yield from prose(finding.message, width=width, indent=4, hang=6)
        if (finding.expected, finding.fix) not in told:
            yield from _advice(finding, width)
        told.add((finding.expected, finding.fix))


def _by_message(group: Sequence[Finding]) -> Iterator[tuple[Finding, list[str]]]:
    same: dict[tuple[str, str | None, str | None], list[Finding]] = {}
    for finding in group:
        same.setdefault((finding.message, finding.expected, finding.fix), []).append(finding)
    for findings in same.values():
        yield findings[0], [finding.address or "" for finding in findings]


def _advice(finding: Finding, width: int) -> Iterator[Text]:
    for label, text in (("expected", finding.expected), ("fix", finding.fix)):
        if text:
            yield from prose(f"{label}: {text}", width=width, indent=4, hang=6)


def compact(addresses: Iterable[str], owner: str = "") -> list[str]:
    """Addresses with their module left out and the gates of one parameter together.

    >>> compact(["rnn.weight_hh_l0[input]", "rnn.weight_hh_l0[forget]", "rnn.bias_l0[cell]"], "rnn")
    ['weight_hh_l0[input forget]', 'bias_l0[cell]']
    """
    gates: dict[str, list[str]] = {}
    prefix = f"{owner}." if owner else ""
    for address in addresses:
        parameter, bracket, gate = (
            address.removeprefix(prefix).rpartition("[") if address.endswith("]") else (address.removeprefix(prefix), "", "")
        )
        own = gates.setdefault(parameter, [])
        own += [gate[:-1]] if bracket else []
    return [visible(f"{name}[{' '.join(own)}]" if own else name) for name, own in gates.items()]


def _excerpt(excerpt: str | None, width: int) -> Iterator[Text]:
    """The source lines, cropped to the part around the caret where they are wider than the page."""
    rows = [visible(row.expandtabs(1)) for row in (excerpt or "").splitlines()]
    room = width - 4
    caret = next((row.index("^") for row in reversed(rows) if row.strip(" ~^") == "" and "^" in row), 0)
    start = max(0, caret - room // 2) if max(map(cell_len, rows), default=0) > room else 0
    for row in rows:
        yield Text("    " + row[start : start + room], style="dim")


def allowed_lines(allowed: Sequence[tuple[Finding, str]], *, width: int) -> Iterator[Text]:
    """The findings that the policy excuses, counted by code and reason."""
    counts: dict[tuple[str, str], list[str]] = {}
    for finding, reason in allowed:
        counts.setdefault((finding.code, reason), []).append(finding.address or finding.rule or "the policy")
    for (code, reason), where in counts.items():
        text = f"allowed: {len(where)} x {code} {CODES[code].name} at {joined(compact(where))}: {reason}"
        yield from prose(text, width=width, hang=4, style="dim")
