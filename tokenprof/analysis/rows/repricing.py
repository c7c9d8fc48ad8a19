"""Repricing risk: what a run would be billed if one class of tokens were sold at what it costs to compute."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, get_args

from tokenprof.analysis.rows.row_types import RunRows
from tokenprof.costing.compute import ClassSoldAtCost
from tokenprof.data_classes.frozen import frozen
from tokenprof.hw_model.estimate import Estimate

REPRICED: Final[tuple[ClassSoldAtCost, ...]] = get_args(ClassSoldAtCost)
"""The classes whose list price lies furthest from their cost, above or below, in most runs of agents."""


@frozen
class Repriced:
    """A run with one class sold at cost: its share of the bill, the bill then, and the change as a fraction.

    The ends come from the ends of the class's compute. The other classes keep their list prices, and the run
    its tokens.
    """

    cls: str
    share: float
    bill_usd: Estimate
    change: Estimate


def repricing(rows: RunRows) -> tuple[Repriced, ...]:
    """Return the bill with each of `REPRICED` sold at cost: bill − class at list + class at cost.

    Classes that were not billed or not costed are left out; so is everything if a turn has no bill, because
    the part of the bill that is not known has a cost, too.
    """
    whole, totals = rows.totals.billed_usd, rows.totals
    if not whole or totals.unpriced_turns or totals.unmeasured_turns:
        return ()
    found = []
    for row in rows.classes:
        if row.cls in REPRICED and row.billed_usd and row.hardware_usd is not None:
            left, cost = float(whole - row.billed_usd), row.hardware_usd
            bill = Estimate(left + cost.low, left + cost.mid, left + cost.high)
            change = Estimate(*(end / float(whole) - 1 for end in (bill.low, bill.mid, bill.high)))
            found.append(Repriced(row.cls, float(Decimal(row.billed_usd) / whole), bill, change))
    return tuple(found)
