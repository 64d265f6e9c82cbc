"""Rules and policies: frozen, strictly typed, nothing unknown. What a rule file says, once it is valid."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    StringConstraints,
    field_validator,
    model_serializer,
    model_validator,
)  # fmt: skip

from rnninit_hooks.days import day
from rnninit_hooks.findings import CODES, Place
from rnninit_hooks.recipes.base import Recipe
from rnninit_hooks.recipes.registry import find, kinds
from rnninit_hooks.rules import patterns
from rnninit_hooks.rules.dump import written
from rnninit_hooks.rules.words import did_you_mean

Setting = Literal["allow", "warn", "error"]
KindWord = Literal["input", "recurrent", "projection", "bias", "peephole"]
PlaceOfBias = Literal["ih", "hh", "split"]
Word = Annotated[str, StringConstraints(min_length=1)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


def _several(value: Any) -> Any:
    """One thing is a tuple of one; an empty list says nothing and is refused."""
    if isinstance(value, list | tuple):
        if not value:
            raise ValueError("an empty list says nothing; leave the key out")
        return tuple(value)
    return value if value is None else (value,)


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Words = Annotated[tuple[Word, ...], BeforeValidator(_several)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Match(_Model):
    r"""Which slots a rule speaks of; every key given must hold, and at least one must be given.

    >>> Match(kind="bias", gate=["forget", "input"]).gate
    ('forget', 'input')
    >>> Match(parameter=r"weight_hh_l\d+").matches_name(["rnn.weight_hh_l0", "rnn.bias_hh_l0"])
    ('rnn.weight_hh_l0',)
    """

    parameter: str | None = Field(None, description="Regex, searched in the qualified parameter name.")
    module: Words = Field((), description="Class name anywhere among the bases, or a dotted name.", validate_default=False)
    kind: Annotated[tuple[KindWord, ...], BeforeValidator(_several)] = Field(
        (), description="What the slot is in a recurrent module."
    )
    gate: Words = Field((), description="Gate names, long or short; `retain` is the gate that keeps the old state.")
    layer: Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_several)] = Field(
        (), description="Layer numbers, from 0."
    )
    direction: Literal["forward", "reverse"] | None = Field(None, description="One direction of a bidirectional module.")

    @field_validator("parameter")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None and (why := patterns.trouble(value)):
            raise ValueError(f"regex: the pattern {value[:60]!r} {why}")
        return value

    @model_validator(mode="after")
    def _says_something(self) -> Match:
        if all(value in (None, ()) for value in self.__dict__.values()):
            raise ValueError("an empty match would match everything; write `parameter: '.*'` if that is meant")
        return self

    @model_serializer(mode="wrap")
    def _only_given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Keys that say nothing are left out, as they must be in a file."""
        return {key: value for key, value in handler(self).items() if value not in (None, (), [])}

    def matches_name(self, names: Iterable[str]) -> tuple[str, ...]:
        """The names in which the regex is found; all of them when there is none. Raises `PatternTimeout`."""
        return tuple(names) if self.parameter is None else patterns.found_in(self.parameter, names)


def _recipe(value: Any) -> Any:
    """A recipe from `{kind: ..., fields}`."""
    if not isinstance(value, dict):
        return value
    kind = value.get("kind")
    if not isinstance(kind, str):
        raise ValueError(f"`init` names its recipe by `kind`, one of {', '.join(kinds())}; found {kind!r}")
    if kind not in kinds():
        raise ValueError(f"no recipe is of kind {kind!r}{did_you_mean(kind, kinds())}")
    return find(kind).model_validate({name: field for name, field in value.items() if name != "kind"})


def _registered(recipe: Recipe) -> Recipe:
    if not recipe.kind:
        raise ValueError(f"{type(recipe).__name__} has no kind that a rule file could name; write @recipe(...) above the class")
    return recipe


class Rule(_Model):
    """One rule: what it matches, and what is written there.

    `whole` asks for the fused matrix, `place` says where the value of an effective bias goes, `literal` writes exactly
    the matched parameter. `origin` is the rule's place in its file, `inherited` whether it came through `extends`.
    """

    id: Identifier = Field(description="A name, unique in the policy.")
    match: Match = Field(description="Which slots the rule speaks of.")
    init: Annotated[SerializeAsAny[Recipe], BeforeValidator(_recipe), AfterValidator(_registered)] = Field(
        description="What is written there."
    )
    idle: Setting | None = Field(None, description="What it means when this rule matches nothing.")
    why: str | None = Field(None, description="Free text, shown by plan and findings.")
    whole: bool = Field(False, description="Draw the fused matrix instead of each gate's block.")
    place: PlaceOfBias = Field("ih", description="Where the value of an effective bias goes.")
    literal: bool = Field(False, description="Write exactly the matched parameter, not the effective bias.")

    _origin: Place | None = PrivateAttr(None)
    _inherited: bool = PrivateAttr(False)

    @model_validator(mode="after")
    def _no_contradiction(self) -> Rule:
        if self.whole and self.match.gate:
            raise ValueError("`whole: true` speaks of the fused matrix, and `match.gate` of one gate; drop one of them")
        if self.whole and self.init.joint:
            raise ValueError(f"`whole: true` speaks of one matrix, and {self.init.kind!r} of several gates; drop one of them")
        if self.literal and self.place != "ih":
            raise ValueError("`literal: true` writes the matched parameter itself, so `place` says nothing; drop one of them")
        return self

    @model_serializer(mode="wrap")
    def _only_said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What was not said is left out, as it must be in a file."""
        return {key: value for key, value in handler(self).items() if value is not None}

    @property
    def origin(self) -> Place | None:
        """Where the rule stands in its file; None for one made in Python."""
        return (self.__pydantic_private__ or {}).get("_origin")  # through `self._origin` pydantic takes 60 microseconds

    @property
    def inherited(self) -> bool:
        """True when the rule came through `extends`."""
        return bool((self.__pydantic_private__ or {}).get("_inherited"))

    def with_origin(self, origin: Place | None, *, inherited: bool = False) -> Rule:
        """The same rule, said elsewhere."""
        copy = self.model_copy()
        copy._origin, copy._inherited = origin, inherited
        return copy

    def __eq__(self, other: object) -> bool:
        """Equal when they say the same, wherever they stand."""
        return isinstance(other, Rule) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(self.id)


def _day(value: Any) -> Any:
    """A day from its text, which is what a rule file holds; any other text is refused."""
    return day(value) if isinstance(value, str) else value


class Allow(_Model):
    """A finding that is excused, and why. `at` is an address or a rule id; `*` and `?` stand for any text.

    `until` is the last day on which the entry counts; `origin` is its place in its file.

    >>> Allow(code="RNN103", at="decoder.*", reason="pretrained", until="2027-03-01").expired(date(2027, 3, 1))
    False
    """

    code: str = Field(description="The code of the finding, such as RNN103.")
    at: Word = Field("*", description="Address or rule id, with * and ?.")
    reason: Reason = Field(description="Why it is excused.")
    until: Annotated[date | None, BeforeValidator(_day)] = Field(
        None, description="The last day on which the entry counts, as year-month-day."
    )

    _origin: Place | None = PrivateAttr(None)

    @field_validator("code")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in CODES:
            raise ValueError(f"code: {value!r} is no code{did_you_mean(value, CODES)}")
        return value

    @property
    def origin(self) -> Place | None:
        """Where the entry stands in its file; None for one made in Python."""
        return self._origin

    def with_origin(self, origin: Place) -> Allow:
        """The same entry, said elsewhere."""
        copy = self.model_copy()
        copy._origin = origin
        return copy

    def expired(self, today: date) -> bool:
        """True after the last day on which the entry counts."""
        return self.until is not None and today > self.until

    def __eq__(self, other: object) -> bool:
        """Equal when they say the same, wherever they stand."""
        return isinstance(other, Allow) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((self.code, self.at, self.reason, self.until))


class Policy(_Model):
    """Ordered rules, a seed, and allowances. The last rule that matches a slot decides it.

    >>> policy = Policy(rules=[Rule(id="open", match=Match(gate="forget", kind="bias"), init={"kind": "ones"})], seed=7)
    >>> policy.rules[0].init
    Ones()
    """

    version: Literal[1] = 1
    seed: int = Field(0, ge=0, lt=2**63)
    rules: Annotated[tuple[Rule, ...], BeforeValidator(_as_tuple)] = Field(min_length=1)
    untouched: Setting = "warn"
    idle: Setting = "error"
    allow: Annotated[tuple[Allow, ...], BeforeValidator(_as_tuple)] = ()

    @field_validator("rules")
    @classmethod
    def _unique(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        ids = [rule.id for rule in rules]
        if twice := sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"two rules share the id {', '.join(twice)}")
        return rules

    def to_yaml(self) -> str:
        """The policy as a rule file that reads back equal.

        >>> from rnninit_hooks import loads
        >>> policy = Policy(rules=[Rule(id="zero", match=Match(kind="bias"), init={"kind": "zeros"})])
        >>> loads(policy.to_yaml()) == policy
        True
        """
        return written({"version": self.version, **self.model_dump(mode="json", exclude_defaults=True)})
