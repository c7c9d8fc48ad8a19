"""Whether two sets of runs differ: a two-sample bootstrap of the ratio of means, whole runs resampled.

Agents take a different number of turns every time, so one run says little. Whole runs are resampled because
the turns of one run depend on each other (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
ch. 16). The resulting spread of the log ratio is judged by Student's t, because there are few runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from tokenprof.data_classes.frozen import frozen

Vector = npt.NDArray[np.float64]

RESAMPLES: Final = 2000
LEAST_RUNS: Final = 3
"""With fewer runs on either side, their spread cannot be judged."""


@frozen
class Difference:
    """How much the mean of a figure moved: `change` as a fraction (0.05 is 5 % more), and how sure that is.

    `p` is the chance of at least this growth if nothing has changed; `standard_error` is of the log ratio.
    """

    change: float
    p: float
    standard_error: float
    degrees: float

    def power(self, change: float, alpha: float) -> float:
        """Return the chance of finding a growth of `change` at level `alpha` with these runs."""
        if self.standard_error <= 0:
            return 1.0
        needed = student_quantile(1 - alpha, self.degrees)
        return student_cdf(math.log1p(change) / self.standard_error - needed, self.degrees)


def difference(
    before: Sequence[tuple[float, float]], now: Sequence[tuple[float, float]], seed: int = 0
) -> Difference | None:
    """Compare two sets of runs. Each run is a (sum, weight) pair, and the figure is Σ sums / Σ weights.

    The weight is 1 for a figure of the run, and the number of blocks for a mean over blocks. Returns None if
    either side has too few runs or a figure of 0.
    """
    if min(len(before), len(now)) < LEAST_RUNS:
        return None
    rng = np.random.default_rng(seed)
    sides = [np.asarray(side, dtype=float) for side in (before, now)]
    if any(side[:, 0].sum() <= 0 or side[:, 1].sum() <= 0 for side in sides):
        return None
    logs = [_resampled_logs(side, rng) for side in sides]
    spreads = [
        float(np.var(log)) * len(side) / (len(side) - 1) for log, side in zip(logs, sides, strict=True)
    ]
    error = math.sqrt(sum(spreads))
    moved = math.log(_figure(sides[1]) / _figure(sides[0]))
    degrees = _degrees(spreads, [len(side) for side in sides])
    if error <= 0:
        return Difference(math.expm1(moved), 0.0 if moved > 0 else 1.0, 0.0, degrees)
    return Difference(math.expm1(moved), 1 - student_cdf(moved / error, degrees), error, degrees)


def outlier(before: Sequence[tuple[float, float]], now: Sequence[tuple[float, float]]) -> Difference | None:
    """Compare one or two runs with many: how far outside their spread they lie. None if those are too few."""
    if len(before) < LEAST_RUNS or not now:
        return None
    earlier, later = (np.asarray(side, dtype=float) for side in (before, now))
    if any((side <= 0).any() for side in (earlier, later)):
        return None
    logs = np.log(earlier[:, 0] / earlier[:, 1])
    moved = math.log(_figure(later)) - float(logs.mean())
    error = float(logs.std(ddof=1)) * math.sqrt(1 / len(later) + 1 / len(logs))
    degrees = float(len(logs) - 1)
    if error <= 0:
        return Difference(math.expm1(moved), 0.0 if moved > 0 else 1.0, 0.0, degrees)
    return Difference(math.expm1(moved), 1 - student_cdf(moved / error, degrees), error, degrees)


def _figure(side: Vector) -> float:
    return float(side[:, 0].sum() / side[:, 1].sum())


def _resampled_logs(side: Vector, rng: np.random.Generator) -> Vector:
    draws = rng.integers(0, len(side), size=(RESAMPLES, len(side)))
    sums, weights = side[:, 0][draws].sum(axis=1), side[:, 1][draws].sum(axis=1)
    fine = (sums > 0) & (weights > 0)
    return np.asarray(np.log(sums[fine] / weights[fine]))


def _degrees(spreads: Sequence[float], sizes: Sequence[int]) -> float:
    """Return the Welch-Satterthwaite degrees of freedom for two unequal spreads."""
    if not sum(spreads):
        return float(sum(sizes) - 2)
    below = sum(spread**2 / (size - 1) for spread, size in zip(spreads, sizes, strict=True))
    return sum(spreads) ** 2 / below


def student_cdf(t: float, degrees: float) -> float:
    """Return the chance that Student's t is at most `t`, by the incomplete beta function."""
    x = degrees / (degrees + t * t)
    tail = 0.5 * _incomplete_beta(degrees / 2, 0.5, x)
    return 1 - tail if t > 0 else tail


def student_quantile(probability: float, degrees: float) -> float:
    """Return the value that Student's t stays below with a given probability, by bisection."""
    low, high = -1e3, 1e3
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if student_cdf(middle, degrees) < probability else (low, middle)
    return (low + high) / 2


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function (continued fraction; Abramowitz and Stegun 26.5.8)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    tiny, c = 1e-300, 1.0
    d = 1 / max(1 - (a + b) * x / (a + 1), tiny)
    total = d
    for m in range(1, 300):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + numerator * d or tiny)
            c = 1 + numerator / c or tiny
            total *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return math.exp(log_front) * total / a
