"""What a run's hours cost their owner: chips, building and power, draw by draw.

The hardware model prices work at the owner's cost of an accelerator-hour. Here that hour is taken apart, so
that what is uncertain about the hour stays joint with what is uncertain about the work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from tokenprof.costing.work import Model
from tokenprof.hw_model.catalogue.lookup import chips, find_chip
from tokenprof.hw_model.equations.gpu_hour import Ownership
from tokenprof.hw_model.scenario import ServingScenario
from tokenprof.pricing.chain.interval import Interval
from tokenprof.pricing.chain.layers import OWNER_PARTS, WaterfallStepName

Array = npt.NDArray[np.float64]


def owner_shares(scenario: ServingScenario) -> dict[WaterfallStepName, Array]:
    """Return the shares of an accelerator-hour's cost that are chips, building and power, draw by draw.

    Chips include their maintenance. The equations are in docs/chain.md, "The owner's hour".
    """
    owner, drawn = Ownership(), scenario.drawn
    if drawn:
        table = list(chips().values())
        kw = np.array([chip.all_in_kw for chip in table])[drawn["chip"].astype(int)]
        capital = drawn["capital per accelerator"]
        owner = Ownership(cost_of_capital=drawn["cost of capital"], life_years=drawn["life, years"])
    else:
        chip = find_chip(scenario.description.chip)
        kw, capital = np.array([chip.all_in_kw]), np.array([chip.capex_usd[1]])
    hour = owner.parts_usd_per_hour(capital, kw)
    hourly = dict(zip(OWNER_PARTS, (hour.chips_usd, hour.building_usd, hour.power_usd), strict=True))
    return {name: np.asarray(usd / hour.total_usd) for name, usd in hourly.items()}


def owner_cost(
    scenarios: Mapping[Model, ServingScenario], work: Mapping[Model, Array]
) -> dict[WaterfallStepName, Interval]:
    """Return what some work costs the owner of the racks [USD], by part: P10, P50 and P90.

    `work` holds the work's features by model, each of which `scenarios` must describe. The middles are scaled
    to add up to the middle of the whole, as the report states it.
    """
    parts: dict[WaterfallStepName, list[Array]] = {name: [] for name in OWNER_PARTS}
    for model, features in work.items():
        usd = scenarios[model].draws_usd(features)
        for name, share in owner_shares(scenarios[model]).items():
            parts[name].append(usd * share)
    joint = {name: add_draws(draws) for name, draws in parts.items()}
    middle = float(np.median(np.sum(list(joint.values()), axis=0)))
    of_parts = {name: np.percentile(usd, [10, 50, 90]) for name, usd in joint.items()}
    scale = middle / (sum(row[1] for row in of_parts.values()) or 1.0)
    found = {}
    for name, (low, mid, high) in of_parts.items():
        scaled = mid * scale
        found[name] = as_interval(min(low, scaled), scaled, max(high, scaled))
    return found


def add_draws(draws: Sequence[Array]) -> Array:
    """Return the sum of several models' draws, draw by draw.

    A fixed deployment has a single draw, which stands for all of the others'.
    """
    return np.asarray(np.sum(np.broadcast_arrays(*draws), axis=0))


def as_interval(low: float, mid: float, high: float) -> Interval:
    """Return floats of the hardware model as an interval of decimals, to nine significant digits."""
    return Interval(*(Decimal(f"{value:.9g}") for value in (low, mid, high)))
