"""What a bill is compared with: the run before it in the same folder or, of several runs, the days before."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tokenprof.analysis.rows.last_time import LastTime
from tokenprof.analysis.rows.latest_days import LatestPeriods, periods_of_runs
from tokenprof.facts.errors import TokenprofError
from tokenprof.facts.types import Run, Turn
from tokenprof.pricing.book import PriceBook, UnknownTierError
from tokenprof.pricing.rates import total
from tokenprof.reading.formats import reader_of
from tokenprof.reading.usage_only import usage_of

if TYPE_CHECKING:
    from tokenprof.analysis.analysis import Analysis

MOST_FILES: Final = 3
"""How many files are looked into, those written last before this one first."""

MOST_BYTES: Final = 16 * 2**20
"""How much is read of them in all; a report should not wait for a comparison."""


def bill_before(analysis: Analysis, path: Path | None) -> LastTime | LatestPeriods | None:
    """Return what the bill of an analysis is compared with, if anything; `path` is the one file it is of."""
    if sum(source.runs for source in analysis.run.sources) > 1:
        return periods_of_runs(analysis.rows)
    return None if path is None or not path.is_file() else last_time(path, analysis.run, analysis.book)


def last_time(path: Path, run: Run, book: PriceBook) -> LastTime | None:
    """Return the run before `run`, which `path` holds; None if no run nearby has a complete bill.

    That is the latest one of the same format in the same folder that began earlier.
    Only bills and times are read. A file that cannot be read is passed over.
    """
    if len(run.sources) != 1 or run.sources[0].runs != 1 or not run.turns:
        return None
    began = min(turn.started_at for turn in run.turns)
    found: list[LastTime] = []
    left = MOST_BYTES
    for file in _written_before(path):
        try:
            size = file.stat().st_size
            if size > left:
                continue
            left -= size
            reader = reader_of(file)
            if run.sources[0].format != reader.FORMAT:
                continue
            earlier = usage_of(file, reader)
        except (OSError, TokenprofError):
            continue
        if (one := _summed(file, earlier, book)) is not None and one.at < began:
            found.append(one)
    return max(found, key=lambda each: each.at, default=None)


def _written_before(path: Path) -> list[Path]:
    try:
        written = path.stat().st_mtime_ns
        near = [
            (each.stat().st_mtime_ns, each)
            for each in path.parent.iterdir()
            if each.suffix == path.suffix and each.name != path.name and each.is_file()
        ]
    except OSError:
        return []
    return [each for at, each in sorted(near, reverse=True) if at <= written][:MOST_FILES]


def _summed(file: Path, run: Run, book: PriceBook) -> LastTime | None:
    if not run.turns or run.problems or any(source.runs != 1 for source in run.sources):
        return None
    amounts = [_billed_usd(turn, book) for turn in run.turns]
    known = [amount for amount in amounts if amount is not None]
    if len(known) < len(amounts):
        return None
    began = min(turn.started_at for turn in run.turns)
    return LastTime(file.name, began, len(run.turns), total(known))


def _billed_usd(turn: Turn, book: PriceBook) -> Decimal | None:
    if turn.usage is None:
        return None
    try:
        price = book.price(turn.sold_by, turn.model, turn.started_at, turn.usage, turn.selectors)
    except UnknownTierError:
        return None
    return price.usd(turn.usage)
