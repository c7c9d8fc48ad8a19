"""Where a run's billed dollar goes: the bill of `pricing`, followed down to the hours of `hw_model`.

Only turns that are both priced and modelled are followed. Billed and paid dollars are `Decimal`; a figure
that is not public is an `Interval`. A margin inside one company is shown and never counted as paid.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from tokenprof.chain.choices import Choices, paid_bill
from tokenprof.chain.followed_turns import FollowedTurns, by_provider, followed_turns
from tokenprof.chain.layers import Layer, layers_of
from tokenprof.chain.owner_cost import as_interval, hour_costs
from tokenprof.chain.plans_and_spread import PlanFigures, plan_figures, spread_over_anchor
from tokenprof.chain.servers import Server, servers_of
from tokenprof.chain.waterfall import add_falls, finer_parts, owner_cost_of, price_of_chip, steps_by_name
from tokenprof.costing.compute import Hardware
from tokenprof.costing.ledger import Ledger
from tokenprof.data_classes.frozen import frozen
from tokenprof.pricing.chain.accounts import RevenueSplit, revenue_split, top_down
from tokenprof.pricing.chain.figures import ChainData, ChainDataError, ChipPrice, PublishedMargin
from tokenprof.pricing.chain.interval import Interval, gross_margin
from tokenprof.pricing.chain.layers import (
    PICODOLLAR,
    EndPrices,
    PaidBill,
    Spread,
    Waterfall,
    WaterfallStepName,
    end_prices,
    waterfall,
)


@frozen
class Chain:
    """A run's billed dollars followed down the chain.

    `turns` are the followed ones, `left_out` those without a price or a model, `is_lower_bound` whether the
    bill is at least this much. `fall` starts from what the hours cost, `by_accounts` from what suppliers of
    this kind spend. `parts` splits steps of the waterfall further; `servers` says who serves each provider's
    models, and whose hours it pays. `compute_usd` is at the hours that are paid, `owner_usd` at the owner's.
    `applications` are published margins of those who resell tokens in a product.
    `rental_per_owner_cost` is the rent of an accelerator-hour divided by its owner's cost; None if no rent is
    known.
    """

    billed_usd: Decimal
    turns: int
    left_out: int
    is_lower_bound: bool
    bill: PaidBill
    choices: Choices
    fall: Waterfall
    by_accounts: Waterfall
    parts: Mapping[WaterfallStepName, Mapping[str, Interval]]
    chip_price: ChipPrice | None
    compute_usd: Interval
    owner_usd: Interval
    rental_per_owner_cost: Interval | None
    layers: tuple[Layer, ...]
    prices: EndPrices
    plans: tuple[PlanFigures, ...]
    applications: tuple[PublishedMargin, ...]
    spreads: Mapping[str, Spread]
    servers: Mapping[str, Server]
    accounts: Mapping[str, RevenueSplit]

    @property
    def paid_usd(self) -> Decimal:
        """What the user pays [USD]."""
        return self.bill.paid_usd

    @property
    def inference_margin(self) -> Interval | None:
        """What is left of the supplier's revenue after the hours, as a share; None without revenue."""
        revenue = self.bill.revenue_usd
        return gross_margin(Interval.exactly(revenue), self.compute_usd) if revenue > 0 else None

    @property
    def all_in_margin(self) -> Interval | None:
        """The same after training."""
        revenue = self.bill.revenue_usd
        if revenue <= 0:
            return None
        left = steps_by_name(self.fall)[WaterfallStepName.UNEXPLAINED].usd
        return Interval(left.low / revenue, left.mid / revenue, left.high / revenue)


NO_DOLLAR: Final = (
    "No dollar of this run can be followed: no turn has both a price and a model of what it computed. Give a "
    "price with --prices FILE, or follow the run as billed elsewhere with --set model=HOST/MODEL; what it "
    "costs to compute is in tokenprof report."
)


class NothingToPushDownError(ValueError):
    """No turn of a run is both priced and modelled, so no dollar of it can be followed."""


def chain_of(ledger: Ledger, hardware: Hardware, figures: ChainData, choices: Choices | None = None) -> Chain:
    """Follow a run's billed dollars down the chain.

    `figures` are the dated rows of the chain file. Raises `NothingToPushDownError` if no turn is both priced
    and modelled, and `pricing.chain.figures.ChainDataError` for a name that the chain file lacks, or a plan
    that does not sell the run's models.
    """
    chosen = choices or Choices()
    followed = followed_turns(ledger, hardware)
    compute_usd = _compute_usd(hardware, followed)
    if followed.billed_usd <= 0 or compute_usd is None or compute_usd.low <= 0:
        raise NothingToPushDownError(NO_DOLLAR)
    of_providers = by_provider(ledger, hardware, followed)
    plan = figures.plan(chosen.plan)
    if not plan.is_personal:
        raise ChainDataError(
            f"{plan.name} is a contract of a team and has no price for one run; try it with "
            f"tokenprof whatif RUN --if plan={plan.name}:RUNS."
        )
    sold = not plan.providers or set(plan.providers) & set(of_providers)
    if chosen.path == "plan" and not sold:
        personal = [each.name for each in figures.plans.values() if each.is_personal]
        raise ChainDataError(
            f"The plan {plan.name} does not sell models of {', '.join(of_providers)}; choose another plan "
            f"(--set plan=), one of {', '.join(personal)}, or add a row to a chain file."
        )
    prices = end_prices(
        followed.billed_usd,
        figures.aggregator(chosen.aggregator),
        plan if sold else None,
        chosen.sessions_per_month,
        chosen.credits_usd,
    )
    paid_usd = _paid_usd(prices, chosen)
    servers = servers_of(ledger.run, hardware, figures)
    falls, downs = [], []
    splits: dict[str, RevenueSplit] = {}
    left_usd = paid_usd
    billed = {name: turns for name, turns in of_providers.items() if turns.billed_usd > 0}
    for place, (provider, turns) in enumerate(billed.items(), start=1):
        server = servers[provider]
        share_usd = (paid_usd * (turns.billed_usd / followed.billed_usd)).quantize(PICODOLLAR)
        # The last provider takes what rounding leaves, so that the whole is what is paid.
        share_usd = left_usd if place == len(billed) else share_usd
        left_usd -= share_usd
        bill = paid_bill(share_usd, turns.billed_usd, chosen)
        hours, _ = hour_costs(hardware.scenarios, turns.work.by_model)
        split = splits[provider] = revenue_split(figures, server.name, trains=server.trains)
        training = chosen.training(split.training) if server.trains else None
        falls.append(waterfall(bill, hours, training, split.source))
        downs.append(top_down(bill, split, hours, trains=server.trains))
    _, over_cost = hour_costs(hardware.scenarios, followed.work.by_model)
    fall, chip_price = add_falls(paid_usd, falls), price_of_chip(hardware, figures)
    parts = finer_parts(fall, chip_price, figures)
    training_usd = steps_by_name(fall)[WaterfallStepName.TRAINING].usd
    return Chain(
        billed_usd=followed.billed_usd,
        turns=len(followed.indices),
        left_out=followed.left_out,
        is_lower_bound=followed.is_lower_bound,
        bill=paid_bill(paid_usd, followed.billed_usd, chosen),
        choices=chosen,
        fall=fall,
        by_accounts=add_falls(paid_usd, downs),
        parts=parts,
        chip_price=chip_price,
        compute_usd=compute_usd,
        owner_usd=owner_cost_of(fall),
        rental_per_owner_cost=over_cost,
        layers=layers_of(fall, over_cost, servers, followed.billed_usd, figures, chosen, parts),
        prices=prices,
        plans=tuple(
            plan_figures(plan, followed.billed_usd, compute_usd, chosen)
            for plan in figures.plans.values()
            if plan.is_personal and (not plan.providers or set(plan.providers) & set(billed))
        ),
        applications=tuple(figures.applications.values()),
        spreads={
            name: spread_over_anchor(followed, compute_usd, training_usd, figures, name)
            for name in dict.fromkeys((chosen.anchor, *figures.anchors))
        },
        servers=servers,
        accounts=splits,
    )


def _compute_usd(hardware: Hardware, followed: FollowedTurns) -> Interval | None:
    """Return what the followed turns cost to compute [USD]; None if there are none."""
    cost = hardware.usd(followed.work)
    return None if cost is None else as_interval(cost.low, cost.mid, cost.high)


def _paid_usd(prices: EndPrices, choices: Choices) -> Decimal:
    """Return what the user pays for the run by the chosen path [USD]."""
    if choices.path == "aggregator":
        return prices.aggregator_usd
    if choices.path == "plan" and prices.plan_usd is not None:
        return prices.plan_usd
    return prices.direct_usd
