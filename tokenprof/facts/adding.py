"""Facts about parts added up to facts about the whole, field by field, as each field says itself.

A field of a frozen dataclass says by its type how it adds: `turns: Count` is summed, `lines: Largest` keeps
the larger. A tuple of dataclasses is put together: items that are alike in what does not add are one item.
Every other field is what the parts have in common, and keeps the first part's value.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin, get_type_hints

from tokenprof.facts.own_decimals import EXACT_DIGITS, own_decimals

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


def exact_sum_usd(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Return the exact sum of the amounts that are known; None if none of them is."""
    known = [amount for amount in amounts if amount is not None]
    if not known:
        return None
    with own_decimals(EXACT_DIGITS):
        return sum(known, Decimal(0)).normalize()


class Adds:
    """How a field adds: a function of the values of two parts."""

    def __init__(self, add: Callable[[Any, Any], Any]) -> None:
        self.add = add


Count = Annotated[int, Adds(lambda one, other: one + other)]
"""A number of things, none of which is in both parts."""

Usd = Annotated[Decimal, Adds(lambda one, other: exact_sum_usd([one, other]))]
"""An amount that every part has [USD]."""

KnownUsd = Annotated[Decimal | None, Adds(lambda one, other: exact_sum_usd([one, other]))]
"""What is known of an amount [USD]; None if nothing is."""

Largest = Annotated[int, Adds(max)]
"""The largest number of any part."""

AnyPart = Annotated[bool, Adds(lambda one, other: one or other)]
"""Whether it is so in any part."""

EveryPart = Annotated[bool, Adds(lambda one, other: one and other)]
"""Whether it is so in every part."""

Amount = Annotated[float, Adds(lambda one, other: one + other)]
"""A quantity of which every part has some."""

LOST: Final = Adds(lambda one, other: None)
"""How a field adds that says nothing about several parts: it is None for the whole."""


def added(one: T, other: T) -> T:
    """Return two dataclasses of one type as one. Raises TypeError for two types."""
    if type(one) is not type(other):
        raise TypeError(f"a {type(one).__name__} and a {type(other).__name__} cannot be added")
    changes = {name: add(getattr(one, name), getattr(other, name)) for name, add in _rules_of(one).items()}
    return replace(one, **changes)  # type: ignore[type-var]


def add_to(whole: object, part: object) -> None:
    """Add to each field of a whole, in place, what a part has under that name, as the whole's field says."""
    for name, add in _rules_of(whole).items():
        setattr(whole, name, add(getattr(whole, name), getattr(part, name)))


def all_added(parts: Iterable[T], nothing: T) -> T:
    """Return all parts as one; `nothing` is what no parts are."""
    return functools.reduce(added, parts, nothing)


def add_by_key(wholes: dict[K, T], parts: Mapping[K, T]) -> None:
    """Add each part to the whole under its key."""
    for key, part in parts.items():
        wholes[key] = added(wholes[key], part) if key in wholes else part


def adding_fields(kind: type) -> frozenset[str]:
    """Return the names of the fields of a dataclass that say how they add."""
    return frozenset(_rules(kind))


def what_parts_share(item: Any) -> Hashable:
    """Return the values of the fields that do not add: parts with the same can be added."""
    rules = _rules_of(item)
    return tuple(getattr(item, field.name) for field in fields(item) if field.name not in rules)


def _rules_of(item: object) -> Mapping[str, Callable[[Any, Any], Any]]:
    kind: Any = type(item)
    return _rules(kind)


@functools.cache
def _rules(kind: type) -> Mapping[str, Callable[[Any, Any], Any]]:
    """Return how each field of a dataclass adds; those that it must share with the other are left out."""
    hints = get_type_hints(kind, include_extras=True)
    found: dict[str, Callable[[Any, Any], Any]] = {}
    for field in fields(kind):
        hint = hints[field.name]
        rules = [each for each in getattr(hint, "__metadata__", ()) if isinstance(each, Adds)]
        if rules:
            found[field.name] = rules[0].add
        elif get_origin(hint) is tuple and is_dataclass(get_args(hint)[0]):
            found[field.name] = _together
    return found


def _together(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the items of two parts, each once; the most expensive first, if they have a bill."""
    items: dict[Hashable, Any] = {}
    for item in (*one, *other):
        key = what_parts_share(item)
        items[key] = added(items[key], item) if key in items else item
    return tuple(sorted(items.values(), key=_known_usd, reverse=True))


def _known_usd(item: Any) -> Decimal:
    return getattr(item, "billed_usd", None) or Decimal(0)
