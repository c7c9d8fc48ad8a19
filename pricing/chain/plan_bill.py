"""What a month of usage is billed under a plan: seats, limits, credit, discount, commitment."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from tokenprof.pricing.chain.figures import SubscriptionPlan
from tokenprof.pricing.chain.interval import ONE, Interval
from tokenprof.pricing.chain.layers import PICODOLLAR

_NOTHING: Final = Interval.exactly(0)

_UNKNOWN_LIMIT: Final = Interval(Decimal(0), Decimal(0), Decimal("Infinity"))
"""Limits that nobody has published: the cheap end includes everything, the others nothing."""


def plan_usd_a_month(plan: SubscriptionPlan, seats: int, list_usd: Decimal) -> Interval:
    """Return what usage that costs `list_usd` a month at list price is billed under a plan [USD].

        usage = (1 - discount) * max(0, list - seats * (limit + credit))
        bill  = seats * price + max(commitment, usage)

    The low end has the widest limits and the largest discount of the plan's readings.
    """
    limit, discount = plan.api_usd_within_limit or _UNKNOWN_LIMIT, plan.discount or _NOTHING

    def billed(included_usd: Decimal, share: Decimal) -> Decimal:
        beyond = max(Decimal(0), list_usd - seats * (included_usd + plan.credit_usd_per_month))
        usage = max(plan.commitment_usd_per_month, (ONE - share) * beyond)
        return (seats * plan.usd_per_month + usage).quantize(PICODOLLAR)

    return Interval(
        billed(limit.high, discount.high), billed(limit.mid, discount.mid), billed(limit.low, discount.low)
    )
