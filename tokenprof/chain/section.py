"""The chain section of a report, typed: where a run's billed dollars go, and its cost-shaped bill.

Figures are rounded to the digits that a report states, so that a section read back from JSON equals the one
that was written. `tokenprof.chain.chain.Chain` holds the unrounded ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, Literal

from tokenprof.chain.chain import Chain, NothingToPushDownError, chain_of
from tokenprof.chain.choices import Choices, SalesPath
from tokenprof.chain.cost_shaped_price import ShapedTurn, cost_shaped
from tokenprof.costing.compute import Hardware
from tokenprof.costing.ledger import Ledger
from tokenprof.pricing.chain.figures import ChainData, Figure, PublishedMargin, load_chain_data
from tokenprof.pricing.chain.interval import Interval
from tokenprof.pricing.chain.layers import WaterfallStepName

USD_DECIMALS: Final = 12
SHARE_DECIMALS: Final = 6
MARGIN_DECIMALS: Final = 4
RATIO_DECIMALS: Final = 2
SESSION_DECIMALS: Final = 1

SHAPED_BY: Final = (
    "each turn's share of the run's compute, in each sampled world, scaled to the same total: a "
    "prompt is prefilled once while it stays cached, an output token costs by the context before it"
)


@dataclass(frozen=True, slots=True)
class StepPart:
    """A part of a step of the waterfall [USD], such as the memory of the chips."""

    name: str
    usd: Interval


@dataclass(frozen=True, slots=True)
class SectionStep:
    """One step of the waterfall: who gets it [USD], and its share of what was paid.

    `internal_usd` is a margin that stays inside one company here; a market would pay it. It is in no sum.
    """

    name: WaterfallStepName
    usd: Interval
    share: Interval
    internal_usd: Interval | None
    source: str
    parts: tuple[StepPart, ...]


@dataclass(frozen=True, slots=True)
class SectionLayer:
    """What a layer pays for its input and gets for its output [USD]; internal if it sells to itself."""

    layer: str
    supplier: str
    sells: str
    kind: Literal["market", "internal"]
    cost_usd: Interval
    price_usd: Interval
    price_to_cost: Interval
    gross_margin: Interval


@dataclass(frozen=True, slots=True)
class SectionSpread:
    """The run's price over the break-even anchor's price for the same tokens, and its parts [USD]."""

    anchor: str
    anchor_usd: Decimal
    spread_usd: Decimal
    efficiency_loss_usd: Interval
    training_amortisation_usd: Interval
    brand_premium_usd: Interval
    residual_usd: Interval


@dataclass(frozen=True, slots=True)
class SectionPaths:
    """What the same run costs the user by each path [USD]."""

    direct_usd: Decimal
    aggregator: str
    aggregator_usd: Decimal
    plan: str
    sessions_per_month: int
    plan_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class SectionPlan:
    """A subscription plan beside the run: see `tokenprof.chain.plans_and_spread.PlanFigures`."""

    plan: str
    usd_per_month: Decimal
    credit_usd_per_month: Decimal
    usd_per_session: Decimal
    break_even_sessions: int
    sessions_at_compute_cost: Interval
    price_to_compute: Interval
    source: str


@dataclass(frozen=True, slots=True)
class NamedSource:
    """An assumption of several figures, of which a report states only the source."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class ShapedBill:
    """The run's bill shared out in proportion to its compute, turn by turn, and what that rests on."""

    total_usd: Decimal
    basis: str
    turns: tuple[ShapedTurn, ...]


@dataclass(frozen=True, slots=True)
class ChainSection:
    """Where a run's billed dollars go.

    `turns` are those followed, `turns_left_out` those without a price or a model. `paid_usd` is what the user
    pays by `path`, `compute_usd` the owner's cost of the hours. `suppliers` names who serves each provider's
    models (None: nobody has said). Margins are shares of the list price. `cost_shaped` is None in a report
    that was written without it.
    """

    path: SalesPath
    turns: int
    turns_left_out: int
    billed_usd: Decimal
    paid_usd: Decimal
    compute_usd: Interval
    suppliers: Mapping[str, str | None]
    waterfall: tuple[SectionStep, ...]
    layers: tuple[SectionLayer, ...]
    inference_margin: Interval
    all_in_margin: Interval
    published_margins: tuple[PublishedMargin, ...]
    spread: SectionSpread
    paths: SectionPaths
    plans: tuple[SectionPlan, ...]
    assumptions: tuple[Figure | NamedSource, ...]
    cost_shaped: ShapedBill | None


def chain_section(
    ledger: Ledger,
    hardware: Hardware,
    figures: ChainData | None = None,
    choices: Choices | None = None,
) -> ChainSection | None:
    """Return where a run's billed dollars go; None if no dollar of it can be followed.

    `figures` are the rows of a chain file (default: the shipped one), `choices` what the user says about the
    chain. Raises `pricing.chain.figures.ChainDataError` for a name that the chain file lacks.
    """
    rows = figures or load_chain_data()
    try:
        chain = chain_of(ledger, hardware, rows, choices)
    except NothingToPushDownError:
        return None
    return section_of(chain, cost_shaped(ledger, hardware), rows)


def section_of(chain: Chain, shaped: tuple[ShapedTurn, ...], figures: ChainData) -> ChainSection:
    """Return a chain and a cost-shaped bill as the section of a report."""
    return ChainSection(
        path=chain.choices.path,
        turns=chain.turns,
        turns_left_out=chain.left_out,
        billed_usd=chain.billed_usd,
        paid_usd=chain.paid_usd,
        compute_usd=_stated(chain.compute_usd),
        suppliers=dict(chain.suppliers),
        waterfall=_steps(chain),
        layers=_layers(chain),
        inference_margin=_stated(chain.inference_margin, MARGIN_DECIMALS),
        all_in_margin=_stated(chain.all_in_margin, MARGIN_DECIMALS),
        published_margins=tuple(figures.margins.values()),
        spread=_spread(chain),
        paths=SectionPaths(
            direct_usd=chain.prices.direct_usd,
            aggregator=chain.choices.aggregator,
            aggregator_usd=chain.prices.aggregator_usd,
            plan=chain.choices.plan,
            sessions_per_month=chain.choices.sessions_per_month,
            plan_usd=chain.prices.plan_usd,
        ),
        plans=_plans(chain),
        assumptions=_assumptions(chain, figures),
        cost_shaped=_shaped_bill(shaped),
    )


def _steps(chain: Chain) -> tuple[SectionStep, ...]:
    shares = chain.fall.shares()
    return tuple(
        SectionStep(
            name=step.name,
            usd=_stated(step.usd),
            share=_stated(shares[step.name], SHARE_DECIMALS),
            internal_usd=None if step.internal_usd is None else _stated(step.internal_usd),
            source=step.source,
            parts=tuple(StepPart(name, _stated(usd)) for name, usd in chain.parts.get(step.name, {}).items()),
        )
        for step in chain.fall.steps
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


def _spread(chain: Chain) -> SectionSpread:
    spread = chain.spread
    return SectionSpread(
        anchor=chain.choices.anchor,
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
        )
        for each in chain.plans
    )


def _assumptions(chain: Chain, figures: ChainData) -> tuple[Figure | NamedSource, ...]:
    """Return what a chain rests on beyond prices and hardware."""
    training, premium = figures.share("training_per_inference"), figures.share("brand_premium")
    rows: list[Figure | NamedSource] = [
        replace(chain.rental, name=f"USD per GPU-hour rented: {chain.rental.name}"),
        replace(training, name="training per dollar of inference"),
        replace(premium, name="brand premium, share of the price"),
    ]
    if chain.chip_price is not None:
        name = f"who gets what of a chip: {chain.chip_price.chip}"
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
