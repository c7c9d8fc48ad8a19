"""How many sequences share a replica, and so its cost: memory, speed and demand each set a limit (2.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from tokenprof.hw_model.catalogue.chips import Rack
from tokenprof.hw_model.catalogue.shapes import ModelShape
from tokenprof.hw_model.constants import Constants
from tokenprof.hw_model.deployment import OTHER_MEMORY_BYTES, USABLE_HBM
from tokenprof.hw_model.plan import Number, ServingPlan
from tokenprof.hw_model.timing import decode_step, kv_stored_bytes

LARGEST_BATCH: Final = 65536.0


def kv_budget_bytes(plan: ServingPlan) -> Number:
    """Memory of a replica left for distinct KV: weights, runtime and copies taken out (2.6)."""
    experts = plan.moe_layers * plan.experts * plan.expert_weight_bytes
    rest = plan.weight_bytes - experts
    held = experts / plan.accelerators + rest / (plan.attention_tp * plan.stages)
    usable = plan.memory_bytes * USABLE_HBM - OTHER_MEMORY_BYTES - held
    return usable * plan.accelerators * plan.kv_shards / plan.attention_tp


def capacity_batch(plan: ServingPlan, context_tokens: Number) -> Number:
    """Sequences of a mean context whose KV fits; below 1 the deployment cannot hold even one (2.6)."""
    return np.maximum(kv_budget_bytes(plan), 0.0) / kv_stored_bytes(plan, context_tokens)


def speed_batch(plan: ServingPlan, context_tokens: Number, target_s: Number, c: Constants) -> Number:
    """Largest batch whose decode step takes at most `target_s`; 0 where even one sequence is slower.

    The step's time grows with the batch, so halving the interval finds it.
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
    """The batch a replica runs at, and whether memory is what limits it."""

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
    """Return the batch: the least of what fits, what keeps `target_s`, and what is asked for (2.6)."""
    capacity = capacity_batch(plan, context_tokens)
    others = np.asarray(demand, dtype=float)
    if target_s is not None:
        others = np.minimum(others, speed_batch(plan, context_tokens, target_s, c))
    sequences = np.maximum(np.minimum(capacity, others), 1.0)
    step = decode_step(plan, sequences, context_tokens, c).total_s
    return Batch(sequences=sequences, memory_binds=np.asarray(capacity <= others), step_s=step)


def rack_users(
    rack: Rack,
    shape: ModelShape,
    context_tokens: float,
    *,
    weight_bytes: float | None = None,
    reserve_bytes: float = 0.0,
) -> float:
    """Return how many contexts of one length fit in a rack beside one copy of the weights (kv-4).

    Weights are taken at 16 bits unless their bytes are given; KV is bf16; nothing else is held back unasked.
    """
    held = shape.weight_bytes("bf16") if weight_bytes is None else weight_bytes
    return max(0.0, rack.hbm_bytes - held - reserve_bytes) / shape.kv_bytes(context_tokens, "bf16")
