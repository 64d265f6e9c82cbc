"""Which layout belongs to which module class: torch's own, those registered, those of installed packages."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib.metadata import entry_points
from types import MappingProxyType
from weakref import WeakKeyDictionary

from rnninit_hooks.errors import RegistrationError, RnnInitWarning
from rnninit_hooks.layouts.model import Layout
from rnninit_hooks.layouts.packages import package_layouts
from rnninit_hooks.layouts.torch_modules import torch_layouts

ENTRY_POINTS = "rnninit_hooks.layouts"
_BY_NAME: dict[str, Layout] = {}
_BY_CLASS: dict[str, tuple[Layout, ...]] = {}
_FOUND: WeakKeyDictionary[type, tuple[Layout, ...]] = WeakKeyDictionary()
_loaded: list[bool] = []


def register_layout(layout: Layout, *, replace: bool = False) -> Layout:
    """Make a layout known for its classes and their subclasses; returns it.

    Raises `RegistrationError` when its name or one of its classes is taken and `replace` is not given. Installed
    packages register by an entry point of group `rnninit_hooks.layouts` that names a `Layout` or a list of them.

    >>> from rnninit_hooks import Layout, Part, register_layout
    >>> weight = Part("w", "gates", kind="recurrent", order=("forget", "cell"))
    >>> register_layout(Layout("acme.Cell", ("acme.nn.Cell",), (weight,)), replace=True).gates
    ('forget', 'cell')
    """
    if not isinstance(layout, Layout):
        raise RegistrationError(f"register_layout takes a Layout, found {type(layout).__name__}; build it from Part(...)")
    _load_once()
    _refuse_taken(layout, replace)
    _drop(layout)
    _add(layout)
    return layout


def unregister_layout(name: str) -> None:
    """Forget a layout by name; raises `RegistrationError` when there is none."""
    _load_once()
    if name not in _BY_NAME:
        raise RegistrationError(f"no layout is called {name!r}; known are {', '.join(sorted(_BY_NAME))}")
    _drop(_BY_NAME[name])


def layouts() -> Mapping[str, Layout]:
    """Every known layout by name."""
    _load_once()
    return MappingProxyType(_BY_NAME)


def layouts_of(cls: type) -> tuple[Layout, ...]:
    """The layouts of a class, or of the nearest of its bases that has any: several where options decide."""
    _load_once()
    if cls not in _FOUND:
        _FOUND[cls] = _search(cls)
    return _FOUND[cls]


def _search(cls: type) -> tuple[Layout, ...]:
    for base in cls.__mro__:
        for name in (f"{base.__module__}.{base.__qualname__}", f"*.{base.__name__}"):
            if found := _BY_CLASS.get(name):
                return found
    return ()


def layout_of(module: object) -> Layout | None:
    """The layout of a module: of its class, or of the nearest of its bases that has one, with the options that it has."""
    return next((layout for layout in layouts_of(type(module)) if layout.speaks_of(module)), None)


def _rivals(layout: Layout) -> set[str]:
    """Layouts of the same classes that could speak of the same module."""
    known = [other for cls in layout.classes for other in _BY_CLASS.get(cls, ())]
    return {other.name for other in known if not _exclusive(layout, other)}


def _exclusive(one: Layout, other: Layout) -> bool:
    asked = dict(other.when)
    return any(name in asked and asked[name] != value for name, value in one.when)


def _refuse_taken(layout: Layout, replace: bool) -> None:
    taken = _rivals(layout) | ({layout.name} & set(_BY_NAME))
    if taken and not replace:
        raise RegistrationError(
            f"layout {layout.name!r}: {sorted(taken)} speak of it already; pass replace=True to replace, or tell them apart "
            "by `when`"
        )


def _drop(layout: Layout) -> None:
    _FOUND.clear()
    for name in ({layout.name} | _rivals(layout)) & set(_BY_NAME):
        stale = _BY_NAME.pop(name)
        for cls in stale.classes:
            _BY_CLASS[cls] = tuple(one for one in _BY_CLASS.get(cls, ()) if one is not stale)


def _add(layout: Layout) -> None:
    _FOUND.clear()
    _BY_NAME[layout.name] = layout
    for cls in layout.classes:
        _BY_CLASS[cls] = (*_BY_CLASS.get(cls, ()), layout)


def _load_once() -> None:
    if _loaded:
        return
    _loaded.append(True)
    for layout in (*torch_layouts(), *package_layouts()):
        _add(layout)
    for point in entry_points(group=ENTRY_POINTS):
        _load_point(point.name, point.load)


def _load_point(name: str, load: object) -> None:
    try:
        found = load()  # type: ignore[operator]
        for layout in [found] if isinstance(found, Layout) else list(found):
            register_layout(layout)
    except Exception as error:  # a broken third party must not take every other layout down, but it is heard of
        warnings.warn(f"entry point {name!r} of {ENTRY_POINTS} gave no layout: {error!r}", RnnInitWarning, stacklevel=4)
