"""Fit all constants to decode times and to whole services at once.

Residuals are logarithms of predicted over measured: time per output token of aggregated servers, and time per
output token, throughput and, with a small weight, time to first token of services. The loss and the priors
are those of `calibration`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array
from tokenprof.hw_model.equations.constants import NAMES, Constants
from tokenprof.hw_model.equations.drafts import tokens_per_step
from tokenprof.hw_model.measured.calibration import (
    NOISE,
    PRIOR_WEIGHT,
    ConstantPrior,
    Fit,
    cell_weights,
    soft_least_squares,
    stacked,
)
from tokenprof.hw_model.measured.measurements import Measurement
from tokenprof.hw_model.measured.service_rows import ServicePoint
from tokenprof.hw_model.service.aggregated import time_per_output_token_s
from tokenprof.hw_model.service.load import ClientLoad, stack_loads
from tokenprof.hw_model.service.pools import (
    Pools,
    closed_loop,
    stack_pools,
    tokens_per_s_per_accelerator,
)

STEADY_SHARE: Final = 0.96
"""Throughput of a benchmark over that of its steady part: ten requests a client, and the last ones drain."""

TTFT_WEIGHT: Final = 0.1
MEASURED_WEIGHT: Final = 0.8


@dataclass(frozen=True, slots=True)
class ServicePrediction:
    """Predicted times [s] and tokens per second and accelerator, arrays of shape (points,)."""

    tpot_s: Array
    ttft_s: Array
    tokens_per_s_per_gpu: Array


@dataclass(frozen=True, slots=True)
class _Stacked:
    pools: Pools
    load: ClientLoad
    drafted: Array
    tpot_s: Array
    ttft_s: Array
    tokens_per_s_per_gpu: Array
    weights: Array


def _stack(points: Sequence[ServicePoint]) -> _Stacked:
    pools = stack_pools([p.pools for p in points])

    def column(values: Sequence[float | None]) -> Array:
        return np.array([np.nan if value is None else value for value in values], dtype=float)

    return _Stacked(
        pools,
        stack_loads([p.load for p in points]),
        np.array([p.acceptance_stated for p in points], dtype=bool),
        column([p.tpot_s for p in points]),
        column([p.ttft_s for p in points]),
        column([p.tokens_per_s_per_gpu for p in points]),
        cell_weights([p.cell for p in points]),
    )


def _predict(rows: _Stacked, c: Constants) -> ServicePrediction:
    decode = rows.pools.decode
    by_fit = tokens_per_step(decode.drafted_tokens, c.draft_acceptance)
    decode = replace(decode, tokens_per_step=np.where(rows.drafted, decode.tokens_per_step, by_fit))
    pools = replace(rows.pools, decode=decode)
    served = closed_loop(pools, rows.load, c)
    gained = STEADY_SHARE * tokens_per_s_per_accelerator(pools, rows.load, served)
    return ServicePrediction(np.asarray(served.tpot_s), np.asarray(served.ttft_s), gained)


def predict_services(points: Sequence[ServicePoint], c: Constants) -> ServicePrediction:
    """Return the predictions of measured services."""
    return _predict(_stack(points), c)


def fit_services(
    measured: Sequence[Measurement],
    services: Sequence[ServicePoint],
    prior: Mapping[str, ConstantPrior],
    *,
    start: Constants | None = None,
    iterations: int = 40,
) -> Fit:
    """Return the constants that explain decode times and services best, given the priors.

    `start` is where the search begins (default: at the priors), `iterations` how long it may take.
    """
    plan, load, tpot_s = stacked(measured)
    weights = cell_weights([m.cell for m in measured])
    rows = _stack(services)
    free = [name for name in NAMES if prior[name].sd > 0]
    fixed = {name: prior[name].value for name in NAMES if prior[name].sd == 0}
    centre = np.log([prior[name].value for name in free])
    begin = centre if start is None else np.log([getattr(start, name) for name in free])
    pull = np.sqrt(PRIOR_WEIGHT) / np.array([prior[name].sd for name in free])

    def constants(x: Array) -> Constants:
        return Constants(**fixed, **dict(zip(free, np.exp(x).tolist(), strict=True)))

    def logs(predicted: Array, seen: Array, weight: Array, share: float) -> Array:
        error = np.log(predicted) - np.log(seen)
        return np.asarray(share * np.sqrt(weight) * np.where(np.isnan(seen), 0.0, error) / NOISE)

    def errors(x: Array) -> Array:
        c = constants(x)
        found = _predict(rows, c)
        decode = np.asarray(time_per_output_token_s(plan, load, c))
        return np.concatenate(
            [
                logs(found.tpot_s, rows.tpot_s, rows.weights, 1.0),
                logs(found.tokens_per_s_per_gpu, rows.tokens_per_s_per_gpu, rows.weights, 1.0),
                logs(found.ttft_s, rows.ttft_s, rows.weights, TTFT_WEIGHT),
                logs(decode, tpot_s, weights, MEASURED_WEIGHT),
            ]
        )

    found, curvature = soft_least_squares(errors, begin, centre, pull, iterations)
    log_sd = np.sqrt(np.diag(np.linalg.inv(curvature)))
    return Fit(constants(found), dict(zip(free, log_sd.tolist(), strict=True)))
