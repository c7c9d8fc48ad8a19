"""How numbers are written for people: digits by magnitude, and the unknown never as zero.

Money is `Decimal` USD, hardware dollars are an `Estimate`, ratios and shares are floats or `Decimal`. None is
always `UNKNOWN`. A value too small for the digits shown is written as "<0.01": something never looks like
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final

from tokenprof.analysis.rows.row_types import SizeState
from tokenprof.hw_model.estimate import Estimate
from tokenprof.hw_model.figures_in_words import quantity as quantity

UNKNOWN: Final = "—"

ESTIMATE_DIGITS: Final = 3
"""How many significant digits of an estimate are shown; its ends are too far apart for more to mean much."""

_FLOAT_DIGITS: Final = 10
_SHARE_DECIMALS: Final = 4
_BAR_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"


def decimal_of(value: float) -> Decimal:
    """Return a float as the JSON report writes it, to ten significant digits.

    A report prints the same whether it was just made or read back from a file.
    """
    return Decimal(f"{value:.{_FLOAT_DIGITS - 1}e}")


def share_of(value: float) -> Decimal:
    """Return a share as the JSON report writes it, to four decimals."""
    return Decimal(str(round(value, _SHARE_DECIMALS)))


def tokens(count: int | None) -> str:
    """Return a count with thousands separated: `12,345`."""
    return UNKNOWN if count is None else f"{count:,}"


def decimals_for(amounts_usd: Iterable[Decimal | None]) -> int:
    """Return how many decimals a column of dollars has, so that its figures align.

    Below a dollar, as many as `usd` alone gives the largest; from a dollar up, cents, or as many more
    as the smallest needs to show two digits within four of the largest.
    """
    sizes = _sizes(amounts_usd)
    largest = max(sizes, default=Decimal(0))
    if largest >= 1 or not sizes:
        return _decimals(sizes, digits=4)
    return max(4, 2 - largest.adjusted())


def estimate_decimals(estimates: Iterable[Estimate | None]) -> int:
    """Return decimals for a column of estimates: what the middles need, since the ends are soft."""
    return _decimals(_sizes(decimal_of(each.mid) for each in estimates if each is not None), ESTIMATE_DIGITS)


def usd(amount: Decimal | None, decimals: int | None = None, *, sign: str = "$") -> str:
    """Return dollars: `$0.0412`, `$7.50`, `$1,204.00`; `<$0.01` for what the decimals cannot show.

    Without `decimals`, dollars and cents from one dollar up, four decimals from ten cents up, else
    three significant digits, all without the zeros that cents do not need.
    """
    if amount is None:
        return UNKNOWN
    if amount == 0:
        return f"{sign}0"
    if decimals is None:
        fine = _rounded(amount, max(4, 2 - amount.adjusted())).normalize()
        decimals = 2 if abs(amount) >= 1 else max(2, -_exponent(fine))
    shown = _rounded(amount, decimals)
    if shown == 0:
        return f"<{sign}{Decimal(1).scaleb(-decimals):f}"
    return f"{sign}{shown:,f}" if shown > 0 else f"−{sign}{-shown:,f}"


def usd_interval(estimate: Estimate | None) -> str:
    """Return hardware dollars with their range: `$0.0031–0.0120 ($0.0066)`; one figure if its ends agree."""
    if estimate is None:
        return UNKNOWN
    low, mid, high = (decimal_of(end) for end in (estimate.low, estimate.mid, estimate.high))
    if low == high:
        return usd(mid)
    decimals = _decimals(_sizes([low, mid, high]), ESTIMATE_DIGITS)
    return f"{usd(low, decimals)}–{usd(high, decimals, sign='')} ({usd(mid, decimals)})"


def mid_usd(estimate: Estimate | None, decimals: int) -> str:
    """Return the middle of hardware dollars for a column: `$0.0066`."""
    return UNKNOWN if estimate is None else usd(decimal_of(estimate.mid), decimals)


def usd_range(estimate: Estimate | None, decimals: int) -> str:
    """Return the two ends of hardware dollars for a column: `0.0031–0.0120`; empty if they agree."""
    if estimate is None or is_point(estimate):
        return ""
    low, high = (usd(decimal_of(end), decimals, sign="") for end in (estimate.low, estimate.high))
    return f"{low}–{high}" if low != high else ""


def ratio(value: Decimal | float | None) -> str:
    """Return a ratio in two significant digits: `6.2×`, `13×`, `1,200×`, `0.45×`."""
    if value is None:
        return UNKNOWN
    return f"{_two_digits(value if isinstance(value, Decimal) else decimal_of(value))}×"


def mid_ratio(estimate: Estimate | None) -> str:
    """Return the middle of a ratio: `6.2×`."""
    return ratio(None if estimate is None else estimate.mid)


def ratio_range(estimate: Estimate | None) -> str:
    """Return the two ends of a ratio: `3.4–13×`; empty if they agree."""
    if estimate is None or is_point(estimate):
        return ""
    return f"{_two_digits(decimal_of(estimate.low))}–{_two_digits(decimal_of(estimate.high))}×"


def is_point(estimate: Estimate) -> bool:
    """Return whether an estimate is one figure: a fixed deployment, nothing sampled."""
    return decimal_of(estimate.low) == decimal_of(estimate.high)


def fraction(part: Decimal | int | None, whole: Decimal | int | None) -> Decimal | None:
    """Return part ÷ whole; None if either is unknown or the whole is nothing."""
    if part is None or whole is None or whole == 0:
        return None
    return Decimal(part) / Decimal(whole)


def mid_fraction(part: Estimate | None, whole: Estimate | None) -> Decimal | None:
    """Return the middle of one estimate ÷ the middle of another; None if either is unknown."""
    if part is None or whole is None:
        return None
    return fraction(decimal_of(part.mid), decimal_of(whole.mid))


def percent(share: Decimal | None) -> str:
    """Return a share in whole percent: `17%`; `<1%` for a little, `>99%` for all but a little."""
    if share is None:
        return UNKNOWN
    whole = _rounded(share * 100, 0)
    if whole == 0 and share > 0:
        return "<1%"
    if whole == 100 and share < 1:
        return ">99%"
    return f"{whole:f}%"


def bar(value: Decimal | None, longest: Decimal | None, cells: int) -> str:
    """Return a value as a bar in eighths of a character; `longest` fills all `cells`."""
    if not value or not longest:
        return ""
    eighths = max(1, min(cells * 8, int(_rounded(value / longest * cells * 8, 0))))
    full, rest = divmod(eighths, 8)
    return "█" * full + (_BAR_EIGHTHS[rest] if rest else "")


def bounds(size_tokens: int | None, low_tokens: int | None, high_tokens: int | None, state: SizeState) -> str:
    """Return how well a block's size is known: `=` exact, `±90`, `1–210` if lopsided, `±?` without bounds."""
    if size_tokens is None:
        return ""
    if state == "exact":
        return "="
    if low_tokens is None or high_tokens is None:
        return "±?"
    below, above = size_tokens - low_tokens, high_tokens - size_tokens
    if max(below, above) > 2 * min(below, above) + 2:
        return f"{low_tokens:,}–{high_tokens:,}"
    return f"±{max(below, above):,}"


def duration(seconds: float | None) -> str:
    """Return a time span: `0.8 s`, `41 s`, `3 m 05 s`, `2 h 07 m`, `6 d 3 h`."""
    if seconds is None:
        return UNKNOWN
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    if whole < 172_800:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} m"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return `1 turn`, `6 turns`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _sizes(amounts: Iterable[Decimal | None]) -> list[Decimal]:
    return [abs(amount) for amount in amounts if amount]


def _decimals(sizes: list[Decimal], digits: int) -> int:
    """Return decimals that show two digits of the smallest, within `digits` of the largest."""
    if not sizes:
        return 2
    return max(2, min(1 - min(sizes).adjusted(), digits - 1 - max(sizes).adjusted()))


def _rounded(value: Decimal, decimals: int) -> Decimal:
    # Damaged counts make amounts with more digits than the usual context holds.
    digits = Context(prec=max(28, value.adjusted() + decimals + 2))
    return value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP, context=digits)


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _two_digits(value: Decimal) -> str:
    """Return two significant digits; from 100 up the rest of the integer part is zeros."""
    if value == 0:
        return "0"
    place = value.adjusted() - 1
    shown = value.quantize(Decimal(1).scaleb(place), rounding=ROUND_HALF_UP)
    if shown.adjusted() > value.adjusted():
        shown = value.quantize(Decimal(1).scaleb(place + 1), rounding=ROUND_HALF_UP)
    return f"{shown:,f}"
