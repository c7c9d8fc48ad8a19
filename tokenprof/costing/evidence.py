"""What published prices and margins say about the draws of a run's cost: weights, and what they move.

The hardware model draws costs from physics and from what is assumed of fleets (the prior). Prices and margins
are evidence on the same costs. Each piece gives every draw a likelihood; a posterior counts draws by the
product of those that are in use. Neither replaces the other, and each piece can be switched off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from tokenprof.costing.compute import Hardware
from tokenprof.costing.evidence_names import EVIDENCE, HOSTS, PRICE_COVERS_COST, PUBLISHED_MARGINS
from tokenprof.costing.ledger import Ledger
from tokenprof.costing.work import Work, sum_work
from tokenprof.data_classes.frozen import frozen
from tokenprof.hw_model.equations.quantiles import median
from tokenprof.hw_model.estimate import Estimate
from tokenprof.pricing.chain.figures import ChainData, Figure

Array = npt.NDArray[np.float64]

OUTPUT: Final = "output"

PRODUCTS: Final[Mapping[str, tuple[str, ...]]] = {
    "input": (
        "uncached_input", "cache_write_5m", "cache_write_1h", "cache_write_30m", "cache_write_12h",
        "cache_write",
    ),
    "cache_read": ("cache_read",),
    OUTPUT: ("output", "reasoning"),
}  # fmt: skip
"""What is sold under one price: a prompt token that is computed, one that is read, one that is written."""

PRODUCT_WORDS: Final[Mapping[str, str]] = {
    "input": "fresh or written input", "cache_read": "cached input", OUTPUT: "output",
}  # fmt: skip

SOLD_BELOW_COST: Final = 0.1
"""How often a class is sold below the cost of its hours all the same; judgement."""

PRICE_LOG_SD: Final = 0.3
"""How sharply a price below cost counts against a draw: a factor of 1.35 either way is nothing; judgement."""

LITTLE: Final = 0.05
"""A change of the logarithm of a ratio that is not worth a reason."""

RUN_LOG_SD: Final = 0.5
"""How far one run's margin is from its lab's average: its share of cached input, its speed; judgement."""

NORMAL_OF_ENDS: Final = 1.2816
"""Standard deviations from the middle of a normal distribution to its tenth or ninetieth percentile."""


@frozen
class EvidenceEffect:
    """A piece of evidence, whether it is in use, and the ratio that it would lead to alone.

    `because` says in this run's figures why it moves the ratio as it does; empty if it does not apply.
    """

    name: str
    about: str
    in_use: bool
    price_to_cost: Estimate | None
    because: str
    source: str


@frozen
class Posterior:
    """The cost of a run's followed turns with the evidence that is in use.

    `hardware_usd` is at the hours that are paid [USD], `price_to_cost` billed ÷ that. `effective_draws` is
    how many equally likely draws the weighted ones are worth.
    """

    hardware_usd: Estimate
    price_to_cost: Estimate
    effective_draws: float
    effects: tuple[EvidenceEffect, ...]
    weights: Array


@frozen
class FollowedCost:
    """The followed turns of a run as draws: cost in all and by product, at the hours that are paid [USD].

    `service` is by what the cost of each draw was multiplied beyond the equations. `trains` says that the
    server serves its own, closed models, `is_drawn` that deployments were drawn: prices and margins of others
    say nothing about one that somebody describes.
    """

    billed_usd: float
    cost_usd: Array
    billed_by_product: Mapping[str, float]
    cost_by_product: Mapping[str, Array]
    service: Array
    trains: bool
    is_drawn: bool = True


def followed_cost(ledger: Ledger, hardware: Hardware, turns: Sequence[int], *, trains: bool) -> FollowedCost:
    """Return the draws of some turns. The classes are those of all modelled turns, in proportion."""
    work = sum_work(hardware.turns[index] for index in turns)
    billed = sum((ledger.billed_usd[index] or Decimal(0) for index in turns), Decimal(0))
    by_product, cost = {}, {}
    for product, classes in PRODUCTS.items():
        sums = [ledger.classes[cls] for cls in classes if cls in ledger.classes]
        amount = float(sum((each.at_least_usd or Decimal(0) for each in sums), Decimal(0)))
        done = sum_work(hardware.classes.get(cls, Work()) for cls in classes)
        if amount > 0 and done.by_model:
            by_product[product], cost[product] = amount, _draws(hardware, done)
    service = [np.asarray(hardware.scenarios[model].hours.service_factor) for model in work.by_model]
    joint = np.exp(np.mean(np.broadcast_arrays(*(np.log(each) for each in service)), axis=0))
    is_drawn = all(hardware.scenarios[model].sampled for model in work.by_model)
    return FollowedCost(float(billed), _draws(hardware, work), by_product, cost, joint, trains, is_drawn)


def _draws(hardware: Hardware, work: Work) -> Array:
    each = [hardware.scenarios[model].draws_usd(features) for model, features in work.by_model.items()]
    return np.asarray(np.sum(np.broadcast_arrays(*each), axis=0))


def posterior_of(cost: FollowedCost, figures: ChainData, without: Sequence[str] = ()) -> Posterior:
    """Return the cost with all evidence but that named in `without`, and what each piece does alone."""
    silent = _Piece(None, "", "one deployment is given")
    found = {name: read(cost, figures) if cost.is_drawn else silent for name, read in READ.items()}
    weights = np.ones(len(cost.cost_usd))
    for name, piece in found.items():
        if piece.likely is not None and name not in without:
            weights = weights * piece.likely
    weights = _normal(weights)
    effects = tuple(
        EvidenceEffect(
            name,
            EVIDENCE[name],
            piece.likely is not None and name not in without,
            None if piece.likely is None else _ratio(cost, _normal(piece.likely)),
            piece.because,
            piece.source,
        )
        for name, piece in found.items()
    )
    return Posterior(
        Estimate(*weighted_percentiles(cost.cost_usd, weights)),
        _ratio(cost, weights),
        float(1.0 / np.sum(weights**2)) if cost.is_drawn else 1.0,
        effects,
        weights,
    )


def _ratio(cost: FollowedCost, weights: Array) -> Estimate:
    low, mid, high = weighted_percentiles(cost.cost_usd, weights)
    return Estimate(cost.billed_usd / high, cost.billed_usd / mid, cost.billed_usd / low)


def _normal(weights: Array) -> Array:
    total = float(np.sum(weights))
    # Evidence that no draw agrees with at all says that the model is wrong, not which draw is right.
    return weights / total if total > 0 else np.full(len(weights), 1.0 / len(weights))


def weighted_percentiles(values: Array, weights: Array) -> tuple[float, float, float]:
    """Return P10, P50 and P90 of values that count by their weights, each the value of one draw.

    Equal weights give the percentiles of `ServingScenario.usd_many`.
    """
    order = np.argsort(values)
    up_to = np.cumsum(weights[order]) / np.sum(weights)
    last = len(values) - 1
    if np.allclose(weights, weights[0]):
        ranks = [round(share * last) for share in (0.1, 0.5, 0.9)]
    else:
        ranks = [min(int(np.searchsorted(up_to, share)), last) for share in (0.1, 0.5, 0.9)]
    low, mid, high = values[order][ranks].tolist()
    return low, mid, high


@frozen
class _Piece:
    """How likely each draw makes a piece of evidence (None: it says nothing here), why, and its source."""

    likely: Array | None
    because: str
    source: str


def _price_covers_cost(cost: FollowedCost, figures: ChainData) -> _Piece:
    likely = np.ones(len(cost.cost_usd))
    prior = _ratio(cost, _normal(likely)).mid
    sold_below = figures.share("host_output_below_cost")
    moved: dict[str, float] = {}
    for product, billed in cost.billed_by_product.items():
        margin = np.log(billed / np.maximum(cost.cost_by_product[product], 1e-300)) / PRICE_LOG_SD
        hosts_output = product == OUTPUT and not cost.trains
        below = float(sold_below.value.mid) if hosts_output else SOLD_BELOW_COST
        of_product = below + (1.0 - below) * _normal_below(margin)
        moved[product] = _ratio(cost, _normal(of_product)).mid / prior
        likely = likely * of_product
    source = "judgement: one class in ten is sold below cost; a factor of 1.35 either way is nothing"
    if not cost.trains:
        source += f"; output of hosts: {sold_below.source}"
    return _Piece(likely, _class_that_moves_most(cost, moved), source)


def _class_that_moves_most(cost: FollowedCost, moved: Mapping[str, float]) -> str:
    if not moved:
        return "no class of this run has a price and compute"
    product = max(moved, key=lambda name: abs(np.log(moved[name])))
    if abs(np.log(moved[product])) < LITTLE:
        return "every class is billed above its compute in nearly all draws, so little is ruled out"
    middle = cost.billed_by_product[product] / median(cost.cost_by_product[product])
    return (
        f"{PRODUCT_WORDS[product]} is billed at {middle:.2g} times its compute in the middle draw, which "
        f"alone moves the ratio by a factor of {moved[product]:.2g}"
    )


def _hosts(cost: FollowedCost, figures: ChainData) -> _Piece:
    market, margin_of_hosts = figures.share("host_price_to_cost"), figures.share("host_margin")
    error = np.log(cost.service / median(cost.service))
    due, sd = _log_of(market)
    usual, usual_sd = _log_of(margin_of_hosts)
    because = (
        f"hosts charge {market.value.mid} times what this model says their hours cost, where "
        f"{margin_of_hosts.value.mid} times would leave the margins that hosts publish, so costs are taken "
        f"to be {np.exp(due - usual):.2g} times the model's"
    )
    spread = float(np.hypot(sd, usual_sd))
    return _Piece(_bell(error, due - usual, spread), because, f"{market.source}; {margin_of_hosts.source}")


def _published_margins(cost: FollowedCost, figures: ChainData) -> _Piece:
    if not cost.trains:
        return _Piece(None, "", "published margins are those of labs")
    target, revenue = figures.share("inference_per_revenue"), figures.share("revenue_per_list")
    overhead = figures.share("serving_overhead")
    of_revenue = np.log(
        cost.cost_usd * (1.0 + float(overhead.value.mid)) / (cost.billed_usd * float(revenue.value.mid))
    )
    middle, sd = _log_of(target)
    _, revenue_sd = _log_of(revenue)
    ours = float(np.exp(median(of_revenue)))
    because = (
        f"labs report {100 * float(target.value.mid):.3g}¢ of cost per dollar of revenue, and this run's "
        f"compute with overheads comes to {100 * ours:.3g}¢"
    )
    spread = float(np.sqrt(sd**2 + revenue_sd**2 + RUN_LOG_SD**2))
    return _Piece(_bell(of_revenue, middle, spread), because, f"{target.source}; {revenue.source}")


READ: Final[Mapping[str, Callable[[FollowedCost, ChainData], _Piece]]] = {
    PRICE_COVERS_COST: _price_covers_cost,
    HOSTS: _hosts,
    PUBLISHED_MARGINS: _published_margins,
}
"""What reads each piece of evidence."""


def _log_of(row: Figure) -> tuple[float, float]:
    """Return the logarithm of a figure's middle, and the deviation of which its ends are P10 and P90."""
    low, mid, high = (float(end) for end in (row.value.low, row.value.mid, row.value.high))
    return float(np.log(mid)), float(np.log(high / low) / (2.0 * NORMAL_OF_ENDS))


def _bell(values: Array, middle: float, sd: float) -> Array:
    return np.asarray(np.exp(-0.5 * ((values - middle) / sd) ** 2))


def _normal_below(z: Array) -> Array:
    """Return the share of a standard normal distribution below z (Abramowitz and Stegun 26.2.17)."""
    t = 1.0 / (1.0 + 0.2316419 * np.abs(z))
    series = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    above = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi) * series
    return np.asarray(np.where(z >= 0, 1.0 - above, above))
