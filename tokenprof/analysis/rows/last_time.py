"""The run before this one, for comparison."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from tokenprof.data_classes.frozen import frozen


@frozen
class LastTime:
    """The latest run of the same kind and folder that began before this one: its file, start, turns, bill."""

    file: str
    at: datetime
    turns: int
    billed_usd: Decimal
