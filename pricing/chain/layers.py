"""Layers L2 to L4 of the value chain: GPU-hours, tokens, applications, and where a billed dollar goes.

A layer is defined by what it sells: L1 racks, L2 GPU-hours, L3 tokens (a: of models that it trained, b: of
others' weights), L4 tokens again (an aggregator) or a plan (an application). The hardware model supplies L1,
the cost of a GPU-hour, and the hours that a run takes; the caller passes them in. Figures and their sources
are in `data/chain.toml`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import Literal

from tokenprof.pricing.chain.figures import Aggregator, Anchor, ChainData, SubscriptionPlan, Supplier
from tokenprof.pricing.chain.interval import ONE, Interval, add_up, gross_margin

MILLION = Decimal(1_000_000)
NOTHING = Interval.exactly(0)
PICODOLLAR = Decimal("1e-12")


@dataclass(frozen=True, slots=True)
class Markup:
    """What a layer adds to its input: cost and price [USD], price over cost, and gross margin, as ranges."""

    cost: Interval
    price: Interval
    factor: Interval
    margin: Interval


def markup(cost: Interval, price: Interval) -> Markup:
    """Return the markup and gross margin of a layer, from its input cost and its output price [USD]."""
    return Markup(cost, price, price / cost, gross_margin(price, cost))


@dataclass(frozen=True, slots=True)
class ServingCost:
    """What tokens cost a supplier [USD]: a lab (1P) also pays for training, a host of others' weights not."""

    party: Literal["1P", "3P"]
    inference_usd: Interval
    training_usd: Interval

    @property
    def total_usd(self) -> Interval:
        """Inference and, for a lab, training."""
        return self.inference_usd + self.training_usd


def third_party_cost(inference_usd: Interval) -> ServingCost:
    """Return the cost of serving somebody else's weights: inference only."""
    return ServingCost("3P", inference_usd, NOTHING)


def first_party_cost(inference_usd: Interval, training_usd: Interval) -> ServingCost:
    """Return the cost of serving your own model: inference, and training recovered from its revenue."""
    return ServingCost("1P", inference_usd, training_usd)


@dataclass(frozen=True, slots=True)
class Spread:
    """A price over the break-even anchor for the same tokens, and what it is made of [USD].

    `residual` is what the other parts leave: pay, sales, free users, taxes, profit, and the error of the
    parts. Those cannot be separated, and their sum may be negative.
    """

    price_usd: Decimal
    anchor_usd: Decimal
    efficiency_loss: Interval
    training_amortisation: Interval
    brand_premium: Interval
    residual: Interval

    @property
    def spread_usd(self) -> Decimal:
        """The price beyond the anchor."""
        return self.price_usd - self.anchor_usd


def anchor_usd(
    anchor: Anchor, input_tokens: int, output_tokens: int, cached_input_tokens: int = 0
) -> Decimal:
    """Return what tokens cost at the prices of an anchor [USD]; `input_tokens` are those not from cache."""
    prompt = input_tokens * anchor.input_usd_per_mtok + cached_input_tokens * anchor.cached_input_usd_per_mtok
    return (prompt + output_tokens * anchor.output_usd_per_mtok) / MILLION


def decompose_spread(
    price_usd: Decimal, anchored_usd: Decimal, compute_usd: Interval, training_usd: Interval, data: ChainData
) -> Spread:
    """Split a price's spread over the anchor (for the same tokens) into named parts and a named residual.

    Efficiency loss is what the model's own compute costs beyond the anchor. The brand premium is a share of
    the price without the premium.
    """
    premium = data.share("brand_premium").value
    of_price = Interval(
        price_usd * premium.low / (ONE + premium.low),
        price_usd * premium.mid / (ONE + premium.mid),
        price_usd * premium.high / (ONE + premium.high),
    )
    efficiency = compute_usd - Interval.exactly(anchored_usd)
    spread = Interval.exactly(price_usd - anchored_usd)
    return Spread(
        price_usd=price_usd,
        anchor_usd=anchored_usd,
        efficiency_loss=efficiency,
        training_amortisation=training_usd,
        brand_premium=of_price,
        residual=spread - add_up((efficiency, training_usd, of_price)),
    )


@dataclass(frozen=True, slots=True)
class EndPrices:
    """The same tokens by three paths [USD]: an aggregator, the lab's own API, and a share of a plan."""

    aggregator_usd: Decimal
    direct_usd: Decimal
    plan_usd: Decimal | None


def end_prices(
    direct_usd: Decimal,
    aggregator: Aggregator,
    plan: SubscriptionPlan | None = None,
    sessions_per_month: int | None = None,
    credits_usd: Decimal | None = None,
) -> EndPrices:
    """Return what a run costs by each path [USD]; a plan's price is spread over the sessions of a month.

    `credits_usd` is the credit bought at a time at the aggregator, which has a minimum fee (default: the
    amount of the run).
    """
    bought = max(credits_usd or direct_usd, direct_usd)
    fee = aggregator.fee_share * direct_usd
    if bought * aggregator.fee_share < aggregator.minimum_usd:
        fee = aggregator.minimum_usd * direct_usd / bought
    by_plan = plan.usd_per_month / sessions_per_month if plan and sessions_per_month else None
    # A quotient has no last decimal; what is paid has one, so that its parts can add up to it.
    paid = None if by_plan is None else by_plan.quantize(PICODOLLAR)
    return EndPrices(direct_usd + fee.quantize(PICODOLLAR), direct_usd, paid)


def break_even_sessions(plan: SubscriptionPlan, session_usd: Decimal) -> int:
    """Return how many such sessions a month make a plan cost no more than paying for each.

    Raises `ValueError` if a session costs nothing.
    """
    if session_usd <= 0:
        raise ValueError(f"A session must cost something to break even, but it costs {session_usd} USD.")
    return int((plan.usd_per_month / session_usd).to_integral_value(rounding=ROUND_CEILING))


def sessions_a_plan_pays_for(plan: SubscriptionPlan, session_cost_usd: Interval) -> Interval:
    """Return how many sessions a month the price of a plan covers at what they cost to compute."""
    return Interval.exactly(plan.usd_per_month) / session_cost_usd


def tool_payments(calls: Mapping[str, int], usd_per_call: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return what a run's tool calls cost at prices per call [USD]; tools without a price are left out."""
    return {tool: count * usd_per_call[tool] for tool, count in calls.items() if tool in usd_per_call}


@dataclass(frozen=True, slots=True)
class Stage:
    """One layer of a supply route and who stands there."""

    layer: str
    supplier: str


@dataclass(frozen=True, slots=True)
class Sale:
    """What one layer hands to the next: sold at a price, or passed on inside one company."""

    layer: str
    supplier: str
    kind: Literal["market", "internal"]


def sales(route: Sequence[Stage]) -> tuple[Sale, ...]:
    """Return, layer by layer, whether its margin is a market transaction; the last layer sells to the user.

    A layer has a margin if its buyer is another company. Inside one company there is only a cost.
    """
    buyers = [stage.supplier for stage in route[1:]] + ["the user"]
    return tuple(
        Sale(stage.layer, stage.supplier, "market" if buyer != stage.supplier else "internal")
        for stage, buyer in zip(route, buyers, strict=True)
    )


def route_of(
    model_supplier: Supplier,
    compute_supplier: Supplier,
    seller: Supplier | None = None,
    serves: Literal["L3a", "L3b"] | None = None,
    *,
    owns_racks: bool | None = None,
) -> tuple[Stage, ...]:
    """Return the route of a token: racks and GPU-hours, who serves it, and who resells it, if anybody.

    `serves` says whether the model is the supplier's own (L3a) or has another's weights (L3b), for a supplier
    that does both (default: its own). `owns_racks` says whether the hours are those of its own racks
    (default: as its row says).
    """
    layer = serves or ("L3a" if "L3a" in model_supplier.layers else "L3b")
    own = "L1" in model_supplier.layers if owns_racks is None else owns_racks
    below = model_supplier.name if own else compute_supplier.name
    stages = [Stage("L1", below), Stage("L2", below), Stage(layer, model_supplier.name)]
    return (*stages, Stage("L4", seller.name)) if seller else tuple(stages)


class WaterfallStepName(StrEnum):
    """The steps of a waterfall, from the buyer down to the power plant.

    Each value is the name that reports show, so it is written here and nowhere else.
    """

    APPLICATION = "application or aggregator"
    DISCOUNT = "discount: not collected"
    RESULT = "operating result"
    OTHER_COSTS = "pay, sales and everything else"
    UNEXPLAINED = "not explained by compute, rent, training"
    TRAINING = "training"
    GPU_HOUR_MARGIN = "GPU-hour margin"
    CHIPS = "chips"
    BUILDING = "building"
    POWER = "power"


OWNER_PARTS = (WaterfallStepName.CHIPS, WaterfallStepName.BUILDING, WaterfallStepName.POWER)
"""The steps that together are what the hours cost the owner of the racks."""


@dataclass(frozen=True, slots=True)
class WaterfallStep:
    """One slice of a billed dollar: who gets it, how much (a range, USD), and how that is known.

    `internal_usd` is a margin that would be paid on a market, but stays inside one company here: it is shown,
    and is not part of any sum.
    """

    name: WaterfallStepName
    usd: Interval
    source: str
    internal_usd: Interval | None = None


@dataclass(frozen=True, slots=True)
class Waterfall:
    """A billed amount pushed down the chain. The middles of the steps add up to it exactly."""

    billed_usd: Decimal
    steps: tuple[WaterfallStep, ...]

    def shares(self) -> dict[WaterfallStepName, Interval]:
        """Return each step as a share of the billed amount."""
        whole = self.billed_usd
        return {
            step.name: Interval(step.usd.low / whole, step.usd.mid / whole, step.usd.high / whole)
            for step in self.steps
        }


@dataclass(frozen=True, slots=True)
class HourDollars:
    """What the hours of some work cost [USD]: their owner by part, and beyond that whoever pays for them.

    `margin` is 0 for own racks, and negative if the owner rents its hours out at a loss. `market_margin` is
    the same at the rent of the market; None if no rent is known.
    """

    owner: Mapping[WaterfallStepName, Interval]
    margin: Interval
    market_margin: Interval | None = None


@dataclass(frozen=True, slots=True)
class PaidBill:
    """What is paid [USD], and the part that never reaches the supplier: a reseller's fee, a discount."""

    paid_usd: Decimal
    fee_usd: Decimal = Decimal(0)
    discount_usd: Decimal = Decimal(0)

    @property
    def revenue_usd(self) -> Decimal:
        """What the supplier takes in."""
        return self.paid_usd - self.fee_usd - self.discount_usd


def waterfall(
    bill: PaidBill, hours: HourDollars, training_per_revenue: Interval | None, training_source: str = ""
) -> Waterfall:
    """Push a bill down the chain to chips, building and power, bottom up.

    `training_per_revenue` is what the supplier spends on training per dollar that it takes in; None for a
    host of others' weights, which trains nothing. What the other steps leave is not explained, and may be
    negative. The middles add up to what is paid, to the last decimal. Raises `ValueError` for an amount that
    is not positive.
    """
    paid = bill.paid_usd
    if paid <= 0:
        raise ValueError(f"Only a positive amount can be pushed down the chain, but it is {paid} USD.")
    parts = {name: usd.rounded() for name, usd in hours.owner.items()}
    owner, margin = add_up(parts.values()), hours.margin.rounded()
    internal = None
    if hours.market_margin is not None and margin == NOTHING:
        internal = hours.market_margin.rounded()
    training = NOTHING
    if training_per_revenue is not None and bill.revenue_usd > 0:
        training = (Interval.exactly(bill.revenue_usd) * training_per_revenue).rounded()
    fee, discount = Interval.exactly(bill.fee_usd), Interval.exactly(bill.discount_usd)
    left = Interval.exactly(paid) - add_up((fee, discount, owner, margin, training))
    names = WaterfallStepName
    return Waterfall(
        paid,
        (
            WaterfallStep(names.APPLICATION, fee, "the fee of the path"),
            WaterfallStep(names.DISCOUNT, discount, "the discount that you set; list price without one"),
            WaterfallStep(
                names.UNEXPLAINED, left, "pay, sales, free users, profit, and the error of the other steps"
            ),
            WaterfallStep(
                names.TRAINING,
                training,
                "a host trains nothing" if training_per_revenue is None else training_source,
            ),
            WaterfallStep(
                names.GPU_HOUR_MARGIN,
                margin,
                "own racks: internal to the supplier, so not paid"
                if internal is not None
                else "what is paid for an hour beyond its owner's cost",
                internal,
            ),
            *(
                WaterfallStep(name, usd, "the owner's cost of the hours: hardware model")
                for name, usd in parts.items()
            ),
        ),
    )
