"""An uncertain figure as three numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """P10, P50 and P90 of a figure over the sampled deployments; three times one number for a fixed one.

    The unit is in the name of whatever holds it: `hardware_usd` is in USD, `price_to_cost` is a ratio.
    Floats on purpose: billed money is `Decimal`, so the two cannot be added by accident.
    """

    low: float
    mid: float
    high: float
