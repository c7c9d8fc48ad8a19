"""The same run at other fleet utilisations (overbuild) and on other generations of hardware (trajectory)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from tokenprof.chain.followed_turns import followed_turns
from tokenprof.costing.compute import Hardware
from tokenprof.costing.ledger import Ledger
from tokenprof.costing.work import Model, Work
from tokenprof.facts.types import Run
from tokenprof.hw_model.catalogue.lookup import chips, find_chip
from tokenprof.hw_model.cost import ServingScenario, TurnWork, scenario_for
from tokenprof.hw_model.equations.deployment import DeploymentError
from tokenprof.hw_model.equations.rates import Rates
from tokenprof.hw_model.estimate import Estimate

UTILISATIONS: Final = (0.1, 0.2, 0.3, 0.5, 0.8, 1.0)
FEWEST_DRAWS: Final = 20
"""With fewer draws than this, a percentile says nothing."""


@dataclass(frozen=True, slots=True)
class SweptCost:
    """What the followed turns cost to compute on some hardware, beside an unchanged bill.

    `chips` is the number of accelerators of the deployment; None if the turns are of several models.
    `price_to_cost` is billed ÷ `hardware_usd`; both are None if the cost is unknown.
    """

    chips: int | None
    hardware_usd: Estimate | None
    price_to_cost: Estimate | None


@dataclass(frozen=True, slots=True)
class UtilisationStep:
    """The run if this share of the fleet's hours were sold."""

    utilisation: float
    cost: SweptCost


@dataclass(frozen=True, slots=True)
class GenerationStep:
    """The run on one generation of hardware, named by its chip."""

    chip: str
    cost: SweptCost


@dataclass(frozen=True, slots=True)
class Sweeps:
    """The same run at other utilisations and on other generations of hardware."""

    utilisation: tuple[UtilisationStep, ...]
    generations: tuple[GenerationStep, ...]


def sweeps_of(
    ledger: Ledger,
    hardware: Hardware,
    *,
    deployment: str | None = None,
    utilisation: float | None = None,
    usd_per_gpu_hour: float | None = None,
) -> Sweeps:
    """Return what a run's followed turns cost at other utilisations and on other generations of hardware.

    `hardware` was made with `deployment`, `utilisation` (share of the fleet's hours that are sold) and
    `usd_per_gpu_hour` (USD per accelerator-hour in place of the owner's cost).
    """
    followed = followed_turns(ledger, hardware)

    def cost_on(other: Hardware) -> SweptCost:
        return _swept_cost(other, followed.work, followed.billed_usd)

    used = [
        at_utilisation(ledger.run, hardware, share, deployment, usd_per_gpu_hour) for share in UTILISATIONS
    ]
    moved = [
        (chip, on_chip(ledger.run, hardware, chip, utilisation, usd_per_gpu_hour))
        for chip in generations(hardware)
    ]
    return Sweeps(
        tuple(
            UtilisationStep(share, cost_on(other)) for share, other in zip(UTILISATIONS, used, strict=True)
        ),
        tuple(GenerationStep(chip, cost_on(other)) for chip, other in moved if other is not None),
    )


def _swept_cost(hardware: Hardware, work: Work, billed_usd: Decimal) -> SweptCost:
    cost, billed = hardware.usd(work), float(billed_usd)
    counts: list[int | None] = [hardware.scenarios[model].description.chips for model in work.by_model]
    ratio = None
    if cost is not None and cost.low > 0:
        ratio = Estimate(billed / cost.high, billed / cost.mid, billed / cost.low)
    return SweptCost(counts[0] if len(counts) == 1 else None, cost, ratio)


def at_utilisation(
    run: Run,
    hardware: Hardware,
    utilisation: float,
    deployment: str | None = None,
    usd_per_gpu_hour: float | None = None,
) -> Hardware:
    """Return the same work on the same deployments with another share of the fleet's hours sold.

    `utilisation` is above 0 and at most 1; `deployment` and `usd_per_gpu_hour` are those that `hardware` was
    made with. The costs of single entries are left unknown. Raises `hw_model.cost.AssumptionError` for a
    share outside that range.
    """
    works = _works_by_model(run, hardware)
    scenarios = {
        model: scenario_for(
            *model,
            turns=works[model],
            deployment=deployment,
            utilisation=utilisation,
            usd_per_gpu_hour=usd_per_gpu_hour,
        )
        for model in hardware.scenarios
    }
    return _served_by(hardware, scenarios)


def on_chip(
    run: Run,
    hardware: Hardware,
    chip: str,
    utilisation: float | None = None,
    usd_per_gpu_hour: float | None = None,
) -> Hardware | None:
    """Return the same work on one generation of hardware; None if a model cannot be served on it.

    A model of known shape moves to the smallest deployment of that chip that holds it. Of a sampled model the
    draws on that chip are kept, so it must be a chip that the model's maker is thought to use. The costs of
    single entries are left unknown. Raises `hw_model.catalogue.lookup.UnknownChipError` for a chip that the
    catalogue lacks.
    """
    wanted = find_chip(chip)
    works = _works_by_model(run, hardware)
    sampled = {model: scenario for model, scenario in hardware.scenarios.items() if scenario.sampled}
    index = list(chips()).index(wanted.name)
    rows = {model: _rows_on(scenario, index) for model, scenario in sampled.items()}
    # The draws of several models are added, so each model keeps as many.
    draws = min((len(on) for on in rows.values()), default=FEWEST_DRAWS)
    if draws < FEWEST_DRAWS:
        return None
    scenarios: dict[Model, ServingScenario] = {}
    for model, scenario in hardware.scenarios.items():
        if model in rows:
            scenarios[model] = _kept(scenario, rows[model][:draws])
            continue
        text = f"{scenario.description.model}@{wanted.name.replace(' ', '-')}"
        try:
            scenarios[model] = scenario_for(
                *model,
                turns=works[model],
                deployment=text,
                utilisation=utilisation,
                usd_per_gpu_hour=usd_per_gpu_hour,
            )
        except DeploymentError:
            return None
    return _served_by(hardware, scenarios)


def generations(hardware: Hardware) -> list[str]:
    """Return the chips that could serve a run: any for open models, those of its maker for a closed one."""
    names = list(chips())
    possible = set(names)
    for scenario in hardware.scenarios.values():
        if scenario.sampled:
            possible &= {names[int(index)] for index in np.unique(scenario.drawn["chip"])}
    return [name for name in names if name in possible]


def _served_by(hardware: Hardware, scenarios: Mapping[Model, ServingScenario]) -> Hardware:
    """Return the same work served otherwise; `part_usd` would be of the old deployments, so it is emptied."""
    return replace(hardware, scenarios=scenarios, part_usd={})


def _works_by_model(run: Run, hardware: Hardware) -> dict[Model, list[TurnWork]]:
    found: dict[Model, list[TurnWork]] = defaultdict(list)
    for turn, work in zip(run.turns, hardware.works, strict=True):
        if work is not None:
            found[turn.provider, turn.model].append(work)
    return found


def _rows_on(scenario: ServingScenario, chip_index: int) -> npt.NDArray[np.intp]:
    return np.flatnonzero(scenario.drawn["chip"].astype(int) == chip_index)


def _kept(scenario: ServingScenario, rows: npt.NDArray[np.intp]) -> ServingScenario:
    kept = Rates({basis: table[rows] for basis, table in scenario.rates.by_basis.items()})
    return replace(scenario, rates=kept, drawn={name: drawn[rows] for name, drawn in scenario.drawn.items()})
