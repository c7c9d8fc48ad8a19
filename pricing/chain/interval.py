"""A range of dollars or shares, low to high with a middle reading, and arithmetic on it.

The chain's figures are not a bill: what is not public is a range. They have a type of their own, which cannot
be added to a billed amount by accident.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Interval:
    """Low, middle and high; equal if the figure is known. Raises `ValueError` if they are out of order.

    A type of its own on purpose, beside `hw_model.cost.Estimate`: these are decimals, a range of published
    readings or of dollars derived from them. An Estimate is made of floats, the percentiles of a
    distribution that a model draws. Neither can be added to the other by accident; `tokenprof.chain` turns
    an Estimate into an Interval where the two meet.
    """

    low: Decimal
    mid: Decimal
    high: Decimal

    def __post_init__(self) -> None:
        if not self.low <= self.mid <= self.high:
            raise ValueError(
                f"An interval must rise from low to high, but it is {self.low}, {self.mid}, {self.high}."
            )

    @classmethod
    def exactly(cls, value: Decimal | int | str) -> Interval:
        """Return the interval of a known figure."""
        figure = Decimal(value)
        return cls(figure, figure, figure)

    @property
    def is_exact(self) -> bool:
        """Whether the figure is known exactly."""
        return self.low == self.high

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.mid + other.mid, self.high + other.high)

    def __sub__(self, other: Interval) -> Interval:
        """Return the difference of two figures that need not move together, which is the widest range."""
        return Interval(self.low - other.high, self.mid - other.mid, self.high - other.low)

    def __mul__(self, other: Interval) -> Interval:
        """Return the product. Raises `ValueError` if either may be negative."""
        if self.low < 0 or other.low < 0:
            raise ValueError("Intervals can be multiplied only if neither is negative.")
        return Interval(self.low * other.low, self.mid * other.mid, self.high * other.high)

    def __truediv__(self, other: Interval) -> Interval:
        """Return the quotient. Raises `ValueError` if the divisor may be 0, or either may be negative."""
        if self.low < 0 or other.low <= 0:
            raise ValueError("An interval that is not negative can be divided, and only by a positive one.")
        return Interval(self.low / other.high, self.mid / other.mid, self.high / other.low)

    def rounded(self, places: int = 12) -> Interval:
        """Return the interval rounded to a number of decimals, so that sums of such figures are exact."""
        unit = ONE.scaleb(-places)
        return Interval(self.low.quantize(unit), self.mid.quantize(unit), self.high.quantize(unit))

    def at_least(self, floor: Decimal) -> Interval:
        """Return the interval with nothing below a floor."""
        return Interval(max(self.low, floor), max(self.mid, floor), max(self.high, floor))


def add_up(parts: Iterable[Interval]) -> Interval:
    """Return the sum of intervals; 0 if there are none."""
    result = Interval.exactly(0)
    for part in parts:
        result += part
    return result


def gross_margin(price: Interval, cost: Interval) -> Interval:
    """Return 1 − cost/price, which may be negative. Raises `ValueError` if the price may be 0 or less."""
    if price.low <= 0:
        raise ValueError("A gross margin needs a positive price.")
    return Interval(ONE - cost.high / price.low, ONE - cost.mid / price.mid, ONE - cost.low / price.high)
