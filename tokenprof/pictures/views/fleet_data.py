"""What a page about many runs draws: the bill by day and by everything that can be summed, and its pace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from tokenprof.data_classes.frozen import frozen
from tokenprof.pictures.views.bill_trend import AHEAD_DAYS, BillTrend, bill_trend
from tokenprof.pictures.views.names import shown
from tokenprof.report import numbers
from tokenprof.report.labels_in_words import kind_label
from tokenprof.store.queries.dimensions import TAG, Dimension, parse_dimensions
from tokenprof.store.queries.totals import GroupTotal, StoreTotals

SCHEMA: Final = "tokenprof.fleet-page/1"
DIMENSIONS: Final = ("project", "model", "agent", "session", "month", "tool", "kind", "block")
MOST_ROWS: Final = 200
MOST_TAG_KEYS: Final = 6
PACE_DAYS: Final = 28
MONTH_DAYS: Final = 30
LEAST_DAYS: Final = 3
LEAST_SESSIONS: Final = 10
RESAMPLES: Final = 2000
UNNAMED: Final = "no name given"
UNNAMED_OF: Final = {"tool": "no tool", "agent": "main agent", "session": "no session named"}

Totals = Callable[[Sequence[Dimension]], StoreTotals]


@frozen
class FleetRow:
    """A group and what it was billed [USD]; `is_lower_bound` says that more was billed."""

    name: str
    billed_usd: Decimal
    is_lower_bound: bool
    turns: int | None
    tokens: int


@frozen
class FleetTable:
    """The groups of one dimension, the most expensive first, and how many are left out."""

    dimension: str
    rows: tuple[FleetRow, ...]
    left_out: int


@frozen
class Pace:
    """The bill of the next 30 days if days go on as they did: mean, P10 and P90 [USD]."""

    days: int
    low_usd: float
    mid_usd: float
    high_usd: float


@frozen
class UsualSession:
    """What sessions cost [USD]: one in ten costs less than `low_usd`, half less than `mid_usd`, one in ten
    more than `high_usd`."""

    sessions: int
    low_usd: float
    mid_usd: float
    high_usd: float


@frozen
class FleetData:
    """What a page about many runs draws. `days` has a bill for every day, also for those without a call."""

    schema: str
    billed: str
    is_lower_bound: bool
    turns: int
    tokens_in: int
    read_share: float | None
    missing: tuple[str, ...]
    days: tuple[str, ...]
    day_usd: tuple[Decimal, ...]
    pace: Pace | None
    trend: BillTrend | None
    usual_session: UsualSession | None
    ahead_days: tuple[str, ...]
    tables: tuple[FleetTable, ...]


def fleet_data(
    totals: Totals, missing: Callable[[StoreTotals], Sequence[str]], tag_keys: Sequence[str] = ()
) -> FleetData:
    """Return what a page about many runs draws.

    Parameters: `totals` sums by some dimensions, `missing` says in sentences what a sum lacks, `tag_keys`
    are the keys of the tags that calls have: people, teams, tasks.
    """
    tagged = [f"{TAG}{key}" for key in tag_keys[:MOST_TAG_KEYS]]
    by_day = totals(parse_dimensions(["day"]))
    whole = by_day.whole
    days, day_usd = _every_day(by_day.rows)
    return FleetData(
        schema=SCHEMA,
        billed=numbers.usd(whole.billed_usd),
        is_lower_bound=by_day.is_lower_bound,
        turns=whole.turns or 0,
        tokens_in=whole.input_tokens,
        read_share=whole.cache_read_tokens / whole.input_tokens if whole.input_tokens else None,
        missing=tuple(missing(by_day)),
        days=tuple(day.isoformat() for day in days),
        day_usd=tuple(day_usd),
        pace=pace_of(day_usd),
        trend=bill_trend(day_usd),
        usual_session=usual_session([row.billed_usd for row in totals(parse_dimensions(["session"])).rows]),
        ahead_days=tuple((days[-1] + timedelta(days=1 + ahead)).isoformat() for ahead in range(AHEAD_DAYS))
        if days
        else (),
        tables=tuple(_table(name, totals(parse_dimensions([name]))) for name in (*tagged, *DIMENSIONS)),
    )


def pace_of(day_usd: Sequence[Decimal]) -> Pace | None:
    """Return the bill of 30 days like the last 28; None for fewer than three days.

    The mean is 30 times the mean of those days. P10 and P90 are of sums of 30 days drawn from them with
    replacement, so they hold if days are alike and independent: a trend or a holiday is not in them.
    """
    last = np.array([float(usd) for usd in day_usd[-PACE_DAYS:]])
    if len(last) < LEAST_DAYS:
        return None
    drawn = np.random.default_rng(0).choice(last, (RESAMPLES, MONTH_DAYS)).sum(axis=1)
    low, high = np.percentile(drawn, (10, 90))
    return Pace(len(last), float(low), MONTH_DAYS * float(last.mean()), float(high))


def usual_session(session_usd: Sequence[Decimal]) -> UsualSession | None:
    """Return what sessions cost; None for fewer than ten."""
    if len(session_usd) < LEAST_SESSIONS:
        return None
    low, mid, high = np.percentile([float(usd) for usd in session_usd], (10, 50, 90)).tolist()
    return UsualSession(len(session_usd), low, mid, high)


def _every_day(rows: Sequence[GroupTotal]) -> tuple[list[date], list[Decimal]]:
    found = {date.fromisoformat(row.key[0]): row.billed_usd for row in rows if row.key[0]}
    if not found:
        return [], []
    first, last = min(found), max(found)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return days, [found.get(day, Decimal(0)) for day in days]


def _table(dimension: str, found: StoreTotals) -> FleetTable:
    rows = tuple(
        FleetRow(
            shown(_name(dimension, row.key[0])), row.billed_usd, row.is_lower_bound, row.turns, row.tokens
        )
        for row in found.rows[:MOST_ROWS]
    )
    return FleetTable(shown(dimension.removeprefix(TAG)), rows, len(found.rows) - len(rows))


def _name(dimension: str, key: str | None) -> str:
    """Return a group's name in words: kinds of blocks as reports write them."""
    if not key:
        return UNNAMED_OF.get(dimension, UNNAMED)
    if dimension not in ("kind", "block"):
        return key
    kind, space, rest = key.partition(" ")
    return f"{kind_label(kind)}{space}{rest}"
