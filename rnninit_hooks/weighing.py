"""What a finding is worth: the levels that a policy sets, and the findings that it excuses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from rnninit_hooks.findings import Finding

if TYPE_CHECKING:
    from rnninit_hooks.rules.models import Allow, Policy

_PROBED = ("RNN107", "RNN116")  # seen only where a module is probed, so that not seeing them says nothing
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

    Only entries whose code begins with `stale_prefix` can be stale here: the others are judged by another verb.
    """
    kept: list[Finding] = []
    allowed: list[tuple[Finding, str]] = []
    used: set[int] = set()
    for finding in findings:
        index = next((i for i, allow in enumerate(policy.allow) if excuses(allow, finding)), None)
        if index is None:
            kept.append(finding)
        else:
            used.add(index)
            allowed.append((finding, policy.allow[index].reason))
    unused = [a for i, a in enumerate(policy.allow) if i not in used and _can_be_stale(a, stale_prefix)]
    return (*kept, *map(_stale, unused)), tuple(allowed)


def _can_be_stale(allow: Allow, prefix: str) -> bool:
    return allow.code.startswith(prefix) and allow.code not in _PROBED


def _stale(allow: Allow) -> Finding:
    return Finding(
        "RNN110", f"allow {allow.code} at {allow.at!r} ({allow.reason}) excuses nothing", level="warning",
        fix="remove the entry, or correct `at`",
    )  # fmt: skip
