"""What a token costs on a deployment, by context, batch, speed and utilisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np

from tokenprof.hw_model.catalogue.shapes import ModelShape
from tokenprof.hw_model.equations.batching import Batch, choose_batch
from tokenprof.hw_model.equations.constants import Constants, fitted
from tokenprof.hw_model.equations.deployment import Deployment, require_capacity
from tokenprof.hw_model.equations.features import Feature
from tokenprof.hw_model.equations.gpu_hour import SECONDS_PER_HOUR, Ownership
from tokenprof.hw_model.equations.plan import pair_flops
from tokenprof.hw_model.equations.rates import memory_usd_per_byte_s, rates
from tokenprof.hw_model.equations.timing import decode_step

MILLION: Final = 1e6


@dataclass(frozen=True, slots=True)
class Operation:
    """How a deployment is run.

    `context_tokens` is the mean context, `tokens_per_s` the lowest speed that each user accepts (None: memory
    sets the batch), `batch` a batch to run at whatever the limits, `utilisation` the share of hours that are
    sold, `usd_per_accelerator_hour` what an hour costs (None: the owner's cost, 2.9).
    """

    context_tokens: float
    tokens_per_s: float | None = None
    batch: float | None = None
    utilisation: float = 1.0
    usd_per_accelerator_hour: float | None = None


@dataclass(frozen=True, slots=True)
class UnitCost:
    """What a deployment gives and costs at one operating point, on the basis of full cost.

    Units are in the names; `_usd_per_m` is USD per million tokens, and `batch` counts sequences.
    """

    batch: float
    memory_binds: bool
    step_s: float
    tokens_per_s_per_user: float
    tokens_per_s: float
    usd_per_accelerator_hour: float
    usd_per_hour: float
    fresh_input_usd_per_m: float
    cached_input_usd_per_m: float
    output_usd_per_m: float
    hold_usd_per_gb_hour: float


def unit_cost(deployment: Deployment, operation: Operation, c: Constants | None = None) -> UnitCost:
    """Return what tokens cost at one operating point.

    Input is a prompt as long as the context, either computed or read from cache in front of a thousand new
    tokens. Output is generated at that context. `c` are the constants (default: those that ship).
    Raises DeploymentError if not even one context fits.
    """
    c = c or fitted()
    plan, context = deployment.plan(), operation.context_tokens
    require_capacity(deployment, context)
    target_s = (
        None if operation.tokens_per_s is None else float(plan.tokens_per_step) / operation.tokens_per_s
    )
    batch = choose_batch(plan, context, c, target_s=target_s)
    if operation.batch is not None:
        step = decode_step(plan, operation.batch, context, c).total_s
        binds = np.asarray(operation.batch >= batch.sequences) & batch.memory_binds
        batch = Batch(np.asarray(operation.batch), binds, step)
    hour = operation.usd_per_accelerator_hour
    hour = Ownership().usd_per_chip_hour(deployment.chip) if hour is None else hour
    table = rates(plan, batch, context, hour, operation.utilisation, c).by_basis["resource_share"][0]
    step_s, sequences = float(batch.step_s), float(batch.sequences)
    new = 1_000.0
    fresh = table[Feature.PREFILL_TOKENS] + table[Feature.PREFILL_PAIRS] * context / 2.0
    cached = table[Feature.READ_PAIRS] * new + table[Feature.READ_TOKENS]
    output = table[Feature.DECODE_TOKENS] + table[Feature.DECODE_CONTEXT] * context
    per_byte_s = memory_usd_per_byte_s(plan, batch, context, hour, operation.utilisation, c)
    return UnitCost(
        batch=sequences,
        memory_binds=bool(batch.memory_binds),
        step_s=step_s,
        tokens_per_s_per_user=float(plan.tokens_per_step) / step_s,
        tokens_per_s=sequences * float(plan.tokens_per_step) / step_s,
        usd_per_accelerator_hour=hour,
        usd_per_hour=hour * deployment.accelerators / operation.utilisation,
        fresh_input_usd_per_m=float(fresh) * MILLION,
        cached_input_usd_per_m=float(cached) * MILLION,
        output_usd_per_m=float(output) * MILLION,
        hold_usd_per_gb_hour=float(per_byte_s) * 1e9 * SECONDS_PER_HOUR,
    )


def sweep(
    deployment: Deployment,
    operation: Operation,
    over: str,
    values: Sequence[float],
    c: Constants | None = None,
) -> list[tuple[float, UnitCost]]:
    """Return what tokens cost at several values of one field of `Operation`, as (value, cost) pairs.

    `over` is the name of the field. Raises ValueError if `Operation` has no such field.
    """
    names = [f.name for f in fields(Operation)]
    if over not in names:
        raise ValueError(f"{over!r} is not a quantity to sweep over; use one of {', '.join(names)}")
    points: list[tuple[float, UnitCost]] = []
    for value in values:
        changed: dict[str, Any] = {over: value}
        points.append((value, unit_cost(deployment, replace(operation, **changed), c)))
    return points


def prefill_flops(shape: ModelShape, prompt_tokens: float) -> tuple[float, float]:
    """Return the FLOPs of a prompt, in linear layers and in attention to all of it (quad-1, 2.2).

    The linear layers take 2 * P * N, attention takes `pair_flops` * N²/2.
    """
    return shape.flops_per_token * prompt_tokens, pair_flops(shape) * prompt_tokens * prompt_tokens / 2.0


def quadratic_crossover_tokens(shape: ModelShape) -> float:
    """Return the prompt length at which attention takes as many FLOPs as the linear layers (quad-1)."""
    pair = pair_flops(shape)
    return 2.0 * shape.flops_per_token / pair if pair else float("inf")
