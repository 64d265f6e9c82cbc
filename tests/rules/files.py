"""Small rule files for tests."""

from __future__ import annotations

from pathlib import Path

import rnninit_hooks as ri


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def ids(policy: ri.Policy) -> list[str]:
    return [rule.id for rule in policy.rules]


def line(name: str, **more: str) -> str:
    extra = "".join(f"{key}: {value}, " for key, value in more.items())
    return f"  - {{id: {name}, {extra}match: {{kind: bias}}, init: {{kind: zeros}}}}\n"
