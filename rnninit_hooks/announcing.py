"""Say warnings aloud: a report that nobody reads must still be heard."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable

from rnninit_hooks.errors import RnnInitWarning
from rnninit_hooks.findings import Finding


def announce(findings: Iterable[Finding], *, stacklevel: int = 3) -> None:
    """Issue one `RnnInitWarning` per kind of warning, naming the first place and how many there are."""
    heard = [finding for finding in findings if finding.level == "warning"]
    counts = Counter(finding.code for finding in heard)
    for finding in {finding.code: finding for finding in reversed(heard)}.values():
        others = counts[finding.code] - 1
        more = f" (and {others} more {finding.code})" if others else ""
        warnings.warn(f"{finding}{more}", RnnInitWarning, stacklevel=stacklevel)
