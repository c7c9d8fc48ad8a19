"""A range of dollars or shares, low to high with a middle reading, and honest arithmetic on it.

The chain's figures are of another kind than a bill: where the truth is not public there is a range. So
they have a type of their own that cannot be added to a billed amount by accident.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Interval:
    """Low, middle and high; equal where the figure is known. Raises `ValueError` if they are out of order."""

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
        """Whether the figure is known."""
        return self.low == self.high

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.mid + other.mid, self.high + other.high)

    def __sub__(self, other: Interval) -> Interval:
        """Return the difference of two figures that need not move together: the widest range."""
        return Interval(self.low - other.high, self.mid - other.mid, self.high - other.low)

    def __mul__(self, other: Interval) -> Interval:
        """Return the product; both must be non-negative, as prices, shares and hours are."""
        if self.low < 0 or other.low < 0:
            raise ValueError("Intervals are multiplied only where both are non-negative.")
        return Interval(self.low * other.low, self.mid * other.mid, self.high * other.high)

    def __truediv__(self, other: Interval) -> Interval:
        """Return the quotient; the divisor must be positive and the dividend non-negative."""
        if self.low < 0 or other.low <= 0:
            raise ValueError(
                "An interval is divided only by a positive one, and only where it is non-negative."
            )
        return Interval(self.low / other.high, self.mid / other.mid, self.high / other.low)

    def rounded(self, places: int = 12) -> Interval:
        """Return the interval rounded to so many decimals, so that sums of such figures are exact."""
        unit = ONE.scaleb(-places)
        return Interval(self.low.quantize(unit), self.mid.quantize(unit), self.high.quantize(unit))

    def at_least(self, floor: Decimal) -> Interval:
        """Return the interval with nothing below a floor."""
        return Interval(max(self.low, floor), max(self.mid, floor), max(self.high, floor))


def add_up(parts: Iterable[Interval]) -> Interval:
    """Return the sum of intervals; nothing if there are none."""
    result = Interval.exactly(0)
    for part in parts:
        result += part
    return result


def gross_margin(price: Interval, cost: Interval) -> Interval:
    """Return 1 − cost/price: lowest where the cost is highest and the price lowest. It may be negative."""
    if price.low <= 0:
        raise ValueError("A gross margin needs a positive price.")
    return Interval(ONE - cost.high / price.low, ONE - cost.mid / price.mid, ONE - cost.low / price.high)
