"""Where a run's billed dollar goes: the bill of `pricing` pushed down to the hours of `hw_model`.

Only turns that are both priced and modelled are in it. Billed and paid dollars are `Decimal`; what is not
public is an `Interval`. A margin inside one company is shown and never counted as paid.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal

from tokenprof.chain.chip_parts import finer_parts, price_of_chip
from tokenprof.chain.owner_cost import exact, owner_cost
from tokenprof.costing.compute import Hardware, Work, sum_work
from tokenprof.costing.ledger import Ledger
from tokenprof.hw_model.catalogue.lookup import find_chip
from tokenprof.hw_model.gpu_hour import Ownership
from tokenprof.pricing.chain.figures import ChainData, ChipPrice, Figure, SubscriptionPlan, Supplier
from tokenprof.pricing.chain.interval import Interval, add_up, gross_margin
from tokenprof.pricing.chain.layers import (
    OWNER_PARTS,
    EndPrices,
    Markup,
    Sale,
    Spread,
    Waterfall,
    WaterfallStep,
    WaterfallStepName,
    anchor_usd,
    break_even_sessions,
    decompose_spread,
    end_prices,
    markup,
    route_of,
    sales,
    sessions_a_plan_pays_for,
    tool_payments,
    waterfall,
)
from tokenprof.pricing.usage import Usage

SalesPath = Literal["direct", "aggregator", "plan"]

DEFAULT_RENTAL: Final = ("H100", "reserved")


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user says of the chain; the rest is read from the data file.

    `supplier` is who serves the model (by default its provider, if the data file has it), `compute` who owns
    the racks it rents, `contract` how. `sessions_per_month` shares a plan's price among such runs.
    """

    path: SalesPath = "direct"
    aggregator: str = "openrouter"
    plan: str = "claude-max"
    sessions_per_month: int = 20
    credits_usd: Decimal = Decimal(100)
    supplier: str | None = None
    compute: str = "coreweave"
    contract: str = "reserved"
    anchor: str = "DeepSeek V3 at launch"


@dataclass(frozen=True, slots=True)
class PlanFigures:
    """A plan beside a run: when it breaks even, and what its price implies against what compute costs.

    `sessions_at_compute_cost` is how many such runs the price covers at what they cost the owner of the
    racks: beyond that the plan is sold at a loss.
    """

    plan: SubscriptionPlan
    usd_per_session: Decimal
    break_even_sessions: int
    sessions_at_compute_cost: Interval
    price_to_compute: Interval


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer's input cost against its output price, and whether that margin is a transaction at all."""

    sale: Sale
    sells: str
    markup: Markup


@dataclass(frozen=True, slots=True)
class Chain:
    """A run's billed dollars pushed down the chain; `left_out` counts turns without a price or a model."""

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
    suppliers: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def inference_margin(self) -> Interval:
        """What is left of the list price after the owner's cost of the hours."""
        return gross_margin(Interval.exactly(self.billed_usd), self.compute_usd)

    @property
    def all_in_margin(self) -> Interval:
        """What is left of the list price after rented hours and training: what a profit map would show."""
        return next(
            Interval(*(value / self.billed_usd for value in (step.usd.low, step.usd.mid, step.usd.high)))
            for step in self.fall.steps
            if step.name is WaterfallStepName.LAB_MARGIN
        )


class NothingToPushDownError(ValueError):
    """A run of which no turn is both priced and modelled, so that no dollar can be followed."""


def chain_of(ledger: Ledger, hardware: Hardware, data: ChainData, choices: Choices | None = None) -> Chain:
    """Follow a run's billed dollars down the chain.

    Raises `NothingToPushDownError` where no turn is both priced and modelled, and
    `pricing.chain_data.ChainDataError` for a name that the data file lacks.
    """
    chosen = choices or Choices()
    kept = followed_turns(ledger, hardware)
    billed = sum((ledger.billed_usd[index] or Decimal(0) for index in kept), Decimal(0))
    compute = compute_usd(hardware, sum_work(hardware.turns[index] for index in kept)) if kept else None
    if billed <= 0 or compute is None or compute.low <= 0:
        raise NothingToPushDownError(
            "No dollar of this run can be followed: no turn has both a price and a model of what it computed."
        )
    prices = end_prices(
        billed,
        data.aggregator(chosen.aggregator),
        data.plan(chosen.plan),
        chosen.sessions_per_month,
        chosen.credits_usd,
    )
    paid = {"direct": billed, "aggregator": prices.aggregator_usd, "plan": prices.plan_usd}[chosen.path]
    assert paid is not None
    rental, over_cost = rental_over_cost(hardware, data, chosen.contract)
    falls: list[Waterfall] = []
    suppliers: dict[str, str | None] = {}
    for provider, indices in _by_provider(ledger, kept).items():
        of_provider = sum((ledger.billed_usd[index] or Decimal(0) for index in indices), Decimal(0))
        if of_provider <= 0:
            continue
        work = sum_work(hardware.turns[index] for index in indices)
        cost = owner_cost(hardware.scenarios, work.by_model)
        suppliers[provider] = supplier_of(provider, data, chosen)
        share = paid * (of_provider / billed)
        fee = share - of_provider if chosen.path == "aggregator" else Decimal(0)
        falls.append(waterfall(share, cost, over_cost, data, fee_usd=fee, supplier=suppliers[provider]))
    fall, chip_price = add_falls(paid, falls), price_of_chip(hardware, data)
    return Chain(
        billed_usd=billed,
        turns=len(kept),
        left_out=len(ledger.run.turns) - len(kept),
        paid_usd=paid,
        choices=chosen,
        fall=fall,
        parts=finer_parts(fall, chip_price, data),
        chip_price=chip_price,
        compute_usd=compute,
        rental=rental,
        rental_per_owner_cost=over_cost,
        layers=layers_of(fall, over_cost, suppliers, paid, billed, data, chosen),
        prices=prices,
        plans=tuple(plan_figures(plan, billed, compute, chosen) for plan in data.plans.values()),
        spread=spread_of(ledger, kept, billed, compute, data, chosen),
        suppliers=suppliers,
    )


def followed_turns(ledger: Ledger, hardware: Hardware) -> list[int]:
    """Return the turns that are both priced and modelled."""
    return [
        index
        for index, (billed, work) in enumerate(zip(ledger.billed_usd, hardware.turns, strict=True))
        if billed is not None and work.by_model and not work.missing
    ]


def _by_provider(ledger: Ledger, kept: Sequence[int]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for index in kept:
        found[ledger.run.turns[index].provider].append(index)
    return found


def compute_usd(hardware: Hardware, work: Work) -> Interval:
    """Return what some work costs to compute, as the chain's kind of interval."""
    cost = hardware.usd(work)
    assert cost is not None, "work of followed turns is modelled"
    return exact(cost.low, cost.mid, cost.high)


def supplier_of(provider: str, data: ChainData, choices: Choices) -> str | None:
    """Return who serves a provider's models; None (a lab that rents is meant) where nobody has said."""
    if choices.supplier is not None:
        return data.supplier(choices.supplier).name
    return provider if provider in data.suppliers else None


def rental_over_cost(hardware: Hardware, data: ChainData, contract: str) -> tuple[Figure, Interval]:
    """Return what an accelerator-hour is rented for, and that over what it costs its owner.

    The chip is the deployment's where its rental is known, else H100, whose market is the best known.
    """
    names = {scenario.description.chip for scenario in hardware.scenarios.values()}
    chip = names.pop() if len(names) == 1 else DEFAULT_RENTAL[0]
    contracts = [(chip.lower(), contract), (chip.lower(), "three years")]
    key = next((key for key in contracts if key in data.rentals), None)
    if key is None:
        chip, key = DEFAULT_RENTAL[0], (DEFAULT_RENTAL[0].lower(), contract)
    rental = data.rental(*key)
    owned = Interval.exactly(Decimal(f"{Ownership().usd_per_chip_hour(find_chip(chip)):.9g}"))
    return rental, rental.value / owned


def add_falls(paid_usd: Decimal, falls: Sequence[Waterfall]) -> Waterfall:
    """Return the waterfalls of several suppliers as one, step by step of the same name."""
    steps: dict[WaterfallStepName, WaterfallStep] = {}
    for step in (step for fall in falls for step in fall.steps):
        known = steps.get(step.name)
        if known is None:
            steps[step.name] = step
            continue
        internal = [each for each in (known.internal_usd, step.internal_usd) if each is not None]
        sources = known.source if known.source == step.source else f"{known.source}; {step.source}"
        steps[step.name] = WaterfallStep(
            step.name, known.usd + step.usd, sources, add_up(internal) if internal else None
        )
    return Waterfall(paid_usd, tuple(steps.values()))


def layers_of(
    fall: Waterfall,
    rental_per_owner_cost: Interval,
    suppliers: Mapping[str, str | None],
    paid_usd: Decimal,
    billed_usd: Decimal,
    data: ChainData,
    choices: Choices,
) -> tuple[Layer, ...]:
    """Return each layer's input cost against its output price for this run, from GPU-hours up.

    A layer whose buyer is the same company has no transaction; its row is marked internal. Several providers
    in one run are shown as the first.
    """
    usd = {step.name: step for step in fall.steps}
    owner = add_up(usd[name].usd for name in OWNER_PARTS)
    margin = usd[WaterfallStepName.GPU_HOUR_MARGIN]
    at_market = owner + (margin.internal_usd or margin.usd)
    hours = owner + margin.usd
    named = next((name for name in suppliers.values() if name is not None), None)
    if named is None:
        return ()
    serving = data.supplier(named)
    route = route_of(serving, data.supplier(choices.compute), seller_of(serving, data, choices))
    billed, paid, one = (Interval.exactly(amount) for amount in (billed_usd, paid_usd, 1))
    over_cost = rental_per_owner_cost.at_least(Decimal(1))
    figures = {
        # Rent and cost are of the same hours, so their ratio is known better than either.
        "L2": ("GPU-hours", Markup(owner, at_market, over_cost, gross_margin(over_cost, one))),
        "L3a": ("tokens", markup(hours + usd[WaterfallStepName.TRAINING].usd, billed)),
        "L3b": ("tokens", markup(hours, billed)),
        "L4": ("tokens, resold", markup(billed, paid)),
    }
    if choices.path == "plan":
        # A plan is sold by who serves the model: its tokens have no price on the way, only a cost.
        figures["L4"] = ("a session of a plan", markup(hours + usd[WaterfallStepName.TRAINING].usd, paid))
    return tuple(Layer(sale, *figures[sale.layer]) for sale in sales(route) if sale.layer in figures)


def seller_of(serving: Supplier, data: ChainData, choices: Choices) -> Supplier | None:
    """Return who sells the tokens on: an aggregator, who serves the model under a plan, or nobody."""
    if choices.path == "direct":
        return None
    if choices.path == "plan":
        return serving
    aggregator = data.aggregator(choices.aggregator)
    name = aggregator.name.partition(",")[0]
    unknown = Supplier(name, frozenset({"L4"}), aggregator.source, aggregator.checked)
    return data.suppliers.get(name, unknown)


def plan_figures(
    plan: SubscriptionPlan, billed_usd: Decimal, compute: Interval, choices: Choices
) -> PlanFigures:
    """Return what a plan's price makes of a run: break-evens against list price and against compute."""
    share = plan.usd_per_month / choices.sessions_per_month
    return PlanFigures(
        plan,
        share,
        break_even_sessions(plan, billed_usd),
        sessions_a_plan_pays_for(plan, compute),
        Interval.exactly(share) / compute,
    )


def spread_of(
    ledger: Ledger,
    kept: Sequence[int],
    billed_usd: Decimal,
    compute: Interval,
    data: ChainData,
    choices: Choices,
) -> Spread:
    """Return the run's price over the break-even anchor's for the same tokens, taken apart."""
    usage = sum((turn.usage for i in kept if (turn := ledger.run.turns[i]).usage is not None), Usage())
    fresh = usage.input_tokens - usage.cache_read_tokens
    anchored = anchor_usd(
        data.anchors[choices.anchor], fresh, usage.all_output_tokens, usage.cache_read_tokens
    )
    return decompose_spread(billed_usd, anchored, compute, data)


def tool_fees(ledger: Ledger, usd_per_call: Mapping[str, Decimal]) -> dict[str, tuple[int, Decimal]]:
    """Return calls and what per-call prices make of them, for each tool that has one (row l4-2)."""
    calls: dict[str, int] = defaultdict(int)
    for turn in ledger.run.turns:
        for block in turn.output:
            if block.link is not None:  # what pairs a call with its result
                calls[block.name] += 1
    paid = tool_payments(calls, usd_per_call)
    return {tool: (calls[tool], usd) for tool, usd in paid.items()}
