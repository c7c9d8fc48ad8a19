"""Whether a bill rises, and what the next 30 days cost by that trend, with an interval.

A straight line is fitted to the bills of the last days by least squares. What the days are off it by is drawn
again in runs of seven days, so that a week keeps its shape: once to fit the line again, and once for the days
to come (residual block bootstrap: A. C. Davison and D. V. Hinkley, Bootstrap Methods and their Application,
1997, chapters 6 and 8). A bill below 0 counts as 0. It knows no holidays, new projects or new prices.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from tokenprof.data_classes.frozen import frozen

LEAST_DAYS: Final = 14
MOST_DAYS: Final = 84
AHEAD_DAYS: Final = 30
WEEK_DAYS: Final = 7
RESAMPLES: Final = 1000
PERCENTILES: Final = (10, 50, 90)

Array = npt.NDArray[np.float64]


@frozen
class BillTrend:
    """By how much a day's bill changes in a week [USD], P10, P50 and P90, and the bills of the days ahead.

    `days` is how many days it rests on. `next_usd` sums the days ahead; `day_low_usd`, `day_mid_usd` and
    `day_high_usd` are those of each of them. `line_usd` is the fitted line over the days that it rests on.
    """

    days: int
    week_usd: tuple[float, float, float]
    next_usd: tuple[float, float, float]
    line_usd: tuple[float, ...]
    day_low_usd: tuple[float, ...]
    day_mid_usd: tuple[float, ...]
    day_high_usd: tuple[float, ...]


def bill_trend(day_usd: Sequence[Decimal], seed: int = 0) -> BillTrend | None:
    """Return the trend of the last days, at most 84; None for fewer than 14."""
    bills = np.array([float(usd) for usd in day_usd[-MOST_DAYS:]])
    if len(bills) < LEAST_DAYS:
        return None
    rng = np.random.default_rng(seed)
    days = np.arange(len(bills), dtype=float)
    ahead = len(bills) + np.arange(AHEAD_DAYS, dtype=float)
    line = _line(days, bills[None, :])
    fitted = line[:, :1] + line[:, 1:] * days
    off = bills - fitted[0]
    again = _line(days, fitted + _in_weeks(off, RESAMPLES, len(bills), rng))
    coming = again[:, :1] + again[:, 1:] * ahead + _in_weeks(off, RESAMPLES, AHEAD_DAYS, rng)
    coming = np.maximum(coming, 0.0)
    low, mid, high = np.percentile(coming, PERCENTILES, axis=0)
    return BillTrend(
        days=len(bills),
        week_usd=_three(np.percentile(WEEK_DAYS * again[:, 1], PERCENTILES)),
        next_usd=_three(np.percentile(coming.sum(axis=1), PERCENTILES)),
        line_usd=tuple(fitted[0].tolist()),
        day_low_usd=tuple(low.tolist()),
        day_mid_usd=tuple(mid.tolist()),
        day_high_usd=tuple(high.tolist()),
    )


def _line(days: Array, bills: Array) -> Array:
    """Return level and slope of the line through each row of bills, shape (rows, 2)."""
    centred = days - days.mean()
    slope = (bills @ centred) / (centred @ centred)
    return np.stack([bills.mean(axis=1) - slope * days.mean(), slope], axis=1)


def _in_weeks(off: Array, rows: int, days: int, rng: np.random.Generator) -> Array:
    """Return rows of days, put together from weeks that are drawn from `off`."""
    weeks = -(-days // WEEK_DAYS)
    starts = rng.integers(0, len(off) - WEEK_DAYS + 1, size=(rows, weeks))
    drawn = off[starts[:, :, None] + np.arange(WEEK_DAYS)]
    return np.asarray(drawn.reshape(rows, -1)[:, :days])


def _three(values: Array) -> tuple[float, float, float]:
    low, mid, high = values.tolist()
    return low, mid, high
