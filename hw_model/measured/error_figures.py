"""The errors of predictions as a few figures."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array

FIGURES: Final = (
    "bias",
    "mape",
    "median_ape",
    "within_25",
    "within_1_25x",
    "within_1_5x",
    "within_2x",
)


def error_figures(ratio: Array, refused: int = 0) -> dict[str, Any]:
    """Return the figures of predicted over measured, as fractions; null if there is nothing to compare.

    `bias` is the median ratio less 1; the rest are of the absolute error relative to the measured value.
    """
    if ratio.size == 0:
        empty = dict.fromkeys(
            ("bias", "mape", "median_ape", "within_25", "within_1_25x", "within_1_5x", "within_2x")
        )
        return {"n": 0, "refused": refused, **empty}
    error = np.abs(ratio - 1.0)
    return {
        "n": int(ratio.size),
        "refused": refused,
        "bias": float(np.median(ratio) - 1.0),
        "mape": float(error.mean()),
        "median_ape": float(np.median(error)),
        "within_25": float((error <= 0.25).mean()),
        "within_1_25x": _within(ratio, 1.25),
        "within_1_5x": _within(ratio, 1.5),
        "within_2x": _within(ratio, 2.0),
    }


def _within(ratio: Array, factor: float) -> float:
    return float(((ratio >= 1.0 / factor) & (ratio <= factor)).mean())
