"""Counts of a wire object, and what a whole has beyond its parts.

Nothing is clamped. A value that is not a count and a part larger than its whole are each a `UsageError`
naming the keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tokenprof.pricing.usage import UsageError, check_count, shown

Wire = Mapping[str, Any]

MOST_TOKENS = 10**15
"""More than any sum of calls counts; what is larger is not a count."""


def less(whole: int, whole_key: str, part: int, part_key: str) -> int:
    """Return what a whole has beyond a part. Raises `UsageError` naming both keys if it has less."""
    if part > whole:
        raise UsageError(
            f"Usage key '{whole_key}' is {whole}, less than '{part_key}' ({part}), which it should include. "
            "The usage was read as another provider's shape, or it is damaged."
        )
    return whole - part


def optional_count(raw: Wire, key: str) -> int:
    """Return an optional count, 0 if it is absent or null: providers leave out what did not occur."""
    value = raw.get(key)
    return 0 if value is None else count_of(key, value)


def part(raw: Wire, key: str) -> Wire:
    """Return an object within an object, empty if it is absent. Raises `UsageError` for anything else."""
    value = raw.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise UsageError(f"Usage key '{key}' must be an object, but it is {shown(value)}.")
    return value


def is_count(value: object) -> bool:
    """Whether a value is a number of pieces, as a number or as text."""
    if isinstance(value, str):
        return bool(_WHOLE_NUMBER.fullmatch(value.strip()))
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole_count(value: object) -> bool:
    """Whether `count_of` can read a value."""
    try:
        count_of("", value)
    except UsageError:
        return False
    return True


_WHOLE_NUMBER = re.compile(r"([0-9]{1,20})(?:\.0{1,6})?")


def count_of(key: str, value: object) -> int:
    """Return a count: an integer, a float without a fraction, or either of them as text.

    Raises `UsageError` naming the key for anything else.
    """
    if type(value) is int and 0 <= value <= MOST_TOKENS:
        return value
    found = _WHOLE_NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    if found:
        value = int(found.group(1))
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and value > MOST_TOKENS:
        raise UsageError(f"Usage key '{key}' is {shown(value)}, which no call can count.")
    return check_count(key, value)


def entries(value: object) -> Sequence[Wire]:
    """Return the objects in a list; nothing if it is not a list."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        return ()
    return [entry for entry in value if type(entry) is dict or isinstance(entry, Mapping)]


def values_of(raw: Wire, prefix: str = "") -> list[tuple[str, object]]:
    """Return the values of an object, and of the objects in it, by their keys with dots.

    Lists and empty objects are values: one that stands where a count belongs cannot be read. What is in lists
    is not returned; they hold modalities, or iterations that have usage of their own.
    """
    found: list[tuple[str, object]] = []
    for key, value in raw.items():
        if value and (type(value) is dict or isinstance(value, Mapping)):
            found += values_of(value, f"{prefix}{key}.")
        else:
            found.append((f"{prefix}{key}", value))
    return found
