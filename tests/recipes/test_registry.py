"""The registry: what it takes, what it refuses and in which words, and installed packages."""

from __future__ import annotations

import subprocess
import sys
import threading
import types
import warnings
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any, ClassVar

import pytest

from rnninit_hooks.errors import RegistrationError, RnnInitWarning
from rnninit_hooks.recipes import registry
from rnninit_hooks.recipes.base import Recipe
from rnninit_hooks.recipes.fills import Zeros
from rnninit_hooks.recipes.registry import find, kinds, recipe, recipes, unregister

OWN = [
    "antisymmetric",
    "bias_for_lag",
    "cayley",
    "chain",
    "chrono",
    "constant",
    "critical_gain",
    "delta_orthogonal",
    "exprnn",
    "hadamard",
    "hidden_uniform",
    "hippo",
    "householder",
    "identity",
    "indrnn",
    "joint_lecun_trunc_normal",
    "joint_xavier_uniform",
    "kaiming_normal",
    "kaiming_uniform",
    "keep",
    "lag_gradient",
    "lecun_normal",
    "lecun_trunc_normal",
    "lecun_uniform",
    "linspace",
    "log_spaced",
    "log_uniform",
    "lru_ring",
    "lsuv",
    "mamba2_a_log",
    "mamba_dt_bias",
    "normal",
    "np_rnn",
    "ones",
    "orthogonal",
    "power_law",
    "pretrained",
    "prior",
    "recurrent_bn",
    "retention",
    "rg_lru",
    "rotations",
    "rwkv_decay",
    "s4d_lin",
    "s4d_real",
    "scaled_trunc_normal",
    "singular_values",
    "small_init",
    "sparse",
    "special_orthogonal",
    "spectral_radius",
    "timescale",
    "trunc_normal",
    "uniform",
    "uniform_gate",
    "wang_init",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    kinds()
    monkeypatch.setattr(registry, "_BY_KIND", dict(registry._BY_KIND))
    monkeypatch.setattr(registry, "_loaded", [True])
    yield


def made(name: str = "Ring", base: type = Recipe, **members: Any) -> type[Recipe]:
    """A class that registers, unless `members` say otherwise."""
    whole = {
        "formula": "W = 0", "source": "a test", "fill": lambda self, block, draw: draw.full(*block.shape, value=0.0),
        "law": lambda self, block, value: (), "__module__": __name__, "__qualname__": name, **members,
    }  # fmt: skip
    whole = {key: value for key, value in whole.items() if value is not ...}
    notes = {
        "__annotations__": {
            **{key: ClassVar[str] for key in ("formula", "source") if key in whole},
            **whole.pop("__annotations__", {}),
        }
    }
    return type(base)(name, (base,), {**whole, **notes})


def test_our_own_are_there_without_importing_them() -> None:
    assert list(kinds()) == OWN == list(recipes())
    assert find("zeros") is Zeros


def test_the_dictionary_is_a_copy() -> None:
    recipes().clear()
    assert list(kinds()) == OWN


def test_an_unknown_kind_lists_the_known() -> None:
    with pytest.raises(KeyError, match=r"no recipe of kind 'orthogonl'; known are .*constant, .*zeros"):
        find("orthogonl")


def test_a_third_party_recipe_works_and_can_be_forgotten() -> None:
    cls = recipe("acme.ring-2_x")(made())
    assert find("acme.ring-2_x") is cls and cls.kind == "acme.ring-2_x"
    assert cls().model_dump() == {"kind": "acme.ring-2_x"} and str(cls()) == "acme.ring-2_x()"
    unregister("acme.ring-2_x")
    assert "acme.ring-2_x" not in kinds()


def test_the_same_class_again_replaces_it() -> None:
    first, second = recipe("acme.ring")(made()), recipe("acme.ring")(made())
    assert first is not second and find("acme.ring") is second
    assert recipe("acme.ring")(second) is second


@pytest.mark.parametrize("kind", ["", "Ring", "2ring", "_ring", "ri ng", "ring\n", "acme/ring", "é", None, 3, Zeros])
def test_a_kind_is_a_word(kind: Any) -> None:
    with pytest.raises(RegistrationError, match=r"a recipe's kind is text like 'ring' or 'acme\.ring'.*found"):
        recipe(kind)


class Other(Recipe):
    """Not registered."""


class Angry(Recipe):
    """Cannot be built without fields, though none is required."""

    def model_post_init(self, context: Any) -> None:
        raise ValueError("not today")


MISUSE: list[tuple[dict[str, Any], str]] = [
    ({"fill": ...}, "`fill` is missing"),
    ({"law": ...}, "`law` is missing"),
    ({"fill": lambda self, block: None}, r"`fill` does not take 2 argument\(s\) besides self"),
    ({"law": lambda self, block, value, extra: ()}, r"`law` does not take 2 argument\(s\)"),
    ({"refuse": lambda self: None}, r"`refuse` does not take 1 argument\(s\)"),
    ({"refuse": lambda self, block: False}, r"`refuse` answers False on shape \(2, 3\), expected None or a sentence"),
    ({"refuse": lambda self, block: ""}, "`refuse` answers ''"),
    ({"refuse": lambda self, block: 1 / 0}, "it raises ZeroDivisionError"),
    ({"formula": ...}, "`formula` is '', expected one line of text"),
    ({"source": "  "}, "`source` is '  ', expected one line of text"),
    ({"formula": "a\nb"}, "`formula` is 'a"),
    ({"formula": 3}, "`formula` is 3"),
    ({"model_config": {"frozen": False}}, r"model_config\['frozen'\] is False, expected True"),
    ({"model_config": {"extra": "allow"}}, r"model_config\['extra'\] is 'allow', expected 'forbid'"),
    ({"model_config": {"strict": False}}, r"model_config\['strict'\] is False, expected True"),
    ({"base": Angry}, "it raises .*not today"),
    ({"sizes": (1, 2), "__annotations__": {"sizes": tuple[int, int]}}, "as a rule file gives them, it raises"),
    (
        {"model_config": {"arbitrary_types_allowed": True}, "__annotations__": {"thing": threading.Event}},
        "its fields have no JSON schema: PydanticInvalidForJsonSchema",
    ),
]


@pytest.mark.parametrize(("members", "words"), MISUSE, ids=[words for _, words in MISUSE])
def test_misuse_is_named(members: dict[str, Any], words: str) -> None:
    with pytest.raises(RegistrationError, match=words):
        recipe("acme.ring")(made(**members))
    assert "acme.ring" not in kinds()


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(RegistrationError, match=r"`fill` is missing.*`law` is missing.*`formula` is ''.*`source` is ''"):
        recipe("acme.ring")(Other)


@pytest.mark.parametrize("thing", [int, 3, None, "Ring", Recipe, lambda: None])
def test_only_subclasses_of_recipe(thing: Any) -> None:
    with pytest.raises(RegistrationError, match="no subclass of Recipe"):
        recipe("acme.ring")(thing)


def test_a_taken_kind_is_refused() -> None:
    recipe("acme.ring")(made())
    with pytest.raises(RegistrationError, match=r"test_registry\.Ring has this kind; choose another"):
        recipe("acme.ring")(made("Circle"))
    with pytest.raises(
        RegistrationError, match=r"orthogonal\.Orthogonal has this kind; choose another, such as 'acme\.orthogonal'"
    ):
        recipe("orthogonal")(made())


def test_one_class_has_one_kind() -> None:
    cls = recipe("acme.ring")(made())
    with pytest.raises(RegistrationError, match=r"says that its kind is 'acme.ring' already"):
        recipe("acme.circle")(cls)
    assert find("acme.ring").kind == "acme.ring"


def test_a_subclass_of_a_recipe_may_have_its_own_kind() -> None:
    cls = recipe("acme.nil")(made(base=Zeros))
    assert cls().model_dump() == {"kind": "acme.nil"} and Zeros().model_dump() == {"kind": "zeros"}


def test_our_own_cannot_be_forgotten() -> None:
    with pytest.raises(RegistrationError, match="this package's own"):
        unregister("zeros")
    with pytest.raises(KeyError, match="no recipe of kind"):
        unregister("acme.ring")


def test_ours_come_first_even_when_nobody_has_looked_yet() -> None:
    code = (
        "from rnninit_hooks.recipes.base import Recipe\nfrom rnninit_hooks.recipes.registry import recipe\n"
        "class Mine(Recipe):\n    formula = 'W = 0'; source = 'me'\n    def fill(self, block, draw): ...\n    def law(self, block, value): ...\n"
        "try: recipe('zeros')(Mine)\nexcept ValueError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "rnninit_hooks.recipes.fills.Zeros has this kind" in said


def test_threads_that_import_and_look_at_once_do_not_wait_for_ever() -> None:
    code = (
        "import importlib, threading\nfrom rnninit_hooks.recipes import registry\n"
        "jobs = [lambda: registry.find('orthogonal')] * 4 + [lambda: importlib.import_module('rnninit_hooks.recipes.scaled')] * 4\n"
        "workers = [threading.Thread(target=job) for job in jobs]\n[w.start() for w in workers]; [w.join(60) for w in workers]\n"
        "print(any(w.is_alive() for w in workers), len(registry.kinds()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split() == [
        "False",
        str(len(OWN)),
    ]


class Points:
    """Entry points that point into modules made here."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch, self.points = monkeypatch, list[EntryPoint]()
        monkeypatch.setattr(registry, "entry_points", lambda group: [p for p in self.points if p.group == group])

    def add(self, name: str, value: str, **members: object) -> None:
        module = types.ModuleType(value.partition(":")[0])
        vars(module).update(members)
        self.monkeypatch.setitem(sys.modules, module.__name__, module)
        self.points.append(EntryPoint(name, value, "rnninit_hooks.recipes"))

    def load(self) -> list[str]:
        registry._loaded.clear()
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            assert len(kinds()) >= 21 and len(kinds()) >= 21
        assert all(w.category is RnnInitWarning for w in heard)
        return [str(w.message) for w in heard]


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> Points:
    return Points(monkeypatch)


def test_a_class_of_an_installed_package_is_found(points: Points) -> None:
    points.add("ring", "acme_rings:Ring", Ring=recipe("acme.ring")(made(__module__="acme_rings")))
    assert points.load() == [] and "acme.ring" in kinds()


def test_a_module_of_an_installed_package_is_found(points: Points) -> None:
    points.add("ring", "acme_rings", Ring=recipe("acme.ring")(made(__module__="acme_rings.round")))
    assert points.load() == []


def test_broken_entry_points_are_heard_of_once_and_spare_the_others(points: Points) -> None:
    points.points.append(EntryPoint("gone", "acme_not_there:Ring", "rnninit_hooks.recipes"))
    points.add("bare", "acme_bare:Ring", Ring=made())
    points.add("empty", "acme_empty")
    points.add("no", "acme_no:Ring")
    points.add("fine", "acme_fine:Ring", Ring=recipe("acme.fine")(made(__module__="acme_fine")))
    heard = points.load()
    assert [text.split(" ", 3)[2] for text in heard] == ["'gone'", "'bare'", "'empty'", "'no'"]
    assert "acme_not_there:Ring) of rnninit_hooks.recipes could not be loaded: ModuleNotFoundError" in heard[0]
    assert "gave no recipe; decorate the class with @recipe(...)" in heard[1] and "gave no recipe" in heard[2]
    assert "AttributeError" in heard[3] and "acme.fine" in kinds()


def test_when_warnings_are_errors_the_next_question_is_answered(points: Points) -> None:
    points.points.append(EntryPoint("gone", "acme_not_there:Ring", "rnninit_hooks.recipes"))
    registry._loaded.clear()
    with pytest.raises(RnnInitWarning, match="gone"):
        kinds()
    assert list(kinds()) == OWN


def test_an_entry_point_may_ask_for_recipes_while_it_loads(points: Points) -> None:
    class Asking(EntryPoint):
        def load(self) -> type[Recipe]:
            return find("zeros")

    points.points.append(Asking("asks", "acme:Ring", "rnninit_hooks.recipes"))
    assert points.load() == []
