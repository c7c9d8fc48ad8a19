"""A run's hours as their owner pays for them: chips, building and power, draw by draw.

The hardware model prices work at the owner's cost of an accelerator-hour; here that hour is taken apart, so
that what is uncertain about it stays joint with what is uncertain about the work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from tokenprof.costing.compute import Hardware, Model, turn_works
from tokenprof.facts.types import Run
from tokenprof.hw_model.catalogue.lookup import chips, find_chip
from tokenprof.hw_model.cost import ServingScenario, TurnWork, scenario_for
from tokenprof.hw_model.deployment import DeploymentError
from tokenprof.hw_model.gpu_hour import Ownership
from tokenprof.hw_model.rates import Rates
from tokenprof.pricing.chain.interval import Interval
from tokenprof.pricing.chain.layers import OWNER_PARTS, WaterfallStepName

Array = npt.NDArray[np.float64]

FEWEST_DRAWS: Final = 20
"""A percentile of fewer draws than these says nothing."""


def owner_shares(scenario: ServingScenario) -> dict[WaterfallStepName, Array]:
    """Return what share of an accelerator-hour is chips (with maintenance), building and power, per draw."""
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
    """Return what some work costs the owner of the racks, by part, USD: P10, P50, P90.

    The middles add up to the middle of the whole, as the report states it.
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
        found[name] = exact(min(low, scaled), scaled, max(high, scaled))
    return found


def add_draws(draws: Sequence[Array]) -> Array:
    """Return the sum of several models' draws, world by world; a fixed deployment has one for all."""
    return np.asarray(np.sum(np.broadcast_arrays(*draws), axis=0))


def exact(low: float, mid: float, high: float) -> Interval:
    """Return floats of the hardware model as an interval of decimals, to nine significant digits."""
    return Interval(*(Decimal(f"{value:.9g}") for value in (low, mid, high)))


def interval_of(draws: Array) -> Interval:
    """Return P10, P50 and P90 of draws."""
    low, mid, high = np.percentile(draws, [10, 50, 90])
    return exact(low, mid, high)


def at_utilisation(
    run: Run, hardware: Hardware, utilisation: float, deployment: str | None = None
) -> Hardware:
    """Return the same work on the same deployments, used for another share of their hours.

    Raises ValueError for a share that is none.
    """
    if not 0 < utilisation <= 1:
        raise ValueError(f"A utilisation of {utilisation} is none; give a share above 0 and up to 1.")
    works = _works(run)
    scenarios = {
        model: scenario_for(*model, turns=works[model], deployment=deployment, utilisation=utilisation)
        for model in hardware.scenarios
    }
    return replace(hardware, scenarios=scenarios)


def on_chip(run: Run, hardware: Hardware, chip: str, utilisation: float | None = None) -> Hardware | None:
    """Return the same work on one generation of hardware; None where a model cannot be served on it.

    A model of known shape moves to the smallest deployment of that chip that holds it. Of a sampled model
    the draws on that chip are kept, so it must be one that its maker is thought to use. Raises
    `hw_model.catalogue.UnknownChipError` for a chip that nobody has described.
    """
    wanted = find_chip(chip)
    works = _works(run)
    scenarios: dict[Model, ServingScenario] = {}
    sampled = [scenario for scenario in hardware.scenarios.values() if scenario.sampled]
    rows = [_rows_on(scenario, list(chips()).index(wanted.name)) for scenario in sampled]
    worlds = min((len(on) for on in rows), default=FEWEST_DRAWS)
    if worlds < FEWEST_DRAWS:
        return None
    for model, scenario in hardware.scenarios.items():
        if scenario.sampled:
            # As many of each model, so that draws of several models can be added.
            scenarios[model] = _kept(scenario, rows.pop(0)[:worlds])
            continue
        text = f"{scenario.description.model}@{wanted.name.replace(' ', '-')}"
        try:
            scenarios[model] = scenario_for(
                *model, turns=works[model], deployment=text, utilisation=utilisation
            )
        except DeploymentError:
            return None
    return replace(hardware, scenarios=scenarios)


def _works(run: Run) -> dict[Model, list[TurnWork]]:
    found: dict[Model, list[TurnWork]] = defaultdict(list)
    for turn, work in zip(run.turns, turn_works(run), strict=True):
        if work is not None:
            found[turn.provider, turn.model].append(work)
    return found


def generations(hardware: Hardware) -> list[str]:
    """Return the chips that could serve a run: the catalogue's for open models, a maker's for closed ones."""
    names = list(chips())
    possible = set(names)
    for scenario in hardware.scenarios.values():
        if scenario.sampled:
            possible &= {names[int(index)] for index in np.unique(scenario.drawn["chip"])}
    return [name for name in names if name in possible]


def _rows_on(scenario: ServingScenario, chip_index: int) -> npt.NDArray[np.intp]:
    return np.flatnonzero(scenario.drawn["chip"].astype(int) == chip_index)


def _kept(scenario: ServingScenario, rows: npt.NDArray[np.intp]) -> ServingScenario:
    kept = Rates({basis: table[rows] for basis, table in scenario.rates.by_basis.items()})
    return replace(scenario, rates=kept, drawn={name: drawn[rows] for name, drawn in scenario.drawn.items()})
