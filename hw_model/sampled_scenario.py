"""The scenario of a model whose deployment is drawn."""

from __future__ import annotations

import numpy as np

from tokenprof.hw_model.assumed import USUAL_UTILISATION
from tokenprof.hw_model.catalogue.arrays import Array
from tokenprof.hw_model.catalogue.lookup import find_chip
from tokenprof.hw_model.catalogue.shapes import ModelShape
from tokenprof.hw_model.description import SAMPLED, Assumption, DeploymentDescription
from tokenprof.hw_model.equations.constants import fitted
from tokenprof.hw_model.equations.deployment_error import DeploymentError
from tokenprof.hw_model.equations.quantiles import median, percentiles
from tokenprof.hw_model.equations.rates import in_service, rates
from tokenprof.hw_model.figures_in_words import quantity
from tokenprof.hw_model.fleet import sampling
from tokenprof.hw_model.fleet.closed_model_classes import (
    ModelClass,
    attention_in_words,
    precisions_in_words,
)
from tokenprof.hw_model.fleet.operator_choice import FEW_SEQUENCES
from tokenprof.hw_model.hours import error_assumption, hour_assumptions, hour_draws, owner_ranges
from tokenprof.hw_model.observed_run import ObservedRun, clock_in_words
from tokenprof.hw_model.scenario import PERCENTILES, ServingScenario
from tokenprof.hw_model.serving_settings import BY_THE_USER, ServingSettings


def sampled_scenario(
    run: ObservedRun,
    served: ModelClass | ModelShape,
    fleet: str,
    given: ServingSettings,
    draws: int,
    seed: int,
) -> ServingScenario:
    """Return the scenario of a model whose deployment is drawn."""
    c = fitted()
    chip = None if given.chip is None else find_chip(given.chip).name
    owner = owner_ranges(given)
    asked = sampling.FleetQuestion(
        served, fleet, run.turn, run.speed, run.when, chip, owner, given.precision, given.techniques
    )
    try:
        drawn = sampling.sample(
            asked, utilisation=given.utilisation or USUAL_UTILISATION, draws=draws, seed=seed, c=c
        )
    except ValueError as problem:
        raise DeploymentError(str(problem)) from None
    hours = hour_draws(
        drawn.owner_hour,
        drawn.choices["chip"],
        given,
        utilisation=drawn.utilisation,
        service_factor=drawn.own_error,
        seed=seed,
    )
    replaced = sampling.BEHIND_THE_HOUR if hours.basis.tenure != "owned" else frozenset()
    is_open = isinstance(served, ModelShape)
    usual = f"assumed: triangular {', '.join(map(str, USUAL_UTILISATION))}"
    evidence = served.source if isinstance(served, ModelShape) else served.evidence
    sources = {
        "active parameters": evidence,
        "total parameters": evidence,
        "KV bytes per token": evidence,
        "utilisation": usual if given.utilisation is None else BY_THE_USER,
        "capital per accelerator": "hw_model/data/chips.json",
        "tokens per second to each user": clock_in_words(run),
        "sequences per replica": "what is cheapest at that speed and context",
        "accelerators per replica": "what is cheapest at that speed and context",
    }
    assumptions = []
    for name, values in drawn.named.items():
        if name not in replaced:
            low, mid, high = _percentiles_of(values)
            unit = sampling.UNITS.get(name)
            assumptions.append(
                Assumption(name, mid, sources[name] + _narrowed(name, drawn, run), low, high, unit)
            )
    assumptions += hour_assumptions(hours, None, given)
    weights = "as published, or 4-bit where the chip multiplies it" if is_open else precisions_in_words()
    assumptions += [
        Assumption(
            "chips drawn from",
            ", ".join(asked.weights()),
            "public statements; weights assumed" if chip is None else BY_THE_USER,
        ),
        Assumption("weights drawn from", weights, "assumed"),
        error_assumption(hours),
        Assumption(
            "share of draws that reach the speed seen", round(drawn.reaches, 3), "the cheapest layout"
        ),
        Assumption("mean context, tokens", round(run.context_tokens), "this run", unit="tokens"),
    ]
    if not is_open:
        assumptions.append(Assumption("attention drawn from", attention_in_words(), "assumed"))
    if drawn.few > 0:
        assumptions.append(
            Assumption(
                "share of draws with few sequences on a replica",
                round(drawn.few, 3),
                f"fewer than {FEW_SEQUENCES:.0f}: nothing else serves this context at this speed",
            )
        )
    unknown = "deployment" if is_open else "architecture"
    description = DeploymentDescription(
        model=f"{served.name} ({unknown} not published; {draws} draws)",
        chip=SAMPLED,
        chips=int(median(np.asarray(drawn.plan.accelerators))),
        precision=SAMPLED,
        parallelism=None,
        assumptions=tuple(assumptions),
        hours=hours.basis,
    )
    table = rates(drawn.plan, drawn.batch, run.context_tokens, hours.paid_usd, drawn.utilisation, c)
    scaled = in_service(table, drawn.own_error, drawn.prompt_load)
    everything = {**drawn.named, **drawn.choices}
    if hours.basis.tenure == "rented":
        everything["USD per accelerator-hour, rented"] = hours.paid_usd
    return ServingScenario(run.provider, run.model, description, True, scaled, hours, everything, replaced)


def _percentiles_of(values: Array) -> tuple[float, float, float]:
    low, mid, high = (float(f"{v:.4g}") for v in percentiles(values, PERCENTILES))
    return low, mid, high


def _narrowed(name: str, drawn: sampling.FleetDraws, run: ObservedRun) -> str:
    """Return what was believed of a quantity before the run's clock was looked at, in words."""
    if run.speed is None or name not in drawn.before or name == "tokens per second to each user":
        return ""
    low, mid, high = _percentiles_of(drawn.before[name])
    return f"; before this run's clock {quantity(mid)} ({quantity(low)} to {quantity(high)})"
