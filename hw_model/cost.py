"""What model calls cost to compute: the front door of this room.

`scenario_for` settles how a model is served, once per run; the scenario it returns prices the calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tokenprof.hw_model import closed_models
from tokenprof.hw_model.assumed import DEFAULT_TOKENS_PER_S, DEFAULT_UTILISATION, USUAL_UTILISATION
from tokenprof.hw_model.batching import choose_batch
from tokenprof.hw_model.catalogue.lookup import UnknownChipError, UnknownModelError, find_model
from tokenprof.hw_model.closed_model_classes import (
    CLASSES,
    FLEETS,
    attention_in_words,
    fleet_of,
    model_class,
    precisions_in_words,
)
from tokenprof.hw_model.constants import fitted
from tokenprof.hw_model.deployment import Deployment, DeploymentError, parse_deployment
from tokenprof.hw_model.description import SAMPLED, Assumption, DeploymentDescription, Parallelism
from tokenprof.hw_model.estimate import Estimate
from tokenprof.hw_model.gpu_hour import Ownership
from tokenprof.hw_model.rates import BASES, rates
from tokenprof.hw_model.scenario import PERCENTILES, Part, ServingScenario, TurnWork
from tokenprof.hw_model.timing import decode_step

__all__ = [
    "BASES",
    "Assumption",
    "AssumptionError",
    "DeploymentDescription",
    "DeploymentError",
    "Estimate",
    "Part",
    "ServingScenario",
    "TurnWork",
    "UnknownChipError",
    "UnknownModelError",
    "scenario_for",
]

BY_THE_USER: Final = "given by the user"

MEASURABLE_OUTPUT_TOKENS: Final = 50
"""Calls with fewer output tokens say nothing about the speed of decoding: the prompt takes longer."""

FASTEST_TOKENS_PER_S: Final = 2000.0
"""No accelerator of the catalogue streams a large model to one user this fast: reading the weights alone
takes longer. A run that is faster was answered by a replay, and its clock says nothing about hardware."""


class AssumptionError(ValueError):
    """A figure given by the user is outside its range; the message names it and what is allowed."""


@dataclass(frozen=True, slots=True)
class _Given:
    """What the user says about the fleet, in place of our assumptions; None for what they do not say."""

    utilisation: float | None
    usd_per_gpu_hour: float | None

    def __post_init__(self) -> None:
        # Written so that NaN, which compares false with everything, is refused too.
        if self.utilisation is not None and not 0 < self.utilisation <= 1:
            raise AssumptionError(
                f"a utilisation of {self.utilisation} is not possible; give a share above 0 and at most 1"
            )
        hour = self.usd_per_gpu_hour
        if hour is not None and not 0 < hour < float("inf"):
            raise AssumptionError(
                f"{hour} USD per accelerator-hour is not possible; give a price above 0, for example 2.5"
            )


@dataclass(frozen=True, slots=True)
class _ObservedRun:
    """Whose calls they are, their mean context [tokens] and the speed they saw [tokens/s] or None."""

    provider: str
    model: str
    context_tokens: float
    tokens_per_s: float | None


def scenario_for(
    provider: str,
    model: str,
    *,
    turns: Sequence[TurnWork],
    deployment: str | None = None,
    utilisation: float | None = None,
    usd_per_gpu_hour: float | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> ServingScenario:
    """Return how a model is assumed to be served for a run of these calls.

    Models with a known shape run on a fixed deployment: the smallest on H200 that fits, or what `deployment`
    says (`deepseek-v3@8xh200`; the grammar is in `tokenprof.hw_model.deployment`). Closed models are sampled.

    `utilisation` is the share of the fleet's hours that are sold, above 0 and at most 1; without it, 0.5 is
    assumed, or it is drawn. `usd_per_gpu_hour` is USD per accelerator-hour and replaces the owner's cost on
    every chip; without it, that cost is worked out bottom up (2.9). `draws` and `seed` apply to closed
    models only; scenarios of one seed share the draws of finances and load.

    Raises UnknownModelError for a model that nobody has described, DeploymentError for a deployment that is
    not possible, and AssumptionError for a utilisation or a price outside its range.
    """
    given = _Given(utilisation, usd_per_gpu_hour)
    run = _ObservedRun(provider, model, mean_context_tokens(turns), observed_tokens_per_s(turns))
    if deployment is not None:
        return _fixed(run, parse_deployment(deployment), given)
    try:
        shape = find_model(model)
    except UnknownModelError:
        kind = model_class(provider, model)
        if kind is None:
            raise
        return _sampled(run, kind, given, draws, seed)
    return _fixed(run, parse_deployment(shape.name), given)


def mean_context_tokens(turns: Sequence[TurnWork]) -> float:
    """Return the mean context before an output token of these calls [tokens]; at least 1.

    The mean prompt, if there is no output.
    """
    steps = sum(t.output_tokens for t in turns)
    if steps:
        read = sum(t.output_tokens * (t.cached_tokens + t.new_tokens + t.output_tokens / 2.0) for t in turns)
        return max(read / steps, 1.0)
    return max(sum(t.cached_tokens + t.new_tokens for t in turns) / max(len(turns), 1), 1.0)


def observed_tokens_per_s(turns: Sequence[TurnWork]) -> float | None:
    """Return the speed that these calls saw: the median of output over wall time [tokens/s], a lower bound.

    None if no call is long enough, or if the clock is that of a replay or a loopback provider.
    """
    speeds = [
        t.output_tokens / t.duration_s
        for t in turns
        if t.duration_s is not None and t.duration_s > 0 and t.output_tokens >= MEASURABLE_OUTPUT_TOKENS
    ]
    median = float(np.median(speeds)) if speeds else None
    return median if median is None or median <= FASTEST_TOKENS_PER_S else None


def _fixed(run: _ObservedRun, deployment: Deployment, given: _Given) -> ServingScenario:
    """Return the scenario of a described deployment."""
    c = fitted()
    plan = deployment.plan()
    owner = Ownership()
    usd_per_hour = given.usd_per_gpu_hour or owner.usd_per_chip_hour(deployment.chip)
    load = given.utilisation or DEFAULT_UTILISATION
    alone_s = float(decode_step(plan, 1.0, run.context_tokens, c).total_s / plan.tokens_per_step)
    wanted_s = 1.0 / (run.tokens_per_s or DEFAULT_TOKENS_PER_S)
    # A deployment too slow for what was seen is not refused: it is run at nearly its best speed.
    target_s = max(wanted_s, 1.25 * alone_s)
    batch = choose_batch(plan, run.context_tokens, c, target_s=target_s * float(plan.tokens_per_step))
    clock = "assumed: a usual interactive speed"
    if run.tokens_per_s is not None:
        clock = "this run's own clock, prompt time included"
    hour: tuple[Assumption, ...] = (
        Assumption(
            "USD per accelerator-hour, owned",
            round(usd_per_hour, 3),
            "capital recovery, equation 2.9",
            unit="USD/h",
        ),
        *owner.assumptions(deployment.chip),
    )
    if given.usd_per_gpu_hour is not None:
        hour = (Assumption("USD per accelerator-hour", usd_per_hour, BY_THE_USER, unit="USD/h"),)
    usual = f"assumed; {USUAL_UTILISATION[0]}-{USUAL_UTILISATION[2]} is usual"
    assumptions = [
        Assumption("tokens per second to each user", round(1.0 / target_s, 2), clock, unit="tokens/s"),
        Assumption(
            "sequences per replica",
            round(float(batch.sequences), 1),
            "memory" if batch.memory_binds else "speed",
        ),
        Assumption("mean context, tokens", round(run.context_tokens), "this run", unit="tokens"),
        Assumption("utilisation", load, usual if given.utilisation is None else BY_THE_USER),
        *hour,
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
    description = DeploymentDescription(
        model=deployment.shape.name,
        chip=deployment.chip.name,
        chips=deployment.accelerators,
        precision=deployment.precision,
        parallelism=Parallelism(deployment.tp, deployment.dp, deployment.ep, deployment.pp),
        assumptions=tuple(assumptions),
    )
    table = rates(plan, batch, run.context_tokens, usd_per_hour, load, c)
    return ServingScenario(run.provider, run.model, description, False, table)


def _sampled(run: _ObservedRun, kind: str, given: _Given, draws: int, seed: int) -> ServingScenario:
    """Return the scenario of a closed model of a class."""
    c = fitted()
    fleet = fleet_of(run.provider, run.model)
    drawn = closed_models.sample(
        kind, fleet, context_tokens=run.context_tokens, observed_tokens_per_s=run.tokens_per_s,
        utilisation=given.utilisation, draws=draws, seed=seed, c=c,
    )  # fmt: skip
    replaced: frozenset[str] = frozenset()
    hour = drawn.usd_per_accelerator_hour
    if given.usd_per_gpu_hour is not None:
        replaced = closed_models.BEHIND_THE_HOUR
        hour = np.full(draws, given.usd_per_gpu_hour)
    believed = CLASSES[kind]
    usual = f"assumed: triangular {', '.join(map(str, USUAL_UTILISATION))}"
    sources = {
        "active parameters": believed.evidence,
        "total parameters": believed.evidence,
        "KV bytes per token": believed.evidence,
        "utilisation": usual if given.utilisation is None else BY_THE_USER,
        "capital per accelerator": "hw_model/data/chips.json",
        "tokens per second to each user": "assumed for the class"
        if run.tokens_per_s is None
        else "this run's own clock",
    }
    assumptions = []
    for name, values in drawn.named.items():
        if name not in replaced:
            low, mid, high = (float(f"{v:.4g}") for v in np.percentile(values, PERCENTILES))
            unit = closed_models.UNITS.get(name)
            assumptions.append(Assumption(name, mid, sources.get(name, "drawn"), low, high, unit))
    if given.usd_per_gpu_hour is not None:
        assumptions.append(
            Assumption("USD per accelerator-hour", given.usd_per_gpu_hour, BY_THE_USER, unit="USD/h")
        )
    fleet_names = ", ".join(FLEETS[fleet])
    assumptions += [
        Assumption("chips drawn from", fleet_names, "public statements; weights assumed"),
        Assumption("weights drawn from", precisions_in_words(), "assumed"),
        Assumption("attention drawn from", attention_in_words(), "assumed"),
        Assumption("share of draws that reach the speed seen", round(drawn.accepted, 3), "rejection"),
        Assumption("mean context, tokens", round(run.context_tokens), "this run", unit="tokens"),
    ]
    description = DeploymentDescription(
        model=f"{believed.name} (architecture not published; {draws} draws)",
        chip=SAMPLED,
        chips=int(np.median(np.asarray(drawn.plan.accelerators))),
        precision=SAMPLED,
        parallelism=None,
        assumptions=tuple(assumptions),
    )
    table = rates(drawn.plan, drawn.batch, run.context_tokens, hour, drawn.utilisation, c)
    everything = {**drawn.named, **drawn.choices}
    return ServingScenario(run.provider, run.model, description, True, table, everything, replaced)
