"""What a finding is worth: the levels that a policy sets, and the findings that it excuses."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from rnninit_hooks import days
from rnninit_hooks.findings import Finding

if TYPE_CHECKING:
    from datetime import date

    from rnninit_hooks.rules.models import Allow, Policy

_PROBED = ("RNN107", "RNN116")  # seen only where a module is probed, so that not seeing them says nothing
ABOUT_ENTRIES = ("RNN110", "RNN117")  # findings about the entries themselves, which no entry excuses
_FIRST, _OF_MODELS = "RNN1", ("RNN1", "RNN2")
Allowed = tuple[tuple[Finding, str], ...]


@lru_cache(maxsize=4096)
def _glob(pattern: str) -> re.Pattern[str]:
    """Only `*` and `?` are special: an address holds brackets of its own."""
    parts = (".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    return re.compile("".join(parts), re.DOTALL)


def excuses(allow: Allow, finding: Finding) -> bool:
    """True when an `allow` entry speaks of a finding, by its address or by its rule's id."""
    named = (name for name in (finding.address, finding.rule, "") if name is not None)
    return allow.code == finding.code and any(_glob(allow.at).fullmatch(name) for name in named)


def weigh(policy: Policy, findings: Iterable[Finding], *, stale_prefix: str) -> tuple[tuple[Finding, ...], Allowed]:
    """Part findings into those that stand and those excused; an `allow` that excuses nothing is a finding itself.

    An entry past its day excuses nothing, and that is a finding too. Only entries whose code begins with `stale_prefix`
    are judged themselves: the others are judged by another verb.
    """
    kept: list[Finding] = []
    allowed: list[tuple[Finding, str]] = []
    used: Counter[int] = Counter()
    today = days.today()
    for finding in findings:
        index = _excusing(policy.allow, finding, today)
        used.update([] if index is None else [index])
        if index is None or policy.allow[index].expired(today):
            kept.append(finding)
        else:
            allowed.append((finding, policy.allow[index].reason))
    own = [(used[i], allow) for i, allow in enumerate(policy.allow) if _judged_here(allow, stale_prefix)]
    return (*kept, *_of_entries(own, today)), tuple(allowed)


def _excusing(entries: Sequence[Allow], finding: Finding, today: date) -> int | None:
    """The first entry that speaks of a finding, one that still counts before one past its day."""
    speaking = [index for index, allow in enumerate(entries) if excuses(allow, finding)]
    return min(speaking, key=lambda index: (entries[index].expired(today), index), default=None)


def _judged_here(allow: Allow, prefix: str) -> bool:
    """True for an entry of this verb; one whose code no model ever has is a plan's, so that somebody judges it."""
    return allow.code.startswith(prefix) or (prefix == _FIRST and not allow.code.startswith(_OF_MODELS))


def _of_entries(entries: Iterable[tuple[int, Allow]], today: date) -> Iterator[Finding]:
    for uses, allow in entries:
        if allow.expired(today):
            yield _expired(allow, uses, today)
        elif not uses and allow.code not in _PROBED:
            yield _stale(allow)


def _stale(allow: Allow) -> Finding:
    elsewhere = allow.code.startswith(("RNN3", "RNN4"))
    fix = f"write `# rnninit: ignore[{allow.code}] reason` on the line of code that it is about" if elsewhere else None
    return Finding(
        "RNN110", f"allow {allow.code} at {allow.at!r} ({allow.reason}) excuses nothing", level="warning",
        place=allow.origin, fix=fix or "remove the entry, or correct `at`",
    )  # fmt: skip


def _expired(allow: Allow, uses: int, today: date) -> Finding:
    said = f"allow {allow.code} at {allow.at!r} ({allow.reason}) counted until {allow.until}, and today is {today}"
    stands = f"{uses} finding{'' if uses == 1 else 's'} that it excused stand{'s' if uses == 1 else ''} again"
    mend = "mend what it excused and remove the entry, or give it a later `until` and say why in its reason"
    return Finding(
        "RNN117", f"{said}; {stands if uses else 'nothing is left that it would excuse'}", level="warning",
        place=allow.origin, fix=mend if uses else "remove the entry",
    )  # fmt: skip
