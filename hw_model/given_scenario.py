"""The scenario of a deployment that somebody describes."""

from __future__ import annotations

import numpy as np

from tokenprof.hw_model.assumed import DEFAULT_TOKENS_PER_S, DEFAULT_UTILISATION, USUAL_UTILISATION
from tokenprof.hw_model.catalogue.lookup import chips
from tokenprof.hw_model.description import Assumption, DeploymentDescription, Parallelism
from tokenprof.hw_model.equations.batching import choose_batch
from tokenprof.hw_model.equations.constants import fitted
from tokenprof.hw_model.equations.deployment import Deployment, require_capacity
from tokenprof.hw_model.equations.rates import in_service, rates
from tokenprof.hw_model.equations.timing import decode_step
from tokenprof.hw_model.fleet.operator_choice import FEW_SEQUENCES
from tokenprof.hw_model.fleet.own_error import error_of_one
from tokenprof.hw_model.hours import error_assumption, hour_assumptions, hour_draws, owner_ranges
from tokenprof.hw_model.observed_run import ObservedRun, clock_in_words
from tokenprof.hw_model.scenario import ServingScenario
from tokenprof.hw_model.serving_settings import BY_THE_USER, ServingSettings


def given_scenario(
    run: ObservedRun, deployment: Deployment, given: ServingSettings, draws: int
) -> ServingScenario:
    """Return the scenario of a described deployment: its draws differ by this model's own error only."""
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
    error = error_of_one(run.context_tokens, drafts=float(plan.drafted_tokens) > 0, draws=draws)
    hours = hour_draws(
        owner_ranges(given).usual().parts_usd_per_hour(np.array([chip.capex_usd[1]]), chip.all_in_kw),
        np.array([list(chips()).index(chip.name)]),
        given,
        utilisation=np.array([load]),
        service_factor=error,
    )
    usual = f"assumed; {USUAL_UTILISATION[0]}-{USUAL_UTILISATION[2]} is usual"
    assumptions = [
        Assumption(
            "tokens per second to each user", round(1.0 / target_s, 2), clock_in_words(run), unit="tokens/s"
        ),
        Assumption(
            "sequences per replica",
            round(float(batch.sequences), 1),
            "memory" if batch.memory_binds else "speed",
        ),
        Assumption("mean context, tokens", round(run.context_tokens), "this run", unit="tokens"),
        Assumption("utilisation", load, usual if given.utilisation is None else BY_THE_USER),
        *hour_assumptions(hours, chip, given),
        error_assumption(hours),
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
    scaled = in_service(table, error, np.ones(1))
    return ServingScenario(run.provider, run.model, description, False, scaled, hours)
