"""Which recipe has which `kind`: this package's own, those registered, those of installed packages. Wakes no torch."""

from __future__ import annotations

import importlib
import inspect
import re
import threading
import warnings
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from rnninit_hooks.errors import RegistrationError, RnnInitWarning
from rnninit_hooks.recipes.base import Block, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENTRY_POINTS = "rnninit_hooks.recipes"
_HOME = __name__.rpartition(".")[0]
_OWN = tuple(
    f"{_HOME}.{module}"
    for module in (
        "fills", "memory", "iid", "scaled", "orthogonal", "horizons", "retained",
        "vectors", "sparse", "spectral", "rotations", "reflections", "structured", "convolutional", "joint_orthogonal",
        "rings", "state_spaces", "hippo", "decays", "heads", "pretrained", "truncated", "frameworks", "data",
    )
)  # fmt: skip
_KIND = re.compile(r"[a-z][a-z0-9_.-]*")
_RESERVED = frozenset({"kind", "formula", "source", "constant", "asks"})
_CONFIG = {"frozen": True, "extra": "forbid", "strict": True}
_PROBES = (Block("probe", (2, 3), 3, 2), Block("probe", (3,)), Block("probe", (2, 3, 5), 15, 10))

R = TypeVar("R", bound=Recipe)
_BY_KIND: dict[str, type[Recipe]] = {}
_loaded: list[bool] = []
_thread = threading.local()


def recipe(kind: str) -> Callable[[type[R]], type[R]]:
    """Class decorator that makes a recipe known to rule files as `kind`, and sets its `kind`.

    The class has `fill` and `law`, a one-line `formula` and `source`, and keeps the strict, frozen configuration of
    `Recipe`. Raises `RegistrationError` otherwise, or when another class has this kind. Defining the same class again
    (a notebook cell run twice) replaces it. Installed packages register by an entry point of group
    `rnninit_hooks.recipes` that names the class, or the module that defines it.

    >>> from rnninit_hooks.recipes.base import Recipe
    >>> @recipe("acme.half")
    ... class Half(Recipe):
    ...     formula = "W = 1/2"
    ...     source = "this example"
    ...     def fill(self, block, draw):
    ...         return draw.full(*block.shape, value=0.5)
    ...     def law(self, block, value):
    ...         return ()
    >>> find("acme.half")().kind
    'acme.half'
    >>> unregister("acme.half")
    """
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        raise RegistrationError(
            f"a recipe's kind is text like 'ring' or 'acme.ring' (a-z, 0-9, '_', '.', '-'), found {kind!r}; "
            'write @recipe("acme.ring") above the class'
        )

    def register(cls: type[R]) -> type[R]:
        problems = tuple(_problems(kind, cls)) or tuple(_quarrels(kind, cls))
        if problems:
            raise RegistrationError(f"{cls!r} cannot be the recipe {kind!r}: {'; '.join(problems)}")
        cls.kind = kind
        _BY_KIND[kind] = cls
        return cls

    return register


def unregister(kind: str) -> None:
    """Forget a recipe by kind; raises `KeyError` when there is none, `RegistrationError` for this package's own."""
    if find(kind).__module__ in _OWN:
        raise RegistrationError(f"recipe {kind!r} is this package's own and stays")
    del _BY_KIND[kind]


def find(kind: str) -> type[Recipe]:
    """The recipe class of a kind; raises `KeyError` when none is registered.

    >>> find("orthogonal")(gain=0.5)
    Orthogonal(gain=0.5)
    """
    _load_once()
    if kind not in _BY_KIND:
        raise KeyError(f"no recipe of kind {kind!r}; known are {', '.join(kinds())}")
    return _BY_KIND[kind]


def kinds() -> tuple[str, ...]:
    """Every known kind, sorted.

    >>> "orthogonal" in kinds()
    True
    """
    _load_once()
    return tuple(sorted(_BY_KIND))


def recipes() -> dict[str, type[Recipe]]:
    """Every known recipe class by kind, as a copy.

    >>> recipes()["zeros"].formula
    'W = 0'
    """
    return {kind: _BY_KIND[kind] for kind in kinds()}


def _problems(kind: str, cls: type) -> Iterator[str]:
    """What a class lacks to be a recipe; decided without drawing anything."""
    if not (isinstance(cls, type) and issubclass(cls, Recipe) and cls is not Recipe):
        yield "it is no subclass of Recipe"
        return
    yield from _missing_methods(cls)
    for name in ("formula", "source"):
        text = getattr(cls, name)
        if not isinstance(text, str) or not text.strip() or "\n" in text:
            yield f"`{name}` is {text!r}, expected one line of text"
    for name, wanted in _CONFIG.items():
        if cls.model_config.get(name) != wanted:
            yield f"model_config[{name!r}] is {cls.model_config.get(name)!r}, expected {wanted!r}"
    if clash := sorted(_RESERVED & set(cls.model_fields)):
        yield f"the field names {clash} are taken"
    if cls.kind != kind and "kind" in vars(cls):
        yield f"it says that its kind is {cls.kind!r} already"
    yield from _broken_promises(cls)
    if cls.__module__ not in _OWN:  # ours are tested; a schema costs a millisecond
        yield from _without_schema(cls)


def _missing_methods(cls: type[Recipe]) -> Iterator[str]:
    for name, arguments in (("fill", 2), ("law", 2), ("refuse", 1)):
        method = getattr(cls, name)
        if name != "refuse" and method is getattr(Recipe, name):
            yield f"`{name}` is missing"
        elif not _takes(method, 1 + arguments):
            yield f"`{name}` does not take {arguments} argument(s) besides self"


def _takes(method: Callable[..., object], count: int) -> bool:
    try:
        inspect.signature(method).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return True


def _without_schema(cls: type[Recipe]) -> Iterator[str]:
    try:
        cls.model_json_schema()
    except Exception as error:  # whatever a third party raises is one more fact about its class
        yield f"its fields have no JSON schema: {_words(error)}"


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _broken_promises(cls: type[Recipe]) -> Iterator[str]:
    """What a recipe that needs no field does wrong on example blocks."""
    if any(field.is_required() for field in cls.model_fields.values()):
        return
    try:
        example = cls()
        again = cls.model_validate(_fields(example))
        answers = {block.shape: example.refuse(block) for block in _PROBES}
    except Exception as error:  # whatever a third party raises is one more fact about its class
        yield f"with default fields, read as a rule file gives them, it raises {_words(error)}"
        return
    if again != example:
        yield f"its fields do not survive a rule file: {example} becomes {again}"
    for shape, answer in answers.items():
        if answer is not None and not (isinstance(answer, str) and answer.strip()):
            yield f"`refuse` answers {answer!r} on shape {shape}, expected None or a sentence"


def _fields(example: Recipe) -> dict[str, Any]:
    return {name: value for name, value in example.model_dump(mode="json").items() if name != "kind"}


def _quarrels(kind: str, cls: type[Recipe]) -> Iterator[str]:
    if cls.__module__ not in _OWN:
        _load_own()
    other = _BY_KIND.get(kind)
    if other is not None and _name(other) != _name(cls):
        yield f"{_name(other)} has this kind; choose another, such as 'acme.{kind}'"


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _load_own() -> None:
    for module in _OWN:
        importlib.import_module(module)


def _load_once() -> None:
    """Load without a lock: importing under one deadlocks with a thread that imports the same recipes itself."""
    if _loaded or getattr(_thread, "loading", False):
        return
    _thread.loading = True
    try:
        _load_own()
        failures = [failure for point in entry_points(group=ENTRY_POINTS) if (failure := _load_point(point))]
    finally:
        _thread.loading = False
    if not _loaded:
        _loaded.append(True)
        for failure in failures:
            warnings.warn(failure, RnnInitWarning, stacklevel=3)


def _load_point(point: EntryPoint) -> str | None:
    """Load one entry point; what went wrong, or None."""
    where = f"entry point {point.name!r} ({point.value}) of {ENTRY_POINTS}"
    try:
        found = point.load()
    except Exception as error:  # a broken third party must not take every other recipe down, but it is heard of
        return f"{where} could not be loaded: {error!r}"
    return None if _brought(found) else f"{where} gave no recipe; decorate the class with @recipe(...)"


def _brought(found: object) -> bool:
    if isinstance(found, ModuleType):
        package = found.__name__.partition(".")[0]
        return any(cls.__module__.partition(".")[0] == package for cls in _BY_KIND.values())
    return any(cls is found for cls in _BY_KIND.values())
