"""Money and hardware dollars as the report writes them: decimal strings, never floats, None if unknown."""

from __future__ import annotations

import math
from decimal import Decimal

from tokenprof.hw_model.estimate import Estimate

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
