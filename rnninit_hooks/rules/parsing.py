"""One rule file, alone: its document becomes valid parts, and every problem of it is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from rnninit_hooks.recipes.base import Recipe
from rnninit_hooks.recipes.registry import find, kinds
from rnninit_hooks.rules.document import Document, Path, shortened
from rnninit_hooks.rules.models import Allow, Match, Rule, Setting, Word, _several
from rnninit_hooks.rules.patterns import one_budget
from rnninit_hooks.rules.problems import report, shown
from rnninit_hooks.rules.versions import VERSIONS
from rnninit_hooks.rules.words import did_you_mean, few_guesses

M = TypeVar("M", bound=BaseModel)
_STAND_IN = Match(parameter=".*")
SCHEMA_KEY, MOST_ENTRIES = "$schema", 1_000


class Head(BaseModel):
    """The keys of a rule file, without what stands inside `rules` and `allow`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    version: Literal[1] = Field(description="The grammar that the file is written in.")
    extends: Annotated[tuple[Word, ...], BeforeValidator(_several)] = Field(
        (), description="Rule files that come first: builtin:NAME, pkg:package/file.yaml, or a path relative to this file."
    )
    drop: Annotated[tuple[Word, ...], BeforeValidator(_several)] = Field((), description="Ids of extended rules to leave out.")
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = Field(None, description="Every draw depends on (seed, address) alone.")
    rules: list[Any] | None = Field(None, description="The rules; the last that matches a slot decides it.")
    untouched: Setting | None = Field(None, description="What a recurrent slot is worth that no rule decides.")
    idle: Setting | None = Field(None, description="What a rule is worth that matches nothing.")
    allow: list[Any] = Field([], description="Findings that are excused.")


@dataclass(frozen=True)
class Parsed:
    """The valid parts of one file."""

    document: Document
    head: Head | None
    rules: tuple[Rule, ...] = ()
    allow: tuple[Allow, ...] = ()


def parse(document: Document) -> Parsed:
    """Validate a document; problems are added to it, and what is valid comes back."""
    if document.data is None or not isinstance(document.data, dict):
        _not_a_mapping(document)
        return Parsed(document, None)
    if not _readable(document):
        return Parsed(document, None)
    _editors_key(document)
    if _too_many(document):
        return Parsed(document, None)
    with one_budget(), few_guesses():
        head = _head(document)
        rules = _rules(document, document.data.get("rules"))
        _duplicates(document)
        return Parsed(document, head, tuple(rules), tuple(_allowances(document, document.data.get("allow"))))


def _too_many(document: Document) -> bool:
    """Whether a list is longer than any team's, so that each entry would cost a complaint."""
    for key in ("rules", "allow"):
        items = document.data.get(key)
        if isinstance(items, list) and len(items) > MOST_ENTRIES:
            message = f"`{key}` has {len(items)} entries, more than {MOST_ENTRIES}"
            document.add("RNN018", message, document.place((key,)), fix="split the file, and let one extend the other")
            return True
    return False


def _allowances(document: Document, items: Any) -> Iterator[Allow]:
    for index, item in enumerate(items if isinstance(items, list) else []):
        if entry := _valid(document, path := ("allow", index), Allow, item):
            yield entry.with_origin(document.place(path))


def _not_a_mapping(document: Document) -> None:
    if document.problems:
        return
    if document.data is None:
        document.add(
            "RNN005",
            "the file is empty",
            document.place(()),
            expected="`version: 1` and `rules:`",
            fix="see `rnninit presets lstm-classic`",
        )
    else:
        document.add(
            "RNN008",
            f"the file is {shown(document.data)}",
            document.place(()),
            expected="a mapping with `version: 1` and `rules:`",
        )


def _head(document: Document) -> Head | None:
    data = document.data
    if "version" in data:
        data = {**data, "version": VERSIONS.current}
    _presence(document)
    without = {key: value for key, value in data.items() if key != "rules"}
    return _valid(document, (), Head, without if _no_rules(data) else data)


def _no_rules(data: dict[str, Any]) -> bool:
    return data.get("rules") in (None, [], {})


def _readable(document: Document) -> bool:
    """Bring the data to the current version; False for a later one, of whose keys nothing can be said."""
    version = document.data.get("version", VERSIONS.current)
    place = document.place(("version",))
    if type(version) is not int:  # 1.0 and true equal 1, and are not it
        document.add("RNN008", f"`version` is {shown(version)}", place, expected=f"version: {VERSIONS.current}")
    elif objection := VERSIONS.objection(version):
        message, expected, fix = objection
        document.add("RNN017", message, place, expected=expected, fix=fix)
        return not VERSIONS.is_later(version)
    elif "version" in document.data:
        document.data = VERSIONS.upgraded(document.data)
    return True


def _editors_key(document: Document) -> None:
    """`$schema` tells an editor which schema to use; it is text, it is never fetched, and it means nothing here."""
    if not isinstance(name := document.data.pop(SCHEMA_KEY, "-"), str) or not name:
        found = "an empty text" if name == "" else shown(name)
        fix = "write the path of a schema (`rnninit schema` prints it), or leave the key out"
        document.add("RNN008", f"`{SCHEMA_KEY}` is {found}", document.place((SCHEMA_KEY,)), expected="text", fix=fix)


def _presence(document: Document) -> None:
    data = document.data
    if "rules" not in data and not data.get("extends"):
        document.add(
            "RNN005", "the file has no rules and extends no other", document.place(()), expected="`rules:` or `extends:`"
        )
    elif "rules" in data and _no_rules(data):
        document.add(
            "RNN005",
            "`rules` is empty",
            document.place(("rules",)),
            expected="at least one rule",
            fix="add a rule, or remove the key if the file only extends others",
        )


def _rules(document: Document, items: Any) -> list[Rule]:
    found = [_rule(document, ("rules", i), item) for i, item in enumerate(items if isinstance(items, list) else [])]
    return [rule for rule in found if rule]


def _rule(document: Document, path: Path, item: Any) -> Rule | None:
    if not isinstance(item, dict):
        document.add(
            "RNN008", f"a rule is {shown(item)}", document.place(path), expected="a mapping with `id`, `match` and `init`"
        )
        return None
    match = _valid(document, (*path, "match"), Match, item["match"]) if "match" in item else None
    init = _init(document, (*path, "init"), item["init"]) if "init" in item else None
    parts = {
        **item,
        **({"match": match or _STAND_IN} if "match" in item else {}),
        **({"init": init or _any()} if "init" in item else {}),
    }
    rule = _valid(document, path, Rule, parts)
    return rule.with_origin(document.place(path)) if rule and match and init else None


def _any() -> Recipe:
    return find("keep")()


def _valid(document: Document, path: Path, model: type[M], item: Any) -> M | None:
    given = _without_empties(document, path, model, item)
    if not given and item:
        return None
    try:
        return model.model_validate(given)
    except ValidationError as error:
        report(document, path, error, model)
        return None


def _without_empties(document: Document, path: Path, model: type[BaseModel], item: Any) -> Any:
    """In Python None means "not given"; in a file an empty value is a line that was not finished."""
    if not isinstance(item, dict):
        return item
    optional = {name for name, facts in model.model_fields.items() if facts.default is None and not issubclass(model, Recipe)}
    empty = [name for name, value in item.items() if value is None and name in optional]
    for name in empty:
        fix = "write a value, or leave the key out"
        document.add("RNN008", f"`{name}` is empty", document.place((*path, name)), expected="a value", fix=fix)
    return {name: value for name, value in item.items() if name not in empty}


def _init(document: Document, path: Path, item: Any) -> Recipe | None:
    if not isinstance(item, dict):
        place = document.place(path)
        document.add("RNN008", f"`init` is {shown(item)}", place, expected="a mapping such as {kind: orthogonal, gain: 1.0}")
        return None
    if "kind" not in item:
        document.add(
            "RNN007",
            "the key 'kind' is missing",
            document.place(path),
            expected=f"one of {', '.join(kinds())}",
            fix="add `kind: …`",
        )
        return None
    kind = item["kind"]
    if not isinstance(kind, str):
        document.add("RNN008", f"`kind` is {shown(kind)}", document.place((*path, "kind")), expected="text")
        return None
    try:
        recipe = find(kind)
    except KeyError:
        place = document.place((*path, "kind"))
        document.add(
            "RNN011",
            f"no recipe is of kind {kind!r}{did_you_mean(kind, kinds())}",
            place,
            expected=f"one of {', '.join(kinds())}",
        )
        return None
    found = _valid(document, path, recipe, {name: value for name, value in item.items() if name != "kind"})
    return found.located(document.folder) if found and document.folder else found


def _duplicates(document: Document) -> None:
    """Ids are compared as they are written, so that a rule with another problem keeps its own."""
    items = document.data.get("rules")
    lines: dict[str, int] = {}
    for index, item in enumerate(items if isinstance(items, list) else []):
        name, place = item.get("id") if isinstance(item, dict) else None, document.place(("rules", index))
        if isinstance(name, str) and lines.setdefault(name, index) != index:
            first = document.place(("rules", lines[name]))
            message = f"the id {shortened(name)!r} is taken by the rule in line {first.line}"
            document.add("RNN012", message, place, fix="give each rule its own id; in one file nothing is replaced")
