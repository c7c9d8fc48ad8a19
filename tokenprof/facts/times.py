"""Times as other programs write them, as UTC datetimes; how long contexts were idle between turns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenprof.facts.types import Turn

NS_PER_S = 1e9

_SECONDS_BELOW = 1e11
_UNITS_PER_S = ((_SECONDS_BELOW, 1.0), (1e14, 1e3), (1e17, 1e6))
"""Numbers since the epoch below a bound, and how many of their unit make a second; beyond: nanoseconds.

The bound of each unit is the year 5138; as the next smaller unit the same number is in 1973.
"""

_LEAST_DIGITS = 9
"""A text of fewer digits is an ISO date (`20261126`), not a number since the epoch."""


def utc_time(value: object) -> datetime | None:
    """Return a time in UTC; None for anything that is not a time.

    `value` is ISO 8601 text, or a number (or its digits as text) of seconds, milliseconds, microseconds or
    nanoseconds since the epoch; the size of the number says which. Text without an offset is taken as UTC.
    """
    try:
        if type(value) is str and value.endswith("Z"):
            return datetime.fromisoformat(value)
        if isinstance(value, str) and len(value) >= _LEAST_DIGITS and value.isdecimal():
            value = int(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / _units_per_s(value), UTC)
        if not isinstance(value, str):
            return None
        at = datetime.fromisoformat(value)
        if at.tzinfo is UTC:
            return at
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _units_per_s(since_epoch: float) -> float:
    return next((per_s for below, per_s in _UNITS_PER_S if abs(since_epoch) < below), NS_PER_S)


def utc_from_ns(since_epoch_ns: int) -> datetime:
    """Return a time given in nanoseconds since the epoch, in UTC."""
    return datetime.fromtimestamp(since_epoch_ns / NS_PER_S, UTC)


def seconds_between(start_ns: int, end_ns: int | None) -> float | None:
    """Return the seconds between two times in nanoseconds; None if the second is unknown (None or 0)."""
    return (end_ns - start_ns) / NS_PER_S if end_ns else None


def gaps_after(turns: Sequence[Turn]) -> list[float | None]:
    """Return the idle time from the end of each turn to the start of the next one of its context [s].

    `turns` are in time order. It is None after the last turn of a context, and 0 between turns that overlap.
    """
    gaps: list[float | None] = [None] * len(turns)
    newest: dict[str, int] = {}
    for index, turn in enumerate(turns):
        before = newest.get(turn.context)
        if before is not None:
            earlier = turns[before]
            idle = (turn.started_at - earlier.started_at).total_seconds() - (earlier.duration_s or 0.0)
            gaps[before] = max(idle, 0.0)
        newest[turn.context] = index
    return gaps
