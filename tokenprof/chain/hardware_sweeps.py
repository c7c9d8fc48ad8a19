"""The same run at other fleet utilisations (overbuild) and on other generations of hardware (trajectory)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, cast

import numpy as np

from tokenprof.chain.followed_turns import followed_turns
from tokenprof.costing.compute import Hardware
from tokenprof.costing.ledger import Ledger
from tokenprof.costing.work import Model, Work
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import Run
from tokenprof.hw_model.catalogue.lookup import chips, find_chip
from tokenprof.hw_model.cost import TurnWork, scenario_for
from tokenprof.hw_model.equations.deployment_error import DeploymentError
from tokenprof.hw_model.estimate import Estimate

UTILISATIONS: Final = (0.1, 0.2, 0.3, 0.5, 0.8, 1.0)
NEXT_GENERATIONS: Final = ("GB300", "VR200")
"""Racks that are not in every fleet yet: shown beside those that are, to see where the cost goes."""

SWEPT_DRAWS: Final = 500
"""Draws of each step of a sweep: enough for its P10 and P90."""


@frozen
class SweptCost:
    """What the followed turns cost to compute on some hardware, beside an unchanged bill.

    `chips` is the number of accelerators of the deployment; None if the turns are of several models.
    `price_to_cost` is billed ÷ `hardware_usd`; both are None if the cost is unknown.
    """

    chips: int | None
    hardware_usd: Estimate | None
    price_to_cost: Estimate | None


@frozen
class UtilisationStep:
    """The run if this share of the fleet's hours were sold."""

    utilisation: float
    cost: SweptCost


@frozen
class GenerationStep:
    """The run on one generation of hardware, named by its chip."""

    chip: str
    cost: SweptCost


@frozen
class Sweeps:
    """The same run at other utilisations and on other generations of hardware."""

    utilisation: tuple[UtilisationStep, ...]
    generations: tuple[GenerationStep, ...]


def sweeps_of(ledger: Ledger, hardware: Hardware) -> Sweeps:
    """Return what a run's followed turns cost at other utilisations and on other generations of hardware."""
    followed = followed_turns(ledger, hardware)

    def cost_on(other: Hardware) -> SweptCost:
        return _swept_cost(other, followed.work, followed.billed_usd)

    used = [at_utilisation(ledger.run, hardware, share) for share in UTILISATIONS]
    moved = [(chip, on_chip(ledger.run, hardware, chip)) for chip in generations(hardware)]
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


def at_utilisation(run: Run, hardware: Hardware, utilisation: float) -> Hardware:
    """Return the same work on the same deployments with another share of the fleet's hours sold.

    `utilisation` is above 0 and at most 1. The costs of single entries are left unknown. Raises
    `hw_model.cost.AssumptionError` for a share outside that range.
    """
    return served_otherwise(run, hardware, utilisation=utilisation)


def on_chip(run: Run, hardware: Hardware, chip: str) -> Hardware | None:
    """Return the same work served on one chip as an operator would; None if nothing of it holds the model.

    The costs of single entries are left unknown. Raises `hw_model.catalogue.lookup.UnknownChipError` for a
    chip that the catalogue lacks.
    """
    wanted = find_chip(chip).name
    try:
        return served_otherwise(run, hardware, chip=wanted, deployment=None)
    except DeploymentError:
        return None


def served_otherwise(run: Run, hardware: Hardware, **changes: object) -> Hardware:
    """Return the same work with some fields of `hw_model.cost.ServingSettings` changed.

    The costs of single entries are left unknown. Raises `hw_model.cost.DeploymentError` if that cannot serve
    a model of the run.
    """
    said = hardware.serving
    settings = replace(said.settings, **cast(dict[str, Any], changes))
    serving = replace(said, settings=settings)
    works, first = _works_by_model(run, hardware), run.turns[0].started_at.date()
    sellers = {(turn.provider, turn.model): turn.seller for turn in reversed(run.turns)}
    scenarios = {
        model: scenario_for(
            *model,
            turns=works[model],
            settings=serving.of_model(*model, sellers[model], first),
            when=first,
            draws=SWEPT_DRAWS,
        )
        for model in hardware.scenarios
    }
    return replace(hardware, scenarios=scenarios, part_usd={}, serving=serving)


def generations(hardware: Hardware) -> list[str]:
    """Return the chips that could serve a run: any for open models, those of its maker for a closed one."""
    names = list(chips())
    possible = set(names)
    for scenario in hardware.scenarios.values():
        if scenario.sampled:
            possible &= {names[int(index)] for index in np.unique(scenario.drawn["chip"])}
    return [name for name in names if name in possible or name in NEXT_GENERATIONS]


def _works_by_model(run: Run, hardware: Hardware) -> dict[Model, list[TurnWork]]:
    found: dict[Model, list[TurnWork]] = defaultdict(list)
    for turn, work in zip(run.turns, hardware.works, strict=True):
        if work is not None:
            found[turn.provider, turn.model].append(work)
    return found
