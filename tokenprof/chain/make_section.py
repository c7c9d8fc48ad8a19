"""A run's chain as the section of a report: waterfalls, bridge and evidence, rounded as they are stated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from tokenprof.chain.bridge import Bridge, bridge_of
from tokenprof.chain.chain import Chain, NothingToPushDownError, chain_of
from tokenprof.chain.choices import Choices
from tokenprof.chain.cost_shaped_price import ShapedTurn, cost_shaped
from tokenprof.chain.followed_turns import followed_turns
from tokenprof.chain.owner_cost import Array
from tokenprof.chain.section import (
    ChainSection,
    NamedSource,
    SectionEvidence,
    SectionLayer,
    SectionPaths,
    SectionPlan,
    SectionServer,
    SectionSpread,
    SectionStep,
    ShapedBill,
    StepPart,
)
from tokenprof.chain.servers import Server
from tokenprof.costing.compute import Hardware
from tokenprof.costing.evidence import followed_cost, posterior_of
from tokenprof.costing.ledger import Ledger
from tokenprof.costing.served_hours import shipped_chain_data
from tokenprof.hw_model.estimate import Estimate
from tokenprof.pricing.chain.figures import ChainData, Figure, SubscriptionPlan
from tokenprof.pricing.chain.interval import Interval
from tokenprof.pricing.chain.layers import Spread, Waterfall

USD_DECIMALS: Final = 12
SHARE_DECIMALS: Final = 6
MARGIN_DECIMALS: Final = 4
RATIO_DECIMALS: Final = 2
SESSION_DECIMALS: Final = 1

SHAPED_BY: Final = (
    "each turn's share of the run's compute, in each sampled world, scaled to the same total: a "
    "prompt is prefilled once while it stays cached, an output token costs by the context before it"
)


def chain_section(
    ledger: Ledger,
    hardware: Hardware,
    figures: ChainData | None = None,
    choices: Choices | None = None,
    *,
    without_evidence: Sequence[str] = (),
) -> ChainSection | None:
    """Return where a run's billed dollars go; None if no dollar of it can be followed.

    `figures` are the rows of a chain file (default: the shipped one), `choices` what the user says about the
    chain, `without_evidence` the names of evidence that is not to be used. Raises
    `pricing.chain.figures.ChainDataError` for a name that the chain file lacks.
    """
    rows = figures or shipped_chain_data()
    try:
        chain = chain_of(ledger, hardware, rows, choices)
    except NothingToPushDownError:
        return None
    section = section_of(chain, cost_shaped(ledger, hardware), rows)
    followed = followed_turns(ledger, hardware)
    trains = all(server.trains for server in chain.servers.values())
    cost = followed_cost(ledger, hardware, followed.indices, trains=trains)
    posterior = posterior_of(cost, rows, without_evidence)

    def bridge(weights: Array | None) -> Bridge:
        return bridge_of(
            chain.billed_usd,
            hardware.scenarios,
            followed.work.by_model,
            rows,
            chain.choices,
            trains=trains,
            weights=weights,
        )

    return replace(
        section,
        bridge=bridge(None),
        posterior_bridge=bridge(posterior.weights),
        evidence=SectionEvidence(
            _stated_estimate(posterior.hardware_usd),
            _stated_estimate(posterior.price_to_cost),
            round(posterior.effective_draws, 1),
            tuple(
                replace(row, price_to_cost=_stated_or_none(row.price_to_cost)) for row in posterior.effects
            ),
        ),
    )


def _stated_estimate(found: Estimate) -> Estimate:
    return Estimate(*(float(f"{end:.9g}") for end in (found.low, found.mid, found.high)))


def _stated_or_none(found: Estimate | None) -> Estimate | None:
    return None if found is None else _stated_estimate(found)


def section_of(chain: Chain, shaped: tuple[ShapedTurn, ...], figures: ChainData) -> ChainSection:
    """Return a chain and a cost-shaped bill as the section of a report, without bridge and evidence."""
    return ChainSection(
        path=chain.choices.path,
        turns=chain.turns,
        turns_left_out=chain.left_out,
        is_lower_bound=chain.is_lower_bound,
        billed_usd=chain.billed_usd,
        paid_usd=chain.paid_usd,
        compute_usd=_stated(chain.compute_usd),
        owner_usd=_stated(chain.owner_usd),
        servers=tuple(_server(provider, server) for provider, server in chain.servers.items()),
        waterfall=_steps(chain, chain.fall),
        by_accounts=_steps(chain, chain.by_accounts),
        layers=_layers(chain),
        inference_margin=_stated_margin(chain.inference_margin),
        all_in_margin=_stated_margin(chain.all_in_margin),
        published_margins=tuple(figures.margins.values()),
        spreads=tuple(_spread(name, spread) for name, spread in chain.spreads.items()),
        paths=SectionPaths(
            direct_usd=chain.prices.direct_usd,
            aggregator=chain.choices.aggregator,
            aggregator_usd=chain.prices.aggregator_usd,
            plan=chain.choices.plan,
            sessions_per_month=chain.choices.sessions_per_month,
            plan_usd=chain.prices.plan_usd,
        ),
        plans=_plans(chain),
        applications=chain.applications,
        assumptions=_assumptions(chain, figures),
        cost_shaped=_shaped_bill(shaped),
    )


def _stated_margin(margin: Interval | None) -> Interval | None:
    return None if margin is None else _stated(margin, MARGIN_DECIMALS)


def _server(provider: str, server: Server) -> SectionServer:
    paid = server.hours.paid
    return SectionServer(
        provider,
        server.name,
        server.hours.tenure,
        Interval(*(Decimal(f"{end:.4g}") for end in (paid.low, paid.mid, paid.high))),
        server.trains,
        server.hours.source,
    )


def _steps(chain: Chain, fall: Waterfall) -> tuple[SectionStep, ...]:
    shares = fall.shares()
    parts = chain.parts if fall is chain.fall else {}
    return tuple(
        SectionStep(
            name=step.name,
            usd=_stated(step.usd),
            share=_stated(shares[step.name], SHARE_DECIMALS),
            internal_usd=None if step.internal_usd is None else _stated(step.internal_usd),
            source=step.source,
            parts=tuple(StepPart(name, _stated(usd)) for name, usd in parts.get(step.name, {}).items()),
        )
        for step in fall.steps
    )


def _layers(chain: Chain) -> tuple[SectionLayer, ...]:
    return tuple(
        SectionLayer(
            layer=layer.sale.layer,
            supplier=layer.sale.supplier,
            sells=layer.sells,
            kind=layer.sale.kind,
            cost_usd=_stated(layer.markup.cost),
            price_usd=_stated(layer.markup.price),
            price_to_cost=_stated(layer.markup.factor, MARGIN_DECIMALS),
            gross_margin=_stated(layer.markup.margin, MARGIN_DECIMALS),
        )
        for layer in chain.layers
    )


def _spread(anchor: str, spread: Spread) -> SectionSpread:
    return SectionSpread(
        anchor=anchor,
        anchor_usd=spread.anchor_usd,
        spread_usd=spread.spread_usd,
        efficiency_loss_usd=_stated(spread.efficiency_loss),
        training_amortisation_usd=_stated(spread.training_amortisation),
        brand_premium_usd=_stated(spread.brand_premium),
        residual_usd=_stated(spread.residual),
    )


def _plans(chain: Chain) -> tuple[SectionPlan, ...]:
    return tuple(
        SectionPlan(
            plan=each.plan.name,
            usd_per_month=each.plan.usd_per_month,
            credit_usd_per_month=each.plan.credit_usd_per_month,
            usd_per_session=each.usd_per_session,
            break_even_sessions=each.break_even_sessions,
            sessions_at_compute_cost=_stated(each.sessions_at_compute_cost, SESSION_DECIMALS),
            price_to_compute=_stated(each.price_to_compute, RATIO_DECIMALS),
            source=each.plan.source,
            sessions_at_limit=_at_limit(each.plan, chain.billed_usd),
        )
        for each in chain.plans
    )


def _at_limit(plan: SubscriptionPlan, billed_usd: Decimal) -> Decimal | None:
    """Return how many such runs a month a plan's limits allow; None if they are not known."""
    if plan.api_usd_at_limit is None or billed_usd <= 0:
        return None
    return round(plan.api_usd_at_limit / billed_usd, SESSION_DECIMALS)


def _assumptions(chain: Chain, figures: ChainData) -> tuple[Figure | NamedSource, ...]:
    """Return what a chain rests on beyond prices and hardware."""
    premium = figures.share("brand_premium")
    rows: list[Figure | NamedSource] = [
        NamedSource(f"USD per GPU-hour of {provider}, {server.hours.tenure}", server.hours.source)
        for provider, server in chain.servers.items()
    ]
    for provider, split in chain.accounts.items():
        name = f"spend per dollar of revenue of {provider}"
        supplier = chain.servers[provider].name
        if supplier is None or not split.source.startswith(f"{supplier} "):
            name += ", of which no accounts are known: those of others"
        rows.append(NamedSource(name, split.source))
    rows.append(replace(premium, name="brand premium, share of the price"))
    if chain.chip_price is not None:
        name = f"how the price of a chip is divided: {chain.chip_price.chip}"
        rows.append(NamedSource(name, chain.chip_price.source))
    return tuple(rows)


def _shaped_bill(turns: tuple[ShapedTurn, ...]) -> ShapedBill:
    return ShapedBill(
        total_usd=sum((turn.billed_usd for turn in turns), Decimal(0)),
        basis=SHAPED_BY,
        turns=tuple(replace(turn, shaped_usd=_stated(turn.shaped_usd)) for turn in turns),
    )


def _stated(interval: Interval, decimals: int = USD_DECIMALS) -> Interval:
    """Return an interval rounded to so many decimals at most."""
    return Interval(*(_at_most(end, decimals) for end in (interval.low, interval.mid, interval.high)))


def _at_most(figure: Decimal, decimals: int) -> Decimal:
    exponent = figure.as_tuple().exponent
    return round(figure, decimals) if isinstance(exponent, int) and exponent < -decimals else figure
