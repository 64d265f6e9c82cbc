"""What keeps planning quick: properties computed once, and no garbage collection while many objects are made."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar, overload

from typing_extensions import Self

T = TypeVar("T")


class lazily(Generic[T]):  # noqa: N801  # used as `functools.cached_property` is
    """`functools.cached_property` without its lock, which takes longer than most of what is computed here before 3.12.

    Two threads may compute the same value twice, which is harmless where values depend on the object alone.

    >>> class Square:
    ...     side = 3
    ...     @lazily
    ...     def area(self):
    ...         print("computing")
    ...         return self.side**2
    >>> one = Square()
    >>> one.area, one.area
    computing
    (9, 9)
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self.compute = compute
        self.name = compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, one: None, owner: type) -> Self: ...
    @overload
    def __get__(self, one: object, owner: type | None = None) -> T: ...
    def __get__(self, one: object | None, owner: type | None = None) -> Self | T:
        """The value; from the second time on it is found before this is asked."""
        if one is None:
            return self
        value = one.__dict__[self.name] = self.compute(one)
        return value


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause the cyclic collector, if it is on: it would walk every slot again and again while more are made.

    >>> with uncollected():
    ...     gc.isenabled()
    False
    >>> gc.isenabled()
    True
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
