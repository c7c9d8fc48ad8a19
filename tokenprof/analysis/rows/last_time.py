"""The run before this one, for comparison."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class LastTime:
    """The latest run of the same kind and folder that began before this one: its file, start, turns, bill."""

    file: str
    at: datetime
    turns: int
    billed_usd: Decimal
