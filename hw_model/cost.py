"""What model calls cost to compute: the front door of this room.

`scenario_for` settles how a model is served, once per run; the scenario it returns prices the calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from tokenprof.hw_model.assumed import DEFAULT_TOKENS_PER_S, DEFAULT_UTILISATION, USUAL_UTILISATION
from tokenprof.hw_model.catalogue.arrays import Array
from tokenprof.hw_model.catalogue.lookup import (
    UnknownChipError,
    UnknownModelError,
    chips,
    find_chip,
    find_model,
)
from tokenprof.hw_model.catalogue.shapes import ModelShape
from tokenprof.hw_model.description import SAMPLED, Assumption, DeploymentDescription, Parallelism
from tokenprof.hw_model.equations.batching import choose_batch
from tokenprof.hw_model.equations.constants import fitted
from tokenprof.hw_model.equations.deployment import Deployment, DeploymentError, require_capacity
from tokenprof.hw_model.equations.deployment_text import parse_deployment
from tokenprof.hw_model.equations.rates import BASES, in_service, rates
from tokenprof.hw_model.equations.timing import decode_step
from tokenprof.hw_model.estimate import Estimate
from tokenprof.hw_model.fleet import sampling
from tokenprof.hw_model.fleet.clock import ObservedSpeed, observed_speed
from tokenprof.hw_model.fleet.closed_model_classes import (
    CLASSES,
    ModelClass,
    attention_in_words,
    fleet_of,
    model_class,
    precisions_in_words,
)
from tokenprof.hw_model.fleet.operator_choice import FEW_SEQUENCES, MeanTurn
from tokenprof.hw_model.hours import BY_THE_USER, hour_assumptions, hour_draws, owner_ranges
from tokenprof.hw_model.scenario import OWNED, PERCENTILES, Part, ServingScenario, TurnWork
from tokenprof.hw_model.serving_settings import (
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
    "scenario_for",
]


@dataclass(frozen=True, slots=True)
class _ObservedRun:
    """Whose calls they are, their mean, and the speed that their clock shows."""

    provider: str
    model: str
    turn: MeanTurn
    speed: ObservedSpeed | None
    when: date | None

    @property
    def context_tokens(self) -> float:
        return self.turn.context_tokens


def scenario_for(
    provider: str,
    model: str,
    *,
    turns: Sequence[TurnWork],
    settings: ServingSettings | None = None,
    when: date | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> ServingScenario:
    """Return how a model is assumed to be served for a run of these calls.

    Its deployment is drawn: chips that its hosts have on the day `when` (None: today's), and on them whatever
    serves this run's calls at its speed for least (section 4 of docs/hardware.md). The shape of an open model
    is known, that of a closed one is drawn too. `settings` says what is known instead: a deployment
    (`deepseek-v3@8xh200`), a chip, whose hours are paid, and so on; without it, the hours are the owner's,
    bottom up (2.9), and utilisation is drawn, or 0.5 for a given deployment. `draws` and `seed` do not apply
    to a given deployment; scenarios of one seed share the draws of finances and load.

    Raises UnknownModelError for a model that nobody has described, DeploymentError for a deployment that is
    not possible or does not hold the run's context, and UnknownChipError for a chip that the catalogue lacks.
    """
    given = settings or ServingSettings()
    speed = observed_speed(turns)
    if given.tokens_per_s is not None:
        speed = ObservedSpeed(given.tokens_per_s, 0.0, len(turns), BY_THE_USER)
    run = _ObservedRun(provider, model, mean_turn(turns), speed, when)
    if given.deployment is not None:
        return _fixed(run, parse_deployment(given.deployment), given)
    try:
        shape = find_model(model)
    except UnknownModelError:
        kind = model_class(provider, model)
        if kind is None:
            raise
        return _sampled(run, CLASSES[kind], fleet_of(provider, model), given, draws, seed)
    return _sampled(run, shape, OPEN_FLEET, given, draws, seed)


OPEN_FLEET: Final = "hosts"


def mean_turn(turns: Sequence[TurnWork]) -> MeanTurn:
    """Return the mean call, its context weighted by output, and the median gap after a call.

    A gap that is not known is taken as a usual tool's (`USUAL_GAP_S`).
    """
    count = max(len(turns), 1)
    output = sum(t.output_tokens for t in turns) / count
    new = sum(t.new_tokens for t in turns) / count
    context = mean_context_tokens(turns)
    gaps = [t.gap_s for t in turns if t.gap_s is not None]
    return MeanTurn(
        cached_tokens=max(context - new - output / 2.0, 0.0),
        new_tokens=new,
        output_tokens=output,
        gap_s=float(np.median(gaps)) if gaps else USUAL_GAP_S,
    )


USUAL_GAP_S: Final = 3.8
"""Median time between an answer and the next prompt in 2.9 million requests of agents [s]."""


def mean_context_tokens(turns: Sequence[TurnWork]) -> float:
    """Return the mean context before an output token of these calls [tokens]; at least 1.

    The mean prompt, if there is no output.
    """
    steps = sum(t.output_tokens for t in turns)
    if steps:
        read = sum(t.output_tokens * (t.cached_tokens + t.new_tokens + t.output_tokens / 2.0) for t in turns)
        return max(read / steps, 1.0)
    return max(sum(t.cached_tokens + t.new_tokens for t in turns) / max(len(turns), 1), 1.0)


def _clock_in_words(run: _ObservedRun) -> str:
    if run.speed is None:
        return "assumed: a usual interactive speed"
    if run.speed.method == BY_THE_USER:
        return BY_THE_USER
    return (
        f"this run's own clock: {run.speed.method}, {run.speed.tokens_per_s:.1f} tokens/s over "
        f"{run.speed.calls} calls, standard error {run.speed.log_sd:.0%}"
    )


def _fixed(run: _ObservedRun, deployment: Deployment, given: ServingSettings) -> ServingScenario:
    """Return the scenario of a described deployment."""
    c = fitted()
    require_capacity(deployment, run.context_tokens)
    plan = deployment.plan()
    load = given.utilisation or DEFAULT_UTILISATION
    alone_s = float(decode_step(plan, 1.0, run.context_tokens, c).total_s / plan.tokens_per_step)
    wanted_s = 1.0 / (run.speed.tokens_per_s if run.speed else DEFAULT_TOKENS_PER_S)
    # A deployment too slow for what was seen is not refused: it is run at nearly its best speed.
    target_s = max(wanted_s, 1.25 * alone_s)
    batch = choose_batch(plan, run.context_tokens, c, target_s=target_s * float(plan.tokens_per_step))
    chip = deployment.chip
    hours = hour_draws(
        owner_ranges(given).usual().parts_usd_per_hour(np.array([chip.capex_usd[1]]), chip.all_in_kw),
        np.array([list(chips()).index(chip.name)]),
        given,
        utilisation=np.array([load]),
        service_factor=np.ones(1),
    )
    usual = f"assumed; {USUAL_UTILISATION[0]}-{USUAL_UTILISATION[2]} is usual"
    assumptions = [
        Assumption(
            "tokens per second to each user", round(1.0 / target_s, 2), _clock_in_words(run), unit="tokens/s"
        ),
        Assumption(
            "sequences per replica",
            round(float(batch.sequences), 1),
            "memory" if batch.memory_binds else "speed",
        ),
        Assumption("mean context, tokens", round(run.context_tokens), "this run", unit="tokens"),
        Assumption("utilisation", load, usual if given.utilisation is None else BY_THE_USER),
        *hour_assumptions(hours, chip, given),
        Assumption("model shape", deployment.shape.name, deployment.shape.source),
        Assumption("chip rates", deployment.chip.name, deployment.chip.sources["tflops"]),
    ]
    if target_s > wanted_s:
        assumptions.append(
            Assumption(
                "faster than this deployment",
                round(1.0 / wanted_s, 2),
                "wanted tokens per second that it cannot give",
                unit="tokens/s",
            )
        )
    if float(batch.sequences) < FEW_SEQUENCES:
        assumptions.append(
            Assumption(
                "few sequences share a replica",
                round(float(batch.sequences), 1),
                f"an operator would want {FEW_SEQUENCES:.0f} or more; this is expensive for this run",
            )
        )
    description = DeploymentDescription(
        model=deployment.shape.name,
        chip=deployment.chip.name,
        chips=deployment.accelerators,
        precision=deployment.precision,
        parallelism=Parallelism(deployment.tp, deployment.dp, deployment.ep, deployment.pp),
        assumptions=tuple(assumptions),
        hours=hours.basis,
    )
    table = rates(plan, batch, run.context_tokens, hours.paid_usd, load, c)
    return ServingScenario(run.provider, run.model, description, False, table, hours)


def _sampled(
    run: _ObservedRun,
    served: ModelClass | ModelShape,
    fleet: str,
    given: ServingSettings,
    draws: int,
    seed: int,
) -> ServingScenario:
    """Return the scenario of a model whose deployment is drawn."""
    c = fitted()
    chip = None if given.chip is None else find_chip(given.chip).name
    asked = sampling.FleetQuestion(
        served, fleet, run.turn, run.speed, run.when, chip, owner_ranges(given), given.precision
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
        "tokens per second to each user": _clock_in_words(run),
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
    low, mid, high = _percentiles_of(drawn.choices["error of this model"])
    assumptions += [
        Assumption(
            "chips drawn from",
            ", ".join(asked.weights()),
            "public statements; weights assumed" if chip is None else BY_THE_USER,
        ),
        Assumption("weights drawn from", weights, "assumed"),
        Assumption(
            "error of this model", mid, "measured over predicted, held-out services (section 5)", low, high
        ),
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
        chips=int(np.median(np.asarray(drawn.plan.accelerators))),
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
    low, mid, high = (float(f"{v:.4g}") for v in np.percentile(values, PERCENTILES))
    return low, mid, high


def _narrowed(name: str, drawn: sampling.FleetDraws, run: _ObservedRun) -> str:
    """Return what was believed of a quantity before the run's clock was looked at, in words."""
    if run.speed is None or name not in drawn.before or name == "tokens per second to each user":
        return ""
    low, mid, high = _percentiles_of(drawn.before[name])
    return f"; before this run's clock {mid:.3g} ({low:.3g} to {high:.3g})"
