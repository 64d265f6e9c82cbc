"""Plain data becomes YAML text that this package's own reader reads back as it was."""

from __future__ import annotations

from typing import Any

import yaml

from rnninit_hooks.rules.scalars import scalar


class _Dumper(yaml.SafeDumper):
    """PyYAML writes for YAML 1.1, where `1e5` and `0o17` are text and need no quotes; rule files are YAML 1.2."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _quoted(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    read_back = scalar(text)
    style = None if isinstance(read_back, str) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _quoted)


def written(data: dict[str, Any]) -> str:
    """A mapping as YAML text, keys in the order given.

    >>> print(written({"id": "1e5", "why": "off"}), end="")
    id: '1e5'
    why: 'off'
    """
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
