"""Quantiles of drawn numbers, with the bits of numpy's.

Those of numpy load its masked arrays, a fortieth of a small report, to see whether they were given any.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array


def median(values: Array) -> float:
    """Return the median of at least one number, none of them NaN, in the unit of the numbers."""
    ordered = np.sort(values)
    half = len(ordered) // 2
    return float(ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2)


def percentiles(values: Array, percents: Sequence[float]) -> Array:
    """Return percentiles along the last axis, which takes their place; no number is NaN.

    Between two of the sorted numbers they are linear: type 7 of Hyndman and Fan, "Sample quantiles in
    statistical packages" (1996).
    """
    ordered = np.sort(values, axis=-1)
    last = ordered.shape[-1] - 1
    place = last * (np.asarray(percents) / 100)
    below = place.astype(int)
    share = place - below
    low, high = ordered[..., below], ordered[..., np.minimum(below + 1, last)]
    gap = high - low
    return np.asarray(np.where(share < 0.5, low + gap * share, high - gap * (1 - share)))
