"""What model calls cost to compute: the front door of this room.

`scenario_for` settles how a model is served, once per run; the scenario it returns prices the calls. What
only drawing needs is imported when something is drawn, since most reports find what was drawn before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from tokenprof.hw_model.catalogue.lookup import (
    UnknownChipError,
    UnknownModelError,
    find_chip,
    find_model,
    known_model,
)
from tokenprof.hw_model.catalogue.shapes import ModelShape
from tokenprof.hw_model.description import Assumption, DeploymentDescription
from tokenprof.hw_model.equations.deployment_error import DeploymentError
from tokenprof.hw_model.equations.features import BASES
from tokenprof.hw_model.estimate import Estimate
from tokenprof.hw_model.fleet.clock import ObservedSpeed, observed_speed
from tokenprof.hw_model.fleet.closed_model_classes import CLASSES, ModelClass, fleet_of, model_class
from tokenprof.hw_model.kept_scenario import Remember, code_version, scenario_bytes, scenario_of
from tokenprof.hw_model.observed_run import ObservedRun, mean_turn
from tokenprof.hw_model.scenario import OWNED, Part, ServingScenario, TurnWork
from tokenprof.hw_model.serving_settings import (
    BY_THE_USER,
    AssumptionError,
    RentedHours,
    RentOfChip,
    ServingSettings,
)

__all__ = [
    "BASES",
    "CLASSES",
    "OWNED",
    "Assumption",
    "AssumptionError",
    "DeploymentDescription",
    "DeploymentError",
    "Estimate",
    "Part",
    "RentOfChip",
    "RentedHours",
    "ServingScenario",
    "ServingSettings",
    "TurnWork",
    "UnknownChipError",
    "UnknownModelError",
    "find_chip",
    "find_model",
    "known_model",
    "scenario_for",
]


def scenario_for(
    provider: str,
    model: str,
    *,
    turns: Sequence[TurnWork],
    settings: ServingSettings | None = None,
    when: date | None = None,
    draws: int = 2000,
    seed: int = 0,
    remember: Remember | None = None,
) -> ServingScenario:
    """Return how a model is assumed to be served for a run of these calls.

    Its deployment is drawn: chips that its hosts have on the day `when` (None: today's), and on them whatever
    serves this run's calls at its speed for least (section 4 of docs/hardware.md). The shape of an open model
    is known, that of a closed one is drawn too. `settings` says what is known instead: a deployment
    (`deepseek-v3@8xh200`), a chip, whose hours are paid, and so on; without it, the hours are the owner's,
    bottom up (2.9), and utilisation is drawn, or 0.5 for a given deployment, of which only this model's own
    error is drawn. Scenarios of one seed share the draws of finances and load. `remember` may keep drawn
    scenarios between processes; they are the same to the last bit.

    Raises UnknownModelError for a model that nobody has described, DeploymentError for a deployment that is
    not possible or does not hold the run's context, and UnknownChipError for a chip that the catalogue lacks.
    """
    given = settings or ServingSettings()
    speed = observed_speed(turns)
    if given.tokens_per_s is not None:
        speed = ObservedSpeed(given.tokens_per_s, 0.0, len(turns), BY_THE_USER)
    run = ObservedRun(provider, model, mean_turn(turns), speed, when)
    if given.deployment is not None:
        from tokenprof.hw_model.equations.deployment_text import parse_deployment
        from tokenprof.hw_model.given_scenario import given_scenario

        return given_scenario(run, parse_deployment(given.deployment), given, draws)
    shape, kind = known_model(model), model_class(provider, model)
    if shape is None and kind is not None:
        return _drawn(run, CLASSES[kind], fleet_of(provider, model), given, draws, seed, remember)
    return _drawn(run, shape or find_model(model), OPEN_FLEET, given, draws, seed, remember)


OPEN_FLEET: Final = "hosts"


def _drawn(
    run: ObservedRun,
    served: ModelClass | ModelShape,
    fleet: str,
    given: ServingSettings,
    draws: int,
    seed: int,
    remember: Remember | None,
) -> ServingScenario:
    """Return the scenario of a model whose deployment is drawn, from memory if it was drawn before."""

    def draw() -> ServingScenario:
        from tokenprof.hw_model.sampled_scenario import sampled_scenario

        return sampled_scenario(run, served, fleet, given, draws, seed)

    version = None if remember is None else code_version()
    if remember is None or version is None:
        return draw()
    made: list[ServingScenario] = []

    def make() -> bytes:
        made.append(draw())
        return scenario_bytes(made[0])

    kept = remember(repr((version, run, served, fleet, given, draws, seed)), make)
    if made:
        return made[0]
    try:
        return scenario_of(kept)
    except (ValueError, KeyError, TypeError):
        return draw()
