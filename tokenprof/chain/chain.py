"""Where a run's billed dollar goes: the bill of `pricing`, followed down to the hours of `hw_model`.

Only turns that are both priced and modelled are followed. Billed and paid dollars are `Decimal`; a figure
that is not public is an `Interval`. A margin inside one company is shown and never counted as paid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from tokenprof.chain.choices import Choices, rental_over_cost, supplier_of
from tokenprof.chain.followed_turns import FollowedTurns, by_provider, followed_turns
from tokenprof.chain.layers import Layer, layers_of
from tokenprof.chain.owner_cost import as_interval, owner_cost
from tokenprof.chain.plans_and_spread import PlanFigures, plan_figures, spread_over_anchor
from tokenprof.chain.waterfall import add_falls, finer_parts, price_of_chip
from tokenprof.costing.compute import Hardware
from tokenprof.costing.ledger import Ledger
from tokenprof.pricing.chain.figures import ChainData, ChipPrice, Figure
from tokenprof.pricing.chain.interval import Interval, add_up, gross_margin
from tokenprof.pricing.chain.layers import (
    EndPrices,
    Spread,
    Waterfall,
    WaterfallStepName,
    end_prices,
    waterfall,
)


@dataclass(frozen=True, slots=True)
class Chain:
    """A run's billed dollars followed down the chain.

    `turns` are the followed ones, `left_out` those without a price or a model. `parts` splits steps of the
    waterfall further; `suppliers` names who serves each provider's models (None: nobody has said).
    `rental_per_owner_cost` is the rent of an accelerator-hour divided by its owner's cost.
    """

    billed_usd: Decimal
    turns: int
    left_out: int
    paid_usd: Decimal
    choices: Choices
    fall: Waterfall
    parts: Mapping[WaterfallStepName, Mapping[str, Interval]]
    chip_price: ChipPrice | None
    compute_usd: Interval
    rental: Figure
    rental_per_owner_cost: Interval
    layers: tuple[Layer, ...]
    prices: EndPrices
    plans: tuple[PlanFigures, ...]
    spread: Spread
    suppliers: Mapping[str, str | None]

    @property
    def inference_margin(self) -> Interval:
        """The share of the list price that is left after the owner's cost of the hours."""
        return gross_margin(Interval.exactly(self.billed_usd), self.compute_usd)

    @property
    def all_in_margin(self) -> Interval:
        """The share of the list price that is left after rented hours and training."""
        beyond_cost = (WaterfallStepName.APPLICATION, WaterfallStepName.LAB_MARGIN)
        cost = add_up(step.usd for step in self.fall.steps if step.name not in beyond_cost)
        left = Interval.exactly(self.billed_usd) - cost
        return Interval(*(usd / self.billed_usd for usd in (left.low, left.mid, left.high)))


class NothingToPushDownError(ValueError):
    """No turn of a run is both priced and modelled, so no dollar of it can be followed."""


def chain_of(ledger: Ledger, hardware: Hardware, figures: ChainData, choices: Choices | None = None) -> Chain:
    """Follow a run's billed dollars down the chain.

    `figures` are the dated rows of the chain file. Raises `NothingToPushDownError` if no turn is both priced
    and modelled, and `pricing.chain.figures.ChainDataError` for a name that the chain file lacks.
    """
    chosen = choices or Choices()
    followed = followed_turns(ledger, hardware)
    compute_usd = _compute_usd(hardware, followed)
    if followed.billed_usd <= 0 or compute_usd is None or compute_usd.low <= 0:
        raise NothingToPushDownError(
            "No dollar of this run can be followed: no turn has both a price and a model of what it computed."
        )
    prices = end_prices(
        followed.billed_usd,
        figures.aggregator(chosen.aggregator),
        figures.plan(chosen.plan),
        chosen.sessions_per_month,
        chosen.credits_usd,
    )
    paid_usd = _paid_usd(prices, chosen)
    rental, over_cost = rental_over_cost(hardware, figures, chosen.contract)
    of_providers = by_provider(ledger, hardware, followed)
    suppliers = {
        provider: supplier_of(provider, figures, chosen)
        for provider, turns in of_providers.items()
        if turns.billed_usd > 0
    }
    falls = []
    for provider, supplier in suppliers.items():
        turns = of_providers[provider]
        share_usd = paid_usd * (turns.billed_usd / followed.billed_usd)
        fee_usd = share_usd - turns.billed_usd if chosen.path == "aggregator" else Decimal(0)
        cost = owner_cost(hardware.scenarios, turns.work.by_model)
        falls.append(waterfall(share_usd, cost, over_cost, figures, fee_usd=fee_usd, supplier=supplier))
    fall, chip_price = add_falls(paid_usd, falls), price_of_chip(hardware, figures)
    return Chain(
        billed_usd=followed.billed_usd,
        turns=len(followed.indices),
        left_out=followed.left_out,
        paid_usd=paid_usd,
        choices=chosen,
        fall=fall,
        parts=finer_parts(fall, chip_price, figures),
        chip_price=chip_price,
        compute_usd=compute_usd,
        rental=rental,
        rental_per_owner_cost=over_cost,
        layers=layers_of(fall, over_cost, suppliers, followed.billed_usd, figures, chosen),
        prices=prices,
        plans=tuple(
            plan_figures(plan, followed.billed_usd, compute_usd, chosen) for plan in figures.plans.values()
        ),
        spread=spread_over_anchor(followed, compute_usd, figures, chosen),
        suppliers=suppliers,
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
