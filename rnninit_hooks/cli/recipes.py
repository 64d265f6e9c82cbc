"""`rnninit recipes`: what a rule may ask for, with formula, fields and source. Wakes no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rnninit_hooks.cli.failures import CLEAN, CannotJudge, did_you_mean
from rnninit_hooks.cli.output import page_width, print_json, print_lines
from rnninit_hooks.recipes.registry import recipes

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from rich.text import Text

    from rnninit_hooks.cli.settings import Settings
    from rnninit_hooks.recipes.base import Recipe


def recipes_command(options: Namespace, settings: Settings) -> int:
    """All recipes, or those named: formula, fields with what is required, source, one sentence."""
    known = recipes()
    chosen = {name: _named(known, name) for name in options.names} or known
    if settings.format == "json":
        print_json({"recipes": [as_dict(one) for one in chosen.values()]})
    else:
        print_lines(_lines(chosen.values(), page_width()))
    return CLEAN


def _named(known: dict[str, type[Recipe]], name: str) -> type[Recipe]:
    if name not in known:
        fix = did_you_mean(name, list(known)) or "see `rnninit recipes`"
        raise CannotJudge(f"recipe {name!r}", "unknown", expected="a kind of recipe", fix=fix)
    return known[name]


def as_dict(one: type[Recipe]) -> dict[str, Any]:
    """A recipe as plain data.

    >>> from rnninit_hooks.recipes.registry import find
    >>> facts = as_dict(find("chrono"))
    >>> facts["formula"], facts["fields"], facts["joint"]
    ('b_keep = ±log u, b_input = -log u, u ~ U(1, t_max - 1), one u for both', {'t_max': 'required'}, True)
    """
    fields = {name: "required" if field.is_required() else field.default for name, field in one.model_fields.items()}
    said = (one.__doc__ or "").strip().partition("\n")[0]
    return {
        "kind": one.kind, "summary": said, "formula": one.formula, "fields": fields, "source": one.source, "joint": one.joint,
    }  # fmt: skip


def _lines(chosen: Any, width: int) -> Iterator[Text]:
    from rich.text import Text

    from rnninit_hooks.report.flow import prose

    for facts in map(as_dict, chosen):
        fields = ", ".join(
            f"{name} {value}" if value == "required" else f"{name}={value}" for name, value in facts["fields"].items()
        )
        yield Text(f"{facts['kind']}" + (f"  ({fields})" if fields else ""), style="bold")
        yield from prose(facts["summary"], width=width, indent=2, hang=2)
        yield from prose(facts["formula"], width=width, indent=4, hang=6)
        yield from prose(facts["source"], width=width, indent=4, hang=6, style="dim")
