"""How many sequences share a replica and its cost: memory, speed and demand each set a limit (2.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from tokenprof.hw_model.catalogue.arrays import Number
from tokenprof.hw_model.equations.constants import Constants
from tokenprof.hw_model.equations.memory import capacity_batch
from tokenprof.hw_model.equations.plan import ServingPlan
from tokenprof.hw_model.equations.timing import decode_step

LARGEST_BATCH: Final = 65536.0


def speed_batch(plan: ServingPlan, context_tokens: Number, target_s: Number, c: Constants) -> Number:
    """Return the largest batch whose decode step takes at most `target_s` seconds (2.6) [sequences].

    0 if the step of a single sequence is slower. A step's time grows with the batch, so bisection finds it.
    """
    low = np.zeros(
        np.broadcast(np.asarray(plan.hidden), np.asarray(context_tokens), np.asarray(target_s)).shape
    )
    high = low + np.log2(LARGEST_BATCH)
    for _ in range(30):
        middle = (low + high) / 2.0
        quick = decode_step(plan, 2.0**middle, context_tokens, c).total_s <= target_s
        low, high = np.where(quick, middle, low), np.where(quick, high, middle)
    alone = decode_step(plan, 1.0 + low * 0.0, context_tokens, c).total_s
    return np.where(alone <= target_s, 2.0**low, 0.0)


@dataclass(frozen=True, slots=True)
class Batch:
    """The batch that a replica runs at, the time of its decode step [s], and whether memory is its limit."""

    sequences: Number
    memory_binds: npt.NDArray[np.bool_]
    step_s: Number


def choose_batch(
    plan: ServingPlan,
    context_tokens: Number,
    c: Constants,
    *,
    target_s: Number | None = None,
    demand: Number = LARGEST_BATCH,
) -> Batch:
    """Return the batch: the least of what fits, what keeps `target_s`, and what is asked for (2.6).

    `target_s` is the longest decode step allowed [s], `demand` how many sequences there are to serve. The
    batch is below 1 only if not even one sequence fits; `deployment.require_capacity` refuses that.
    """
    capacity = capacity_batch(plan, context_tokens)
    others = np.asarray(demand, dtype=float)
    if target_s is not None:
        others = np.minimum(others, speed_batch(plan, context_tokens, target_s, c))
    sequences = np.minimum(capacity, np.maximum(others, 1.0))
    step = decode_step(plan, sequences, context_tokens, c).total_s
    return Batch(sequences=sequences, memory_binds=np.asarray(capacity <= others), step_s=step)
