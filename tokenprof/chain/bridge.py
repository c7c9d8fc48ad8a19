"""The bridge from what one more request costs to the inference margins that labs are reported to make.

Each step multiplies the cost per dollar of list price. The steps and the residual add up exactly in
logarithms, because each is the difference of two stated levels. Equations are in docs/chain.md, The bridge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import numpy as np

from tokenprof.chain.choices import Choices
from tokenprof.chain.owner_cost import Array, add_draws
from tokenprof.costing.evidence import weighted_percentiles
from tokenprof.costing.work import Model
from tokenprof.data_classes.frozen import frozen
from tokenprof.hw_model.scenario import ServingScenario
from tokenprof.pricing.chain.figures import ChainData
from tokenprof.pricing.chain.interval import ONE, Interval

LOG_DECIMALS: Final = Decimal("1e-12")

MARGINAL: Final = "marginal: power of a request"
FULL_COST_STEP: Final = "speed really delivered"


@frozen
class BridgeStep:
    """One step: by what it multiplies the cost, its logarithm, and the cost per list dollar after it.

    `factor` is a range over the draws, or over published readings; `log` is that of its middle.
    """

    name: str
    factor: Interval
    log: Decimal
    level_after: Decimal
    source: str


@frozen
class Bridge:
    """From the marginal cost of a run to the cost of inference per dollar of revenue that is published.

    `start` is the marginal cost per dollar of list price, `published` the published cost of inference per
    dollar of revenue, `residual` what the steps do not explain. log(start) + Σ log(steps) + log(residual) =
    log(published), to the last digit.
    """

    start: Decimal
    start_log: Decimal
    steps: tuple[BridgeStep, ...]
    residual: Decimal
    residual_log: Decimal
    published: Interval
    published_log: Decimal
    published_source: str

    @property
    def full_cost_per_list(self) -> Decimal:
        """The level of the headline: full cost at the hours that are paid, per dollar of list price."""
        return next(step.level_after for step in self.steps if step.name == FULL_COST_STEP)


def bridge_of(
    billed_usd: Decimal,
    scenarios: Mapping[Model, ServingScenario],
    work: Mapping[Model, Array],
    figures: ChainData,
    choices: Choices,
    *,
    trains: bool,
    weights: Array | None = None,
) -> Bridge:
    """Return the bridge of some work that was billed `billed_usd` at list price.

    `weights` count the draws (None: alike). Raises `ChainDataError` for a share that the chain file lacks.
    """
    levels = _levels(float(billed_usd), scenarios, work)
    counted = np.full(len(levels[0]), 1.0 / len(levels[0])) if weights is None else weights
    middles = [_decimal(weighted_percentiles(level, counted)[1]) for level in levels]
    hours = next(iter(scenarios[model].hours.basis for model in work))
    said = (
        (
            "work shared by a batch",
            "weights and launches that a batch shares: resource share ÷ marginal",
        ),
        ("idle share of the hours", "1 ÷ utilisation"),
        ("owner's capital and building", "the owner's hour ÷ its power: equation 2.9"),
        ("rent beyond the owner's cost", hours.source if hours.tenure != "owned" else "own racks: no rent"),
        (FULL_COST_STEP, "measured services over the equations: section 5 of docs/hardware.md"),
    )
    steps = []
    for place, (name, source) in enumerate(said):
        low, _, high = weighted_percentiles(levels[place + 1] / levels[place], counted)
        mid = middles[place + 1] / middles[place]
        factor = Interval(min(_decimal(low), mid), mid, max(_decimal(high), mid))
        steps.append(_step(name, factor, middles[place], middles[place + 1], source))
    overhead = figures.share("serving_overhead")
    more = overhead.value if choices.overhead is None else Interval.exactly(choices.overhead)
    above = Interval(ONE + more.low, ONE + more.mid, ONE + more.high)
    level = middles[-1] * above.mid
    steps.append(_step("overheads not modelled", above, middles[-1], level, overhead.source))
    revenue = figures.share("revenue_per_list" if trains else "host_revenue_per_list")
    of_list = revenue.value if choices.discount is None else Interval.exactly(ONE - choices.discount)
    per_revenue = Interval(ONE / of_list.high, ONE / of_list.mid, ONE / of_list.low)
    steps.append(_step("list price to revenue", per_revenue, level, level * per_revenue.mid, revenue.source))
    target = figures.share("inference_per_revenue" if trains else "host_cost_per_revenue")
    return _closed(middles[0], steps, target.value, target.source)


def _closed(start: Decimal, steps: Sequence[BridgeStep], published: Interval, source: str) -> Bridge:
    start_log, end_log = _log(start), _log(published.mid)
    residual_log = end_log - start_log - sum((step.log for step in steps), Decimal(0))
    return Bridge(
        start,
        start_log,
        tuple(steps),
        residual_log.exp().quantize(LOG_DECIMALS),
        residual_log,
        published,
        end_log,
        source,
    )


def _step(name: str, factor: Interval, before: Decimal, after: Decimal, source: str) -> BridgeStep:
    return BridgeStep(
        name, factor.rounded(), _log(after) - _log(before), after.quantize(LOG_DECIMALS), source
    )


def _levels(
    billed_usd: float, scenarios: Mapping[Model, ServingScenario], work: Mapping[Model, Array]
) -> list[Array]:
    """Return the cost per dollar of list price at each level, draw by draw, from marginal to full cost."""
    of_models: list[list[Array]] = []
    for model, features in work.items():
        scenario = scenarios[model]
        hours = scenario.hours
        power = np.asarray(hours.owner.power_usd / hours.paid_usd)
        full, marginal = scenario.draws_usd(features), scenario.draws_usd(features, "marginal")
        ideal = full / hours.service_factor
        of_models.append(
            [
                marginal / hours.service_factor * power,
                ideal * hours.utilisation * power,
                ideal * power,
                ideal * hours.owner_over_paid,
                ideal,
                full,
            ]
        )
    return [add_draws(each) / billed_usd for each in zip(*of_models, strict=True)]


def _decimal(value: float) -> Decimal:
    return Decimal(f"{value:.12g}")


def _log(value: Decimal) -> Decimal:
    return value.ln().quantize(LOG_DECIMALS)
