"""The latest day or week of many runs, beside the one before it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from tokenprof.analysis.rows.row_types import RunRows
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.adding import Count, Usd, add_by_key, all_added

DAYS_IN_A_ROW: Final = 14
"""Runs that span more days are compared by weeks."""

WEEK: Final = 7


@frozen
class DayBill:
    """The turns of some days; `known_usd` is the bill of those that have one, which are `billed_turns`."""

    turns: Count = 0
    billed_turns: Count = 0
    known_usd: Usd = Decimal(0)


@frozen
class Period:
    """The days from one to another, in UTC, with the turns that were made in them and their whole bill."""

    first_day: date
    last_day: date
    turns: int
    billed_usd: Decimal


@frozen
class LatestPeriods:
    """The latest period and the one before; `is_running` if the latest has not ended."""

    latest: Period
    before: Period
    is_running: bool = False


def latest_periods(days: Mapping[date, DayBill], today: date | None = None) -> LatestPeriods | None:
    """Return the latest week and the one before it, or the latest two days with turns.

    Weeks, seven days that end with the latest day with turns, are compared if the days span more than two of
    them and there were turns in both. Returns None if there are fewer than two days, or a bill of the two
    periods is not known in full. `today` is the present day in UTC.
    """
    known = sorted(days)
    if len(known) < 2:
        return None
    last = known[-1]
    is_running = last >= (today or datetime.now(UTC).date())
    spans = [(last, last), (known[-2], known[-2])]
    week = timedelta(days=WEEK)
    weeks = [(last - week + timedelta(days=1), last), (last - 2 * week + timedelta(days=1), last - week)]
    if (last - known[0]).days >= DAYS_IN_A_ROW and any(weeks[1][0] <= day <= weeks[1][1] for day in known):
        spans = weeks
    latest, before = (_period(days, first, end) for first, end in spans)
    return None if latest is None or before is None else LatestPeriods(latest, before, is_running)


def _period(days: Mapping[date, DayBill], first: date, last: date) -> Period | None:
    whole = all_added((bill for day, bill in days.items() if first <= day <= last), DayBill())
    if whole.billed_turns < whole.turns or not whole.known_usd:
        return None
    return Period(first, last, whole.turns, whole.known_usd)


def periods_of_runs(rows: RunRows, today: date | None = None) -> LatestPeriods | None:
    """Return the latest periods of the turns of several runs; None if a turn's time is not known."""
    days: dict[date, DayBill] = {}
    for turn in rows.turns:
        if turn.at is None:
            return None
        bill = DayBill(1, int(turn.billed_usd is not None), turn.billed_usd or Decimal(0))
        add_by_key(days, {turn.at.astimezone(UTC).date(): bill})
    return None if rows.totals.missing_calls else latest_periods(days, today)
