"""The speed that a run's own clock shows, with its uncertainty: evidence on its deployment (2.14)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array
from tokenprof.hw_model.equations.quantiles import median
from tokenprof.hw_model.equations.turn_work import TurnWork

MEASURABLE_OUTPUT_TOKENS: Final = 50
"""Calls with fewer output tokens say little about decoding: what comes before the first token is longer, and
logs that were written before an answer was complete count one token or a few."""

LEAST_CALLS: Final = 5
LARGEST_SAMPLE: Final = 400
NORMAL_OF_MAD: Final = 1.4826
NORMAL_OF_MEDIAN: Final = 1.2533

FASTEST_TOKENS_PER_S: Final = 2000.0
"""No accelerator of the catalogue streams a large model to one user this fast: reading the weights alone
takes longer. A run that is faster was answered by a replay, and its clock says nothing about hardware."""


@dataclass(frozen=True, slots=True)
class ObservedSpeed:
    """Tokens per second after the first token, the standard error of their logarithm, and how it was read.

    `calls` is how many calls it rests on; `method` is in words.
    """

    tokens_per_s: float
    log_sd: float
    calls: int
    method: str


def observed_speed(turns: Sequence[TurnWork]) -> ObservedSpeed | None:
    """Return the speed of decoding that these calls saw; None if too few are long enough or have a clock.

    Where calls say when the first token came, it is the median of output / (duration - TTFT). Else it is one
    over the slope of duration on output (Theil 1950, Sen 1968), which leaves out what each call waits before
    its first token. Output over duration would count that wait as decoding. None also for the clock of a
    replay or a loopback provider.
    """
    streamed = [
        (t.duration_s - t.ttft_s) / t.output_tokens
        for t in turns
        if t.duration_s is not None
        and t.ttft_s is not None
        and t.duration_s > t.ttft_s
        and t.output_tokens >= MEASURABLE_OUTPUT_TOKENS
    ]
    found = _of_streamed(np.array(streamed)) if len(streamed) >= LEAST_CALLS else _of_slope(turns)
    return found if found is not None and found.tokens_per_s <= FASTEST_TOKENS_PER_S else None


def _of_streamed(seconds_per_token: Array) -> ObservedSpeed:
    logs = np.log(seconds_per_token)
    middle = median(logs)
    spread = NORMAL_OF_MAD * median(np.abs(logs - middle))
    error = NORMAL_OF_MEDIAN * spread / np.sqrt(len(logs))
    return ObservedSpeed(float(np.exp(-middle)), float(error), len(logs), "output after the first token")


def _of_slope(turns: Sequence[TurnWork]) -> ObservedSpeed | None:
    """Return the speed from the median of the slopes between all pairs of calls, with Sen's interval."""
    clocked = [
        (float(t.output_tokens), t.duration_s)
        for t in turns
        if t.duration_s and t.output_tokens >= MEASURABLE_OUTPUT_TOKENS
    ]
    if len(clocked) < LEAST_CALLS:
        return None
    points = np.array(clocked, dtype=float)
    points = points[:: max(len(points) // LARGEST_SAMPLE, 1)]
    n = len(points)
    first, second = np.triu_indices(n, 1)
    run = points[second, 0] - points[first, 0]
    apart = np.abs(run) >= MEASURABLE_OUTPUT_TOKENS
    if apart.sum() < LEAST_CALLS:
        return None
    slopes = np.sort((points[second, 1] - points[first, 1])[apart] / run[apart])
    middle = median(slopes)
    # One standard deviation of Kendall's statistic, as ranks of the sorted slopes.
    ranks = np.sqrt(n * (n - 1.0) * (2.0 * n + 5.0) / 18.0) * len(slopes) / (n * (n - 1.0) / 2.0)
    at = (np.array([-1.0, 1.0]) * ranks + len(slopes)) / 2.0
    low, high = slopes[np.clip(at.astype(int), 0, len(slopes) - 1)].tolist()
    if middle <= 0.0:
        return None
    error = (high - low) / 2.0 / middle
    return ObservedSpeed(1.0 / middle, float(error), n, "slope of duration on output")
