"""The clocks of many turns, of which a sample is kept so that memory does not grow with their number.

What turns cost to compute is summed over all of them. Single ones only show for which calls, and at what
speed, a model is served (`tokenprof.hw_model.observed_run`), and a sample shows that as well.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SAMPLED_TURNS: Final = 16_384
"""The turns of a sample. The mean and the median of so many have standard errors of 1 % of their spread."""

_ODD: Final = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], np.uint64)


def sample_of(clock: Floats, up_to: int = 2 * SAMPLED_TURNS) -> Floats:
    """Return all rows of a clock up to a number, else a sample of `SAMPLED_TURNS`.

    Which rows are in it depends on the rows alone, so clocks may be put together in any order.
    """
    return clock if len(clock) <= up_to else _smallest(clock)


def _smallest(clock: Floats) -> Floats:
    """Return the rows with the smallest hashes: of those of a sample, none is lost to what is added later."""
    bits = np.ascontiguousarray(clock).view(np.uint64)
    mixed = np.zeros(len(clock), np.uint64)
    for column in bits.T:
        mixed = (mixed ^ column) * _ODD[0]
        mixed ^= mixed >> np.uint64(29)
        mixed *= _ODD[1]
    order = np.lexsort((clock[:, 0], mixed))
    return clock[order[:SAMPLED_TURNS]]
