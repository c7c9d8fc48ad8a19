"""How unevenly calls come over a day: what the busiest hour asks for, over the mean hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from tokenprof.data_classes.frozen import frozen

HOURS_A_DAY: Final = 24
LEAST_DAYS: Final = 3
"""Fewer days say little about how a day goes."""

LEAST_CALLS: Final = 200

USUAL: Final = (1.5, 3.0, 4.2)
"""Users all over the world; those of one time zone who work 8 of 24 hours; the same, on 5 of 7 days."""


@frozen
class DayShape:
    """The calls of the busiest hour of a day over those of the mean hour: low, usual and high.

    All three are equal if the recording shows it; `source` says where they are from.
    """

    peak_to_mean: tuple[float, float, float]
    source: str


def day_shape(times: Sequence[datetime]) -> DayShape:
    """Return the shape of a day by the times of calls; an assumption if they cover less than three days."""
    days = {time.date() for time in times}
    if len(days) < LEAST_DAYS or len(times) < LEAST_CALLS:
        return DayShape(USUAL, "assumed: 8 busy hours of 24, between users of all time zones and 5 days of 7")
    hours = Counter(time.hour for time in times)
    peak = max(hours.values()) * HOURS_A_DAY / len(times)
    return DayShape((peak, peak, peak), f"these calls, over {len(days)} days")
