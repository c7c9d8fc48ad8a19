"""Money and hardware dollars as the report writes them: decimal strings, never floats, None if unknown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tokenprof.hw_model.estimate import Estimate
from tokenprof.pricing.chain.interval import Interval

EstimateJson = dict[str, str]

SIGNIFICANT_DIGITS = 10


def usd(value: Decimal | None) -> str | None:
    """Return money as a plain decimal string."""
    return None if value is None else format(value, "f")


def estimate_json(estimate: Estimate | None) -> EstimateJson | None:
    """Return a hardware estimate as decimal strings; None if it is unknown."""
    if estimate is None:
        return None
    return {"low": _decimal(estimate.low), "mid": _decimal(estimate.mid), "high": _decimal(estimate.high)}


def _decimal(value: float) -> str:
    """Return ten significant digits as a plain decimal; a report has millions of these, so no `Decimal`."""
    if not value:
        return "0"
    digits = f"{value:.{max(SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(abs(value))), 0)}f}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def range_json(interval: Interval) -> dict[str, str]:
    """Return an interval as decimal strings, without trailing zeros."""
    return {name: _plain(getattr(interval, name)) for name in ("low", "mid", "high")}


def read_range(ends: Mapping[str, Any]) -> Interval:
    """Return the interval of `{low, mid, high}`. Raises `KeyError` or `ArithmeticError` for anything else."""
    return Interval(Decimal(ends["low"]), Decimal(ends["mid"]), Decimal(ends["high"]))


def _plain(figure: Decimal) -> str:
    return format(figure.normalize(), "f") if figure else "0"
