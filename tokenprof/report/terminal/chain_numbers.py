"""How the chain's dollars, ranges and shares are written for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from rich.console import Console
from rich.text import Text

from tokenprof.hw_model.estimate import Estimate
from tokenprof.pricing.chain.interval import Interval
from tokenprof.report import numbers
from tokenprof.report.terminal.wording import SOFT

BAR_CELLS: Final = 18
LEAST_BAR_CELLS: Final = 6
LABEL_CELLS: Final = 26


def plain(figure: Decimal) -> str:
    """Return a figure with all of its decimals: `0.00`, `1543`."""
    return format(figure, "f")


def dollars(amount: Decimal, decimals: int | None = None) -> str:
    """Return dollars; a residual may be negative: `$0.0412`, `-$0.13`."""
    return ("-" if amount < 0 else "") + numbers.usd(abs(amount), decimals)


def usd_interval(interval: Interval) -> str:
    """Return dollars with their range: `$0.0031–0.0120 ($0.0066)`; one figure if it is known."""
    return numbers.usd_interval(_as_estimate(interval))


def estimate_decimals(intervals: Iterable[Interval]) -> int:
    """Return how many decimals a column of ranges of dollars needs for its middles."""
    return numbers.estimate_decimals([_as_estimate(interval) for interval in intervals])


def money_decimals(amounts: Iterable[Decimal]) -> int:
    """Return how many decimals a column of exact dollars needs so that its figures align."""
    return numbers.decimals_for(amounts)


def between(interval: Interval, decimals: int) -> str:
    """Return the two ends of a range of dollars, `$0.01 to $0.03`; nothing if the figure is known."""
    if interval.is_exact:
        return ""
    return f"{dollars(interval.low, decimals)} to {dollars(interval.high, decimals)}"


def with_range(interval: Interval) -> str:
    """Return dollars and their range in the digits of the middle: `$0.0446 (-$0.0079 to $0.7353)`."""
    decimals = money_decimals([abs(interval.mid)])
    ends = between(interval, decimals)
    return dollars(interval.mid, decimals) + (f" ({ends})" if ends else "")


def percents(interval: Interval) -> str:
    """Return a share in percent with its range: `65.0% (38.0 to 70.0%)`; one figure if it is known."""
    low, mid, high = (_percent(end) for end in (interval.low, interval.mid, interval.high))
    return f"{mid}%" if low == high else f"{mid}% ({low} to {high}%)"


def counts(interval: Interval) -> str:
    """Return a number of things with its range: `30,110 (10,920 to 80,754)`; one figure if it is known."""
    low, mid, high = (_count(end) for end in (interval.low, interval.mid, interval.high))
    return mid if low == high else f"{mid} ({low} to {high})"


def labelled(label: str, text: str) -> Text:
    """Return a line of a label and what belongs to it."""
    return Text.assemble("  ", (f"{label:<{LABEL_CELLS}}", SOFT), text)


def bar_cells(rows: Sequence[Sequence[str | Text]], console: Console) -> int:
    """Return how many cells the figures of a table leave for a bar beside them."""
    taken = sum(2 + max(len(cell) for cell in column) for column in zip(*rows, strict=True))
    return max(LEAST_BAR_CELLS, min(BAR_CELLS, console.width - taken - 2))


def _percent(share: Decimal) -> str:
    percent = round(100 * share, 1)
    return f"{percent:,.0f}" if abs(percent) >= 1000 else f"{percent:.3g}"


def _count(figure: Decimal) -> str:
    return f"{figure:,.0f}" if figure >= 10 else f"{figure:.1f}"


def _as_estimate(interval: Interval) -> Estimate:
    return Estimate(float(interval.low), float(interval.mid), float(interval.high))
