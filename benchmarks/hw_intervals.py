"""How wide the errors of predicted services are: one scale for each regime, out of few rows.

A regime has few rows, and they come from few cells, so its percentiles say little alone. The error of a row
is taken as its regime's middle plus its regime's scale times a common shape:

    ln(measured / predicted) = middle(regime) + scale(regime) · z
    ln scale = effects of engine, 4-bit weights, split pools, drafts, new to AMD + the regime's own part

Middles and own parts are drawn towards what all rows say, and 90 % intervals take two percentiles of z.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

PERCENTILES = (4.0, 96.0)
MIDDLE_SHRUNK_BY_ROWS = 60.0
SCALE_SHRUNK_BY_ROWS = 30.0
EFFECT_SHRUNK_BY_ROWS = 5.0
LEAST_ERROR = 0.02
"""Errors below 2 % count as this much: the logarithm of an error of 0 would rule the scale."""

WORDS = ("sglang", "vllm", "atom", "fp4", "disaggregated", "no")


@dataclass(frozen=True)
class IntervalModel:
    """Middles, effects and own parts of the scale, and the two percentiles of the common shape."""

    overall: float
    middle: Mapping[str, float]
    effects: Array
    own: Mapping[str, float]
    ends: tuple[float, float]

    def factors(self, regime: str, new: bool) -> tuple[float, float]:
        """Return the factors from a predicted throughput to the ends of its 90 % interval."""
        scale = float(np.exp(_row(regime, new) @ self.effects + self.own.get(regime, 0.0)))
        middle = self.middle.get(regime, self.overall)
        low, high = (float(np.exp(middle + end * scale)) for end in self.ends)
        return low, high

    @property
    def wider_if_new(self) -> float:
        """By how many times an interval is wider, in logarithms, for a model that is new to AMD's chips."""
        return float(np.exp(self.effects[-1]))


def fit_intervals(logs: Array, regimes: Sequence[str], new: Sequence[bool], weights: Array) -> IntervalModel:
    """Return the model of some errors, ln(measured / predicted), which count by their weights."""
    names = np.array(regimes)
    overall = weighted_percentiles(logs, weights, (50.0,))[0]
    middle = {}
    for regime, own in _groups(names):
        share = own.sum() / (own.sum() + MIDDLE_SHRUNK_BY_ROWS)
        at = weighted_percentiles(logs[own], weights[own], (50.0,))[0]
        middle[regime] = float(share * at + (1.0 - share) * overall)
    away = logs - np.array([middle[name] for name in names])
    size = np.log(np.maximum(np.abs(away), LEAST_ERROR))
    rows = np.array([_row(name, fresh) for name, fresh in zip(regimes, new, strict=True)])
    shrink = np.diag([0.0] + [EFFECT_SHRUNK_BY_ROWS] * (rows.shape[1] - 1))
    effects = np.linalg.solve(rows.T @ (weights[:, None] * rows) + shrink, rows.T @ (weights * size))
    left = size - rows @ effects
    own_part = {
        regime: float(np.sum(weights[own] * left[own]) / (weights[own].sum() + SCALE_SHRUNK_BY_ROWS))
        for regime, own in _groups(names)
    }
    scale = np.exp(rows @ effects + np.array([own_part[name] for name in names]))
    low, high = weighted_percentiles(away / scale, weights, PERCENTILES).tolist()
    return IntervalModel(float(overall), middle, effects, own_part, (low, high))


def all_regimes() -> Iterator[str]:
    """Yield the names of all regimes of single turns, measured or not."""
    for engine, width, pools, drafts in product(
        ("trtllm", "vllm", "sglang", "atom"),
        ("fp8", "fp4", "bf16"),
        ("aggregated", "disaggregated"),
        ("drafts", "no drafts"),
    ):
        yield f"{engine} {width} {pools} {drafts}"


def covered(
    logs: Array, regimes: Sequence[str], new: Sequence[bool], cells: Sequence[str], weights: Array
) -> npt.NDArray[np.bool_]:
    """Return which rows lie in the interval made of the errors of all other cells."""
    inside = np.zeros(len(logs), dtype=bool)
    names, fresh = np.array(regimes), np.array(new, dtype=bool)
    for _, own in _groups(np.array(cells)):
        model = fit_intervals(logs[~own], names[~own].tolist(), fresh[~own].tolist(), weights[~own])
        for i in np.flatnonzero(own):
            low, high = model.factors(regimes[i], bool(fresh[i]))
            inside[i] = low <= np.exp(logs[i]) <= high
    return inside


def weighted_percentiles(values: Array, weights: Array, percentiles: Sequence[float]) -> Array:
    """Return weighted percentiles, on straight lines between the middles of the weights."""
    order = np.argsort(values)
    share = (np.cumsum(weights[order]) - weights[order] / 2.0) / weights.sum()
    return np.interp(np.array(percentiles) / 100.0, share, values[order])


def _row(regime: str, new: bool) -> Array:
    words = regime.split()
    return np.array([1.0, *(float(word in words) for word in WORDS), float(new)])


def _groups(names: npt.NDArray[np.str_]) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    for name in sorted(set(names.tolist())):
        yield name, names == name
