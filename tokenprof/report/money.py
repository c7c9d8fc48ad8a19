"""Money and hardware dollars as the report writes them: decimal strings, never floats, None where unknown."""

from __future__ import annotations

import math
from decimal import Decimal

from tokenprof.hw_model.cost import Estimate

EstimateJson = dict[str, str]

SIGNIFICANT_DIGITS = 10


def usd(value: Decimal | None) -> str | None:
    """Return money as a plain decimal string."""
    return None if value is None else format(value, "f")


def interval_json(interval: Estimate | None) -> EstimateJson | None:
    """Return a hardware estimate as decimal strings; None where it is unknown."""
    if interval is None:
        return None
    return {"low": _decimal(interval.low), "mid": _decimal(interval.mid), "high": _decimal(interval.high)}


def _decimal(value: float) -> str:
    """Return ten significant digits as a plain decimal; a report has millions of these, so no `Decimal`."""
    if not value:
        return "0"
    digits = f"{value:.{max(SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(abs(value))), 0)}f}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def price_to_cost(billed: Decimal | None, interval: Estimate | None) -> EstimateJson | None:
    """Return billed over hardware; its low uses the hardware's high. None where either is not known."""
    if billed is None or interval is None or interval.low <= 0:
        return None
    return {
        "low": _decimal(float(billed) / interval.high),
        "mid": _decimal(float(billed) / interval.mid),
        "high": _decimal(float(billed) / interval.low),
    }
