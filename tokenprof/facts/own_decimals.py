"""The decimal context in which figures are computed, whatever the program around us has set for its own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import ROUND_HALF_EVEN, Context, DivisionByZero, InvalidOperation, Overflow, localcontext
from types import FunctionType
from typing import Any, Final, ParamSpec, TypeVar

EXACT_DIGITS: Final = 200
"""More digits than any sum of billed amounts has, so that nothing is rounded: for `own_decimals(…)`."""

_DIGITS: Final = 28

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=type)


def own_decimals(digits: int = _DIGITS) -> AbstractContextManager[Context]:
    """Compute with `digits` places and Python's own rounding and traps.

    A program may have set the context of its thread to three places, or to an error where something is
    rounded: figures would differ, or end in its error.
    """
    return localcontext(_context(digits))


@functools.cache
def _context(digits: int) -> Context:
    return Context(digits, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])


def in_own_decimals(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function that is not a generator: it computes in `own_decimals`."""

    @functools.wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with own_decimals():
            return function(*args, **kwargs)

    return inside


def all_in_own_decimals(cls: C) -> C:
    """Decorate a class: its methods and cached properties compute in `own_decimals`."""
    for name, member in list(vars(cls).items()):
        if isinstance(member, functools.cached_property):
            computed: Any = member
            computed.func = in_own_decimals(computed.func)
        elif isinstance(member, FunctionType):
            setattr(cls, name, in_own_decimals(member))
    return cls
