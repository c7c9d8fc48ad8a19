"""What a run's hours cost: their owner, by part, and whoever rents them, draw by draw.

The hardware model prices work at the hour that the server pays, and keeps the owner's hour beside it by part.
Here both are taken apart, so that what is uncertain about the hour stays joint with what is uncertain about
the work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from tokenprof.costing.work import Model
from tokenprof.hw_model.cost import OWNED
from tokenprof.hw_model.equations.quantiles import median, percentiles
from tokenprof.hw_model.scenario import ServingScenario
from tokenprof.pricing.chain.interval import Interval
from tokenprof.pricing.chain.layers import OWNER_PARTS, HourDollars, WaterfallStepName

Array = npt.NDArray[np.float64]


def owner_shares(scenario: ServingScenario) -> dict[WaterfallStepName, Array]:
    """Return the shares of an owner's hour that are chips, building and power, draw by draw.

    Chips include their maintenance. The equations are in docs/chain.md, "The owner's hour".
    """
    hour = scenario.hours.owner
    parts = zip(OWNER_PARTS, (hour.chips_usd, hour.building_usd, hour.power_usd), strict=True)
    return {name: np.asarray(usd / hour.total_usd) for name, usd in parts}


def hour_costs(
    scenarios: Mapping[Model, ServingScenario], work: Mapping[Model, Array]
) -> tuple[HourDollars, Interval | None]:
    """Return what the hours of some work cost (P10, P50 and P90), and their rent over their owner's cost.

    The ratio is that of the market, whoever pays; None if no rent is known.

    `work` holds the work's features by model, each of which `scenarios` must describe. The middles of the
    owner's parts are scaled to add up to the middle of the owner's cost, and with that of the margin to the
    middle of what is paid, as the report states both.
    """
    parts: dict[WaterfallStepName, list[Array]] = {name: [] for name in OWNER_PARTS}
    owned: list[Array] = []
    paid: list[Array] = []
    rented: list[Array] = []
    for model, features in work.items():
        scenario = scenarios[model]
        usd = scenario.draws_usd(features, OWNED)
        owned.append(usd)
        paid.append(scenario.draws_usd(features))
        if scenario.hours.rent_usd is not None:
            rented.append(usd * scenario.hours.rent_usd / scenario.hours.owner.total_usd)
        for name, share in owner_shares(scenario).items():
            parts[name].append(usd * share)
    own, full = add_draws(owned), add_draws(paid)
    joint = {name: add_draws(draws) for name, draws in parts.items()}
    middle = median(own)
    scale = middle / (sum(median(usd) for usd in joint.values()) or 1.0)
    of_parts = {name: _around(usd, median(usd) * scale) for name, usd in joint.items()}
    margin = _around(full - own, median(full) - middle)
    if len(rented) < len(owned):
        return HourDollars(of_parts, margin), None
    market = add_draws(rented)
    of_market = _around(market - own, median(market) - middle)
    ratio = _around(market / own, median(market) / middle if middle else 1.0)
    return HourDollars(of_parts, margin, of_market), ratio


def _around(draws: Array, mid: float) -> Interval:
    low, _, high = percentiles(draws, [10, 50, 90]).tolist()
    return as_interval(min(low, mid), mid, max(high, mid))


def add_draws(draws: Sequence[Array]) -> Array:
    """Return the sum of several models' draws, draw by draw.

    A fixed deployment has a single draw, which stands for all of the others'.
    """
    return np.asarray(np.sum(np.broadcast_arrays(*draws), axis=0))


def as_interval(low: float, mid: float, high: float) -> Interval:
    """Return floats of the hardware model as an interval of decimals, to nine significant digits."""
    return Interval(*(Decimal(f"{value:.9g}") for value in (low, mid, high)))
