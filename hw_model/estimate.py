"""An uncertain figure as three numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """P10, P50 and P90 of a figure over the sampled deployments, equal if nothing was sampled.

    The unit is in the name of whatever holds it: `hardware_usd` is in USD, `price_to_cost` is a ratio. A type
    of its own on purpose, beside `pricing.chain.interval.Interval`: these are floats, percentiles of a
    distribution that a model draws. An Interval is made of decimals and is a range of published readings.
    Neither can be added to the other, nor to a bill, by accident.
    """

    low: float
    mid: float
    high: float
