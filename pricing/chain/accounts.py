"""Where a supplier's revenue goes by its published accounts, and the waterfall that this makes of a bill.

The bottom-up waterfall (`layers.waterfall`) starts from what a run's hours cost. This one starts from what
suppliers take in and spend, so the two err in different ways. Equations are in docs/chain.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tokenprof.pricing.chain.figures import Account, ChainData, ChainDataError
from tokenprof.pricing.chain.interval import ONE, Interval
from tokenprof.pricing.chain.layers import (
    HourDollars,
    PaidBill,
    Waterfall,
    WaterfallStep,
    WaterfallStepName,
)


@dataclass(frozen=True, slots=True)
class RevenueSplit:
    """What a supplier spends per dollar of revenue, as ranges of readings; the middle is the latest.

    `training`, `inference` and `other` are what that is spent on. `source` names the accounts.
    """

    spend: Interval
    training: Interval
    inference: Interval
    other: Interval
    source: str


def revenue_split(data: ChainData, supplier: str | None, *, trains: bool) -> RevenueSplit:
    """Return what a supplier spends per dollar of revenue: its own accounts, else those of all of its kind.

    spend = spend of the period ÷ revenue of the period; training = training share of spend · spend, and
    inference alike. A host of others' weights (`trains` false) trains nothing: its inference is what its
    published gross margins leave. Raises `ChainDataError` if the chain file has no accounts of that kind.
    """
    kind = "lab" if trains else "host"
    own = [row for row in data.accounts if row.supplier == supplier and row.kind == kind]
    rows = own or [row for row in data.accounts if row.kind == kind]
    if not rows:
        raise ChainDataError(f"The chain file has no accounts of a {kind}; add a row [[account]] to it.")
    ratios = sorted(row.spend_per_revenue for row in rows)
    latest = rows[0].spend_per_revenue if own else ratios[len(ratios) // 2]
    spend = Interval(ratios[0], latest, ratios[-1])
    source = "; ".join(dict.fromkeys(_said(row) for row in rows))
    if not trains:
        nothing = Interval.exactly(0)
        return RevenueSplit(spend, nothing, spend, nothing, source)
    training, inference = data.share("training_of_spend"), data.share("inference_of_spend")
    rest = Interval.exactly(ONE - training.value.mid - inference.value.mid)
    return RevenueSplit(
        spend,
        spend * training.value,
        spend * inference.value,
        spend * rest,
        f"{source}; {training.source}",
    )


def _said(row: Account) -> str:
    return f"{row.supplier} {row.period}: {row.source}"


def top_down(bill: PaidBill, split: RevenueSplit, hours: HourDollars, *, trains: bool) -> Waterfall:
    """Push a bill down by accounts: what a supplier of this kind spends of each dollar that it takes in.

    The inference of the accounts is split in the proportions of `hours`. The result is what is left, and may
    be negative. The middles of the steps add up to what is paid, to the last decimal.
    """
    names = WaterfallStepName
    revenue_usd = bill.revenue_usd
    training = _of(revenue_usd, split.training)
    inference = _of(revenue_usd, split.inference)
    costs = {names.GPU_HOUR_MARGIN: max(hours.margin.mid, Decimal(0))}
    costs |= {name: usd.mid for name, usd in hours.owner.items()}
    whole = sum(costs.values(), Decimal(0))
    parts = {
        name: _of(inference.mid, Interval.exactly(usd / whole if whole else Decimal(0)))
        for name, usd in costs.items()
    }
    parts = {name: _scaled(inference, part.mid) for name, part in parts.items()}
    other = _of(revenue_usd, split.other)
    spent = sum((part.mid for part in (*parts.values(), training, other)), Decimal(0))
    result = _of(revenue_usd, Interval(ONE - split.spend.high, ONE - split.spend.mid, ONE - split.spend.low))
    # What rounding leaves is in the result, so that the middles add up to what is paid.
    left = revenue_usd - spent
    steps = (
        WaterfallStep(names.APPLICATION, Interval.exactly(bill.fee_usd), "the fee of the path"),
        WaterfallStep(names.DISCOUNT, Interval.exactly(bill.discount_usd), "the discount that you set"),
        WaterfallStep(
            names.RESULT,
            Interval(min(result.low, left), left, max(result.high, left)),
            "revenue less everything that is spent",
        ),
        WaterfallStep(names.OTHER_COSTS, other, split.source),
        WaterfallStep(names.TRAINING, training, split.source if trains else "a host trains nothing"),
        *(
            WaterfallStep(name, part, "inference of the accounts, in the proportions of the modelled hour")
            for name, part in parts.items()
        ),
    )
    return Waterfall(bill.paid_usd, steps)


def _scaled(whole: Interval, mid: Decimal) -> Interval:
    """Return a part of a whole, with the whole's relative ends."""
    if not whole.mid:
        return Interval.exactly(mid)
    low, high = mid * whole.low / whole.mid, mid * whole.high / whole.mid
    # A quotient of 28 digits may be a hair to the wrong side of the middle.
    return Interval(min(low, mid), mid, max(high, mid)).rounded()


def _of(usd: Decimal, share: Interval) -> Interval:
    return Interval(usd * share.low, usd * share.mid, usd * share.high).rounded()
