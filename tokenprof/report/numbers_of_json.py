"""Number formats for the modules that still read the JSON report. Goes with the last of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any, Final

from tokenprof.report.labels_in_words import CLASS_LABELS, PROMPT_CLASSES

Interval = Mapping[str, str]
"""`{low, mid, high}` of decimal strings, as in `hardware_usd` and `price_to_cost`."""

UNKNOWN: Final = "—"

ESTIMATE_DIGITS: Final = 3
"""How many significant digits of an estimate are shown: its ends lie further apart than the next one says."""

EXACT_DIGITS: Final = 200
"""Digits to add money with: more than any sum of decimal strings has, so that nothing is rounded."""

_BAR_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"


def decimal(value: str | None) -> Decimal | None:
    """Return the number in a decimal string of the report, None where it is unknown."""
    return None if value is None else Decimal(value)


def tokens(count: int | None) -> str:
    """Return a count with thousands separated: `12,345`."""
    return UNKNOWN if count is None else f"{count:,}"


def decimals_for(values: Iterable[str | None]) -> int:
    """Return how many decimals a column of dollars has, so that its figures align.

    Below a dollar, as many as `usd` alone gives the largest; from a dollar up, cents, or as many more
    as the smallest needs to show two digits within four of the largest.
    """
    sizes = _sizes(values)
    largest = max(sizes, default=Decimal(0))
    if largest >= 1 or not sizes:
        return _decimals(sizes, digits=4)
    return max(4, 2 - largest.adjusted())


def estimate_decimals(intervals: Iterable[Interval | None]) -> int:
    """Return decimals for a column of estimates: what the middles need, since the ends are soft."""
    return _decimals(_sizes(each["mid"] for each in intervals if each is not None), ESTIMATE_DIGITS)


def usd(value: str | None, decimals: int | None = None, *, sign: str = "$") -> str:
    """Return dollars: `$0.0412`, `$7.50`, `$1,204.00`; `<$0.01` for what the decimals cannot show.

    Without `decimals`, dollars and cents from one dollar up, four decimals from ten cents up, else
    three significant digits, all without the zeros that cents do not need.
    """
    if value is None:
        return UNKNOWN
    amount = Decimal(value)
    if amount == 0:
        return f"{sign}0"
    if decimals is None:
        fine = _rounded(amount, max(4, 2 - amount.adjusted())).normalize()
        decimals = 2 if abs(amount) >= 1 else max(2, -_exponent(fine))
    shown = _rounded(amount, decimals)
    if shown == 0:
        return f"<{sign}{Decimal(1).scaleb(-decimals):f}"
    return f"{sign}{shown:,f}" if shown > 0 else f"−{sign}{-shown:,f}"


def usd_interval(interval: Interval | None) -> str:
    """Return hardware dollars with their range: `$0.0031–0.0120 ($0.0066)`; one figure if its ends agree."""
    if interval is None:
        return UNKNOWN
    low, mid, high = interval["low"], interval["mid"], interval["high"]
    if is_point(interval):
        return usd(mid)
    decimals = _decimals(_sizes([low, mid, high]), ESTIMATE_DIGITS)
    return f"{usd(low, decimals)}–{usd(high, decimals, sign='')} ({usd(mid, decimals)})"


def mid_usd(interval: Interval | None, decimals: int) -> str:
    """Return the middle of hardware dollars for a column: `$0.0066`."""
    return UNKNOWN if interval is None else usd(interval["mid"], decimals)


def usd_range(interval: Interval | None, decimals: int) -> str:
    """Return the two ends of hardware dollars for a column: `0.0031–0.0120`; empty where they agree."""
    if interval is None or is_point(interval):
        return ""
    low, high = (usd(interval[end], decimals, sign="") for end in ("low", "high"))
    return f"{low}–{high}" if low != high else ""


def ratio(value: str | None) -> str:
    """Return a ratio in two significant digits: `6.2×`, `13×`, `1,200×`, `0.45×`."""
    return UNKNOWN if value is None else f"{_two_digits(Decimal(value))}×"


def ratio_range(interval: Interval | None) -> str:
    """Return the two ends of a ratio: `3.4–13×`; empty where they agree."""
    if interval is None or is_point(interval):
        return ""
    return f"{_two_digits(Decimal(interval['low']))}–{_two_digits(Decimal(interval['high']))}×"


def is_point(interval: Interval) -> bool:
    """Return whether an interval is one figure: a fixed deployment, nothing sampled."""
    return Decimal(interval["low"]) == Decimal(interval["high"])


def fraction(part: str | int | None, whole: str | int | None) -> Decimal | None:
    """Return part ÷ whole; None where either is unknown or the whole is nothing."""
    if part is None or whole is None or Decimal(whole) == 0:
        return None
    return Decimal(part) / Decimal(whole)


def sum_usd(amounts: Iterable[str | None]) -> str | None:
    """Return the exact sum of the amounts that are known; None where none is."""
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        known = [Decimal(amount) for amount in amounts if amount is not None]
        return format(sum(known, Decimal(0)).normalize(), "f") if known else None


def percent(value: Decimal | None) -> str:
    """Return a share in whole percent: `17%`; `<1%` for a little, `>99%` for all but a little."""
    if value is None:
        return UNKNOWN
    whole = _rounded(value * 100, 0)
    if whole == 0 and value > 0:
        return "<1%"
    if whole == 100 and value < 1:
        return ">99%"
    return f"{whole:f}%"


def bar(value: Decimal | None, longest: Decimal | None, cells: int) -> str:
    """Return a value as a bar in eighths of a character; `longest` fills all `cells`."""
    if not value or not longest:
        return ""
    eighths = max(1, min(cells * 8, int(_rounded(value / longest * cells * 8, 0))))
    full, rest = divmod(eighths, 8)
    return "█" * full + (_BAR_EIGHTHS[rest] if rest else "")


def bounds(size_tokens: int | None, low_tokens: int | None, high_tokens: int | None, state: str) -> str:
    """Return what stands behind a block's size: `=` exact, `±90`, `1–210` when lopsided, `±?` unbounded."""
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
    """Return a time span: `0.8 s`, `41 s`, `3 m 05 s`, `2 h 07 m`."""
    if seconds is None:
        return UNKNOWN
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} m"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return `1 turn`, `6 turns`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


_SCALES = ((1e12, " trillion"), (1e9, " billion"), (1e6, " million"))


def quantity(value: float) -> str:
    """Return a figure of any size to three digits, with separators or a word for what is very large."""
    if isinstance(value, bool) or value == 0:
        return str(value)
    for scale, word in _SCALES:
        if abs(value) >= scale:
            return f"{value / scale:.3g}{word}"
    if abs(value) >= 1000:
        return f"{round(value, 3 - len(str(int(abs(value))))):,.0f}"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _sizes(values: Iterable[str | None]) -> list[Decimal]:
    return [abs(Decimal(value)) for value in values if value is not None and Decimal(value) != 0]


def _decimals(sizes: list[Decimal], digits: int) -> int:
    """Return decimals that show two digits of the smallest, within `digits` of the largest."""
    if not sizes:
        return 2
    return max(2, min(1 - min(sizes).adjusted(), digits - 1 - max(sizes).adjusted()))


def _rounded(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)


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


Json = Mapping[str, Any]
"""An object of the JSON report."""


def unknown_state(turn: Json) -> str:
    """Return `unmeasured`, `unpriced` or nothing: why a turn has no bill."""
    if turn["usage"] is None:
        return "unmeasured"
    return "unpriced" if turn["billed_usd"] is None else ""


def without_price(turn: Json) -> str:
    """Return what of an unpriced turn has no price: its model, or the classes of it that have none."""
    model = turn["model"] or "a model without a name"
    entries = [entry for entry in turn["entries"] if entry["tokens"]]
    unpriced = dict.fromkeys(
        CLASS_LABELS.get(entry["class"], entry["class"]) for entry in entries if entry["billed_usd"] is None
    )
    is_whole = all(entry["billed_usd"] is None for entry in entries)
    return model if is_whole or not unpriced else f"{' and '.join(unpriced)} of {model}"


def prompt_entries(turn: Json) -> Iterator[Json]:
    """Yield what a turn's prompt was billed for, in prompt order."""
    return (entry for entry in turn["entries"] if entry["class"] in PROMPT_CLASSES)
