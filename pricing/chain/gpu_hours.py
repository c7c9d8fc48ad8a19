"""What an hour of an accelerator costs and is rented for: `data/gpu_hours.csv`, dated and sourced."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from statistics import median
from typing import Final

from tokenprof.pricing import DATA
from tokenprof.pricing.chain.interval import Interval

CONTRACT: Final = "contract"
"""Rents of one to three years, what whoever serves tokens pays for most of its hours."""

OF_CONTRACT: Final = {
    CONTRACT: ("three years", "one year"),
    "three years": ("three years",),
    "one year": ("one year",),
    "reserved": ("reserved",),
    "on demand": ("on demand",),
    "spot": ("spot",),
}
"""The contracts that hours can be rented under, each with the tiers of the table that it covers."""

OWNED_TIERS: Final = ("neocloud owned", "hyperscaler owned")

MAX_AGE_DAYS: Final = 366
"""Prices older than this before the newest known one are not mixed with it: rents move by a third a year."""


@dataclass(frozen=True, slots=True)
class HourPrice:
    """A reading of what an accelerator-hour costs or is rented for [USD], at a date, by a source."""

    chip: str
    tier: str
    usd: Interval
    at: date
    quality: str
    source: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class HourRange:
    """What an hour of a chip costs under a contract: lowest, median and highest of the readings in force."""

    chip: str
    terms: str
    usd: Interval
    readings: tuple[HourPrice, ...]

    @property
    def source(self) -> str:
        """The sources of the readings, each with its date, the newest first."""
        said = (f"{row.source} [{row.tier}, {row.at:%Y-%m}]" for row in self.readings)
        return "; ".join(dict.fromkeys(said))


@cache
def shipped_hour_prices() -> tuple[HourPrice, ...]:
    """Return the readings that ship."""
    text = (DATA / "gpu_hours.csv").read_text("utf-8")
    return tuple(
        HourPrice(
            row["chip"],
            row["tier"],
            Interval(Decimal(row["low"]), Decimal(row["usd_per_hour"]), Decimal(row["high"])),
            date.fromisoformat(row["date"]),
            row["quality"],
            row["source"],
            row["note"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def hour_range(
    rows: Iterable[HourPrice], chip: str, tiers: Sequence[str], terms: str, when: date | None = None
) -> HourRange | None:
    """Return what an hour of a chip costs in some tiers on a day; None if nobody has published it.

    Readings after the day do not count, unless there are only such; of the others, those of the year before
    the newest. `when` None is today.
    """
    known = [row for row in rows if row.chip.lower() == chip.lower() and row.tier in tiers]
    if not known:
        return None
    before = [row for row in known if when is None or row.at <= when]
    newest = max(row.at for row in before) if before else min(row.at for row in known)
    kept = [row for row in (before or known) if abs((newest - row.at).days) <= MAX_AGE_DAYS]
    kept.sort(key=lambda row: row.at, reverse=True)
    usd = Interval(
        min(row.usd.low for row in kept),
        Decimal(median(row.usd.mid for row in kept)),
        max(row.usd.high for row in kept),
    )
    return HourRange(known[0].chip, terms, usd, tuple(kept))
