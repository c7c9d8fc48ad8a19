"""What fits in the memory of a replica: weights, KV budget and capacity (2.6), each worked out here only."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from tokenprof.hw_model.catalogue.arrays import Number
from tokenprof.hw_model.catalogue.chips import Rack
from tokenprof.hw_model.catalogue.kv_size import stored_bytes
from tokenprof.hw_model.catalogue.shapes import ModelShape
from tokenprof.hw_model.equations.plan import ServingPlan

USABLE_HBM: Final = 0.92
"""Share of memory that an engine fills with weights and KV (vLLM: `gpu_memory_utilization`, 0.9 to 0.95)."""

OTHER_MEMORY_BYTES: Final = 3.5e9
"""What runtime, graphs and buffers take on every accelerator (aiconfigurator@095f58a system files)."""


def weight_bytes_per_accelerator(plan: ServingPlan) -> Number:
    """Return the weights that one accelerator holds (2.6) [bytes].

    Routed experts are cut over all accelerators, everything else over the tensor-parallel ranks and the
    pipeline stages, so data-parallel ranks hold copies of it.
    """
    experts = plan.moe_layers * plan.experts * plan.expert_weight_bytes
    rest = plan.weight_bytes - experts
    return experts / plan.accelerators + rest / (plan.attention_tp * plan.stages)


def kv_budget_bytes(plan: ServingPlan) -> Number:
    """Return the memory of a replica that is left for distinct KV (2.6) [bytes]; negative if nothing is left.

    Weights and runtime are taken out, and so are copies: tensor-parallel ranks beyond `kv_shards` hold the
    same KV again.
    """
    usable = plan.memory_bytes * USABLE_HBM - OTHER_MEMORY_BYTES - weight_bytes_per_accelerator(plan)
    return usable * plan.accelerators * plan.kv_shards / plan.attention_tp


def with_kv_room(plan: ServingPlan, kv_bytes: Number) -> ServingPlan:
    """Return a plan whose replica has this much memory for distinct KV [bytes]: 2.6 solved for the memory."""
    each = kv_bytes * plan.attention_tp / plan.kv_shards / plan.accelerators
    needed = each + OTHER_MEMORY_BYTES + weight_bytes_per_accelerator(plan)
    return replace(plan, memory_bytes=needed / USABLE_HBM)


def capacity_batch(plan: ServingPlan, context_tokens: Number) -> Number:
    """Return how many sequences of a mean context fit in a replica (2.6); below 1, not even one does."""
    return sequences_in(kv_budget_bytes(plan), stored_bytes(plan, context_tokens))


def fits_context(plan: ServingPlan, context_tokens: Number) -> npt.NDArray[np.bool_]:
    """Tell whether the weights and one sequence of this length fit in a replica's memory (2.6)."""
    return np.asarray(kv_budget_bytes(plan) > stored_bytes(plan, context_tokens))


def sequences_in(budget_bytes: Number, sequence_bytes: Number) -> Number:
    """Return how many sequences of a size fit in a KV budget; 0 for a budget below 0 (2.6)."""
    return np.maximum(budget_bytes, 0.0) / sequence_bytes


def rack_users(
    rack: Rack,
    shape: ModelShape,
    context_tokens: float,
    *,
    weight_bytes: float | None = None,
    reserve_bytes: float = 0.0,
) -> float:
    """Return how many contexts of one length fit in a rack beside one copy of the weights (kv-4).

    Weights are taken at 16 bits unless `weight_bytes` is given; KV is in bf16. `reserve_bytes` is memory of
    the rack that is kept free for other uses.
    """
    held = shape.weight_bytes("bf16") if weight_bytes is None else weight_bytes
    return float(sequences_in(rack.hbm_bytes - held - reserve_bytes, shape.kv_bytes(context_tokens, "bf16")))
