"""Initialise every instance of a class, at the end of its outermost constructor."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from torch import nn
from torch.nn.parameter import is_lazy

from rnninit_hooks.applying import apply
from rnninit_hooks.hooks.attach import attach
from rnninit_hooks.measuring import asks_for_batch
from rnninit_hooks.rules.load import resolve

if TYPE_CHECKING:
    from rnninit_hooks.rules.models import Policy

C = TypeVar("C", bound=type[nn.Module])
When = Literal["init", "first_forward"]
_POLICY, _WHEN, _DEPTH = "_rnninit_policy", "_rnninit_when", "_rnninit_depth"


def initialized(policy: Policy | str | Path, *, when: When = "init") -> Callable[[C], C]:
    """Class decorator: every instance, of subclasses too, is initialised by a policy.

    The policy is read once, when the class is decorated (a relative path is looked for in the working directory, then
    beside the class's source file). It is applied when the outermost `__init__` has ended, so that a subclass which
    adds layers after `super().__init__()` is covered; parameters without memory or shape, and all of a policy that
    measures a batch, wait for the first forward, and `when="first_forward"` lets all wait. A decorated subclass
    overrides its base's policy. Raises `PolicyError` from the constructor when the policy does not fit the instance.

    >>> import torch, rnninit_hooks as ri
    >>> @ri.initialized("lstm-classic")
    ... class Tagger(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.rnn = torch.nn.LSTM(3, 4)
    >>> (Tagger().rnn.bias_ih_l0)[4:8].tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    if when not in ("init", "first_forward"):
        raise ValueError(f"when={when!r}; expected 'init' or 'first_forward'")

    def decorate(cls: C) -> C:
        if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
            raise TypeError(f"@initialized decorates subclasses of torch.nn.Module, found {cls!r}; use ri.apply for a model")
        setattr(cls, _POLICY, resolve(_beside(policy, cls)))
        setattr(cls, _WHEN, when)
        _wrap_init(cls)
        _wrap_subclassing(cls)
        return cls

    return decorate


def _beside(policy: Policy | str | Path, cls: type) -> Policy | str | Path:
    """A relative rule file that is not in the working directory may lie beside the source of the class."""
    if not isinstance(policy, str | Path) or Path(policy).suffix not in (".yaml", ".yml") or Path(policy).exists():
        return policy
    source = getattr(sys.modules.get(cls.__module__), "__file__", None)
    beside = Path(source).parent / policy if source else None
    return beside if beside and beside.exists() else policy


def _wrap_init(cls: type[nn.Module]) -> None:
    original: Any = cls.__dict__.get("__init__")
    if original is None:
        original = _inherited(cls)
    if getattr(original, "_rnninit_wrapped", False):
        return

    @functools.wraps(original)
    def __init__(self: nn.Module, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        depth = self.__dict__.get(_DEPTH, 0)
        self.__dict__[_DEPTH] = depth + 1
        try:
            original(self, *args, **kwargs)
        finally:
            self.__dict__[_DEPTH] = depth
        if depth == 0:
            del self.__dict__[_DEPTH]
            _initialise(self)

    __init__._rnninit_wrapped = True  # type: ignore[attr-defined]
    cls.__init__ = __init__  # type: ignore[method-assign]


def _inherited(cls: type[nn.Module]) -> Any:
    def forward_to_base(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        super(cls, self).__init__(*args, **kwargs)

    return functools.wraps(cls.__init__, updated=())(forward_to_base)


def _wrap_subclassing(cls: type[nn.Module]) -> None:
    """Let subclasses wrap their own `__init__` as they are made, whatever `__init_subclass__` the class has."""
    if getattr(getattr(cls.__init_subclass__, "__func__", None), "_rnninit_wrapped", False):
        return
    own = cls.__dict__.get("__init_subclass__")

    def __init_subclass__(sub: type[nn.Module], **kwargs: Any) -> None:  # noqa: N807
        if own is not None:
            own.__func__(sub, **kwargs)
        else:
            super(cls, sub).__init_subclass__(**kwargs)
        if "__init__" in sub.__dict__:
            _wrap_init(sub)

    __init_subclass__._rnninit_wrapped = True  # type: ignore[attr-defined]
    cls.__init_subclass__ = classmethod(__init_subclass__)  # type: ignore[assignment, arg-type]


def _initialise(module: nn.Module) -> None:
    cls = type(module)
    waits = asks_for_batch(getattr(cls, _POLICY)) or any(is_lazy(p) or p.is_meta for p in module.parameters())
    if waits or getattr(cls, _WHEN) == "first_forward":
        attach(module, getattr(cls, _POLICY))
    else:
        apply(module, getattr(cls, _POLICY))
