"""Fit the constants of the time equations to measurements, yours or the public set.

Weighted least squares on the logarithm of predicted over measured time. A soft-L1 loss keeps odd rows from
counting much, and a log-normal prior on each constant keeps what the data cannot settle physical.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tokenprof.hw_model.catalogue.arrays import Array
from tokenprof.hw_model.equations.constants import NAMES, Constants, constant_rows, fitted
from tokenprof.hw_model.equations.plan import ServingPlan, stack
from tokenprof.hw_model.measured.error_figures import error_figures
from tokenprof.hw_model.measured.measurements import Measurement
from tokenprof.hw_model.service.aggregated import time_per_output_token_s
from tokenprof.hw_model.service.load import ClientLoad, stack_loads

NOISE: Final = 0.10
"""Errors beyond this share count linearly, not squared; it is about the spread between engine versions."""

PRIOR_WEIGHT: Final = 4.0
_ITERATIONS: Final = 40
_STEP: Final = 1e-4


@dataclass(frozen=True, slots=True)
class ConstantPrior:
    """Where a constant starts, and how far data may move it: the sd of its logarithm, 0 for a fixed one."""

    value: float
    sd: float


@dataclass(frozen=True, slots=True)
class Fit:
    """Fitted constants with the standard deviation of each one's logarithm."""

    constants: Constants
    log_sd: Mapping[str, float]


def priors() -> dict[str, ConstantPrior]:
    """Return the priors that ship; they come from measured kernels and published studies."""
    return {name: ConstantPrior(row["prior"], row["prior_sd"]) for name, row in constant_rows().items()}


def priors_from_fit() -> dict[str, ConstantPrior]:
    """Return the shipped fit as priors, for further calibration on your own server."""
    return {
        name: ConstantPrior(row["value"], 0.0 if row["prior_sd"] == 0 else max(row["log_sd"], 0.05))
        for name, row in constant_rows().items()
    }


def stacked(measured: Sequence[Measurement]) -> tuple[ServingPlan, ClientLoad, Array]:
    """Return measurements as arrays of shape (rows,): plans, loads and times per output token [s]."""
    return (
        stack([m.deployment.plan() for m in measured]),
        stack_loads([m.load for m in measured]),
        np.array([m.tpot_s for m in measured]),
    )


def cell_weights(cells: Sequence[str]) -> Array:
    """Return weights of shape (rows,) by which a cell of n rows counts as √n rows would; their mean is 1."""
    sizes = Counter(cells)
    weights = np.array([sizes[cell] ** -0.5 for cell in cells])
    return np.asarray(weights / weights.mean())


def fit(
    measured: Sequence[Measurement], prior: Mapping[str, ConstantPrior], *, prior_weight: float = PRIOR_WEIGHT
) -> Fit:
    """Return the constants that explain the measurements best, given the priors.

    `prior_weight` is how many rows a prior counts for.
    """
    plan, load, tpot_s = stacked(measured)
    weights = cell_weights([m.cell for m in measured])
    free = [name for name in NAMES if prior[name].sd > 0]
    fixed = {name: prior[name].value for name in NAMES if prior[name].sd == 0}
    start = np.log([prior[name].value for name in free])
    pull = np.sqrt(prior_weight) / np.array([prior[name].sd for name in free])

    def constants(x: Array) -> Constants:
        return Constants(**fixed, **dict(zip(free, np.exp(x).tolist(), strict=True)))

    def errors(x: Array) -> Array:
        predicted = time_per_output_token_s(plan, load, constants(x))
        return np.asarray(np.sqrt(weights) * (np.log(predicted) - np.log(tpot_s)) / NOISE)

    found, curvature = soft_least_squares(errors, start, start, pull)
    log_sd = np.sqrt(np.diag(np.linalg.inv(curvature)))
    return Fit(constants(found), dict(zip(free, log_sd.tolist(), strict=True)))


def soft_least_squares(
    errors: Callable[[Array], Array], start: Array, centre: Array, pull: Array, iterations: int = _ITERATIONS
) -> tuple[Array, npt.NDArray[np.float64]]:
    """Minimise soft-L1 errors plus the pull towards `centre`; return the place and the curvature there.

    Levenberg and Marquardt's damped Gauss-Newton on reweighted errors.
    """

    def loss(x: Array, e: Array) -> float:
        return float(2.0 * np.sum(np.sqrt(1.0 + e * e) - 1.0) + np.sum((pull * (x - centre)) ** 2))

    x, damping = start.copy(), 1e-3
    e = errors(x)
    best = loss(x, e)
    curvature = np.diag(pull**2)
    for _ in range(iterations):
        slopes = np.stack([(errors(x + _STEP * unit) - e) / _STEP for unit in np.eye(len(x))], axis=1)
        soft = 1.0 / np.sqrt(1.0 + e * e)
        curvature = slopes.T @ (soft[:, None] * slopes) + np.diag(pull**2)
        gradient = slopes.T @ (soft * e) + pull**2 * (x - centre)
        for _ in range(12):
            tried = x - np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), gradient)
            tried_e = errors(tried)
            reached = loss(tried, tried_e)
            if reached < best:
                break
            damping *= 4.0
        else:
            break
        gained, x, e, best, damping = best - reached, tried, tried_e, reached, damping / 6.0
        if gained < 1e-7 * best:
            break
    return x, curvature


def predict(measured: Sequence[Measurement], constants: Constants) -> Array:
    """Return the predicted time per output token of each measurement, of shape (rows,) [s]."""
    plan, load, _ = stacked(measured)
    return np.asarray(time_per_output_token_s(plan, load, constants))


def held_out_predictions(
    measured: Sequence[Measurement],
    groups: Sequence[str],
    training: Sequence[bool],
    prior: Mapping[str, ConstantPrior],
    *,
    prior_weight: float = PRIOR_WEIGHT,
) -> Array:
    """Return predictions of all rows, each by constants fitted without the row's group [s].

    `groups` names the group of each row, `training` says which rows may be fitted to.
    """
    predicted = np.zeros(len(measured))
    for group in sorted(set(groups)):
        seen = [m for m, g, train in zip(measured, groups, training, strict=True) if train and g != group]
        unseen = [i for i, g in enumerate(groups) if g == group]
        constants = fit(seen, prior, prior_weight=prior_weight).constants
        predicted[unseen] = predict([measured[i] for i in unseen], constants)
    return predicted


def calibrate_to(measured: Sequence[Measurement]) -> dict[str, Any]:
    """Return constants moved from the shipped ones to explain measurements, and the errors before and after.

    The shipped fit is the prior, so a few points move little, and only what they are informative about.
    """
    shipped = fitted()
    found = fit(measured, priors_from_fit(), prior_weight=1.0)
    tpot_s = np.array([m.tpot_s for m in measured])
    constants = {}
    for name in NAMES:
        before, after = getattr(shipped, name), getattr(found.constants, name)
        constants[name] = {
            "value": after,
            "shipped": before,
            "moved": after / before - 1.0,
            "log_sd": found.log_sd.get(name, 0.0),
        }
    return {
        "constants": constants,
        "before": error_figures(predict(measured, shipped) / tpot_s),
        "after": error_figures(predict(measured, found.constants) / tpot_s),
    }
