"""The JSON Schema of a rule file, for editors and for other tools."""

from __future__ import annotations

from typing import Any

from rnninit_hooks.findings import CODES
from rnninit_hooks.recipes.base import Recipe
from rnninit_hooks.recipes.registry import recipes
from rnninit_hooks.rules.models import Allow, Match, Rule
from rnninit_hooks.rules.parsing import SCHEMA_KEY, Head

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_CONTRADICTIONS = (
    {"not": {"properties": {"whole": {"const": True}, "match": {"required": ["gate"]}}, "required": ["whole", "match"]}},
    {
        "not": {
            "properties": {"literal": {"const": True}, "place": {"enum": ["hh", "split"]}},
            "required": ["literal", "place"],
        }
    },
)
_EDITORS_KEY = {"description": "Which schema an editor uses; never fetched.", "type": "string", "minLength": 1}
_LISTS = {"module", "kind", "gate", "layer", "extends", "drop"}


def json_schema() -> dict[str, Any]:
    """The schema of grammar version 1 with every registered recipe, as plain data.

    >>> schema = json_schema()
    >>> schema["properties"]["rules"]["items"]["required"]
    ['id', 'match', 'init']
    """
    rule = _object(Rule)
    rule["properties"]["match"] = {**_object(Match), "minProperties": 1}
    rule["properties"]["init"] = {
        "description": "What is written there.",
        "oneOf": [_recipe(cls) for cls in recipes().values()],
    }
    rule["allOf"] = list(_CONTRADICTIONS)
    allowed = _object(Allow)
    allowed["properties"]["code"]["enum"] = sorted(CODES)
    allowed["properties"]["reason"]["pattern"] = r"\S"
    schema = _object(Head)
    schema["properties"] = {SCHEMA_KEY: dict(_EDITORS_KEY), **schema["properties"]}
    schema["properties"]["rules"] = {"type": "array", "minItems": 1, "items": rule}
    schema["properties"]["allow"] = {"type": "array", "items": allowed}
    return {
        "$schema": DIALECT,
        "title": "rnninit-hooks rule file",
        **schema,
        "anyOf": [{"required": ["rules"]}, {"required": ["extends"]}],
    }


def _object(model: type[Any]) -> dict[str, Any]:
    full = model.model_json_schema(mode="validation") if model is not Rule else _without_recipe()
    properties = {name: _property(name, _inlined(facts, full.get("$defs", {}))) for name, facts in full["properties"].items()}
    found = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**found, "required": full["required"]} if full.get("required") else found


def _without_recipe() -> dict[str, Any]:
    """Fields of a rule; `match` and `init` are put in by `json_schema`."""

    class Plain(Rule):  # a recipe's own schema differs from kind to kind
        init: Any

    return Plain.model_json_schema(mode="validation")


def _recipe(cls: type[Recipe]) -> dict[str, Any]:
    found = _object(cls)
    found["properties"] = {"kind": {"const": cls.kind}, **found["properties"]}
    found["required"] = ["kind", *found.get("required", [])]
    return {"title": cls.kind, "description": f"{cls.formula} ({cls.source})", **found}


def _property(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Drop nulls and defaults of absent keys; one word may stand for a list of one."""
    if "anyOf" in facts:
        some = [choice for choice in facts["anyOf"] if choice.get("type") != "null"]
        facts = {
            **{key: value for key, value in facts.items() if key != "anyOf"},
            **(some[0] if len(some) == 1 else {"anyOf": some}),
        }
    kept = {key: value for key, value in facts.items() if key not in ("title", "default")}
    if name in _LISTS and kept.get("type") == "array":
        listed = {"type": "array", "items": kept["items"], "minItems": 1}
        return {"description": kept.get("description", ""), "anyOf": [kept["items"], listed]}
    return kept


def _inlined(facts: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    reference = facts.get("$ref", "").removeprefix("#/$defs/")
    return {**definitions.get(reference, {}), **{key: value for key, value in facts.items() if key != "$ref"}}
