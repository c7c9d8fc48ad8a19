"""One figure that an estimate rests on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Assumption:
    """One figure or choice that an estimate rests on, with its source.

    `low` and `high` are P10 and P90 of a sampled quantity, or a published range; None if there is one value.
    `unit` is the unit of all three, None for names and plain numbers.
    """

    name: str
    value: float | str
    source: str
    low: float | None = None
    high: float | None = None
    unit: str | None = None
