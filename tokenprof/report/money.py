"""Money and hardware dollars as the report writes them: decimal strings, never floats, None where unknown."""

from __future__ import annotations

from decimal import Decimal

from tokenprof.hw_model.cost import Interval

Estimate = dict[str, str]


def usd(value: Decimal | None) -> str | None:
    """Return money as a plain decimal string."""
    return None if value is None else format(value, "f")


def interval_json(interval: Interval | None) -> Estimate | None:
    """Return a hardware estimate as decimal strings; None where it is unknown."""
    if interval is None:
        return None
    return {name: _decimal(getattr(interval, name)) for name in ("low", "mid", "high")}


def _decimal(value: float) -> str:
    return format(Decimal(f"{value:.9e}").normalize(), "f") if value else "0"


def price_to_cost(billed: Decimal | None, interval: Interval | None) -> Estimate | None:
    """Return billed over hardware; its low uses the hardware's high. None where either is not known."""
    if billed is None or interval is None or interval.low <= 0:
        return None
    return {
        "low": _decimal(float(billed) / interval.high),
        "mid": _decimal(float(billed) / interval.mid),
        "high": _decimal(float(billed) / interval.low),
    }
