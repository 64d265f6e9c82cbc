"""Reports as JSON: one document, no nan, the same shape whatever the number of targets."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnninit_hooks.findings import Finding


def to_json(document: Mapping[str, Any]) -> str:
    """JSON text that every parser reads; nan and inf become the strings "nan", "inf" and "-inf".

    A null would read as "not measured", and a bare `NaN` is no JSON.

    >>> to_json({"mean": float("nan"), "rows": (1, 2)}).replace("\\n", "")
    '{  "mean": "nan",  "rows": [    1,    2  ]}'
    """
    return json.dumps(finite(document), indent=2, allow_nan=False)


def finite(value: Any) -> Any:
    """Plain data with every number that JSON lacks written as a string."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def error_document(facts: Mapping[str, Any], findings: Sequence[Finding] = ()) -> dict[str, Any]:
    """What stdout holds when nothing could be judged: `{"error": {...}, "findings": [...]}`."""
    return {"error": dict(facts), "findings": [finding.to_dict() for finding in findings]}
