"""How long a decode step takes on a replica, and what it shares with prompts: one equation, one function.

Plans hold floats, or arrays with one entry per deployment; results have the shape that numpy's broadcasting
gives. All times are seconds of the whole replica, and a replica-second is `plan.accelerators`
accelerator-seconds. Linear and attention phases follow one another, so they are added; inside a phase
arithmetic and memory traffic overlap, so the larger counts (equations 2.2 to 2.5). `c` are the constants.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Number
from tokenprof.hw_model.catalogue.kv_size import read_bytes
from tokenprof.hw_model.catalogue.shapes import BYTES_PER_ELEMENT, evenly_touched
from tokenprof.hw_model.equations.constants import Constants
from tokenprof.hw_model.equations.exchange import (
    copies_to_experts,
    exchange_s,
    exposed_s,
)
from tokenprof.hw_model.equations.kernel_families import (
    dense_family,
    expert_family,
    maker_arithmetic,
    maker_attention,
    maker_bandwidth,
    maker_layers,
    software_age,
)
from tokenprof.hw_model.equations.plan import ServingPlan

ACTIVATION_BYTES = BYTES_PER_ELEMENT["bf16"]
RAMP_BYTES = 65_536.0
NODE_CARDS = 8.0


@dataclass(frozen=True, slots=True)
class StepTime:
    """The time of one decode step, by what takes it [s] (2.3)."""

    dense_s: Number
    experts_s: Number
    attention_s: Number
    communication_s: Number
    overhead_s: Number
    drafts_s: Number = 0.0

    @property
    def total_s(self) -> Number:
        """The whole step."""
        return (
            self.dense_s
            + self.experts_s
            + self.attention_s
            + self.communication_s
            + self.overhead_s
            + self.drafts_s
        )


def activations_s(plan: ServingPlan, tokens: Number, c: Constants) -> Number:
    """Return the time in which activations pass through memory between kernels (2.2, 2.3) [s].

    `tokens` are those of one attention group.
    """
    moved = c.activation_passes * plan.layers * tokens * plan.hidden * ACTIVATION_BYTES
    return moved / plan.hbm_bytes_per_s


def dense_s(plan: ServingPlan, tokens: Number, c: Constants) -> Number:
    """Return the time of the linear layers of a decode step, routed experts left out (2.3) [s].

    `tokens` are those of one attention group, drafted ones included.
    """
    bandwidth = c.weight_bandwidth * maker_bandwidth(plan, c) * plan.hbm_bytes_per_s
    memory = plan.dense_weight_bytes / plan.attention_tp / bandwidth
    flops = 2.0 * plan.dense_parameters * tokens / plan.attention_tp
    compute = flops / (c.dense_arithmetic * maker_arithmetic(plan, c) * plan.dense_flops_per_s)
    return np.maximum(memory, compute) / dense_family(plan, c) + activations_s(plan, tokens, c)


def experts_touched(plan: ServingPlan, tokens: Number, c: Constants) -> Number:
    """Return how many experts of a layer a number of tokens is expected to use (2.4) [experts].

    Routing is not quite even, so the tokens count for fewer: `routing_spread`.
    """
    return evenly_touched(plan.experts, plan.top_k, tokens * c.routing_spread)


def experts_s(
    plan: ServingPlan, tokens: Number, c: Constants, *, arithmetic: float, tile_rows: float
) -> Number:
    """Return the time of the routed experts of all layers (2.4) [s].

    `tokens` are those of the whole replica, `arithmetic` is the share of the peak FLOP/s that is reached, and
    `tile_rows` the rows by which each used expert is padded. Each used expert is read once and multiplies its
    tokens. A narrow shard of an expert wastes a part of every tile; expert-parallel ranks wait for the
    busiest one.
    """
    ranks = plan.attention_tp * plan.attention_dp
    columns = np.maximum(plan.expert_width * plan.expert_parallel / ranks, 1.0)
    busiest = np.where(np.asarray(plan.expert_parallel) > 1, c.expert_imbalance, 1.0)
    share = plan.moe_layers * busiest / ranks * (columns + c.shard_columns) / columns
    touched = experts_touched(plan, tokens, c)
    bandwidth = c.expert_bandwidth * maker_bandwidth(plan, c) * plan.hbm_bytes_per_s
    memory = touched * plan.expert_weight_bytes / bandwidth
    rows = plan.top_k * tokens + tile_rows * touched
    rate = arithmetic * maker_arithmetic(plan, c) * plan.expert_flops_per_s
    compute = 2.0 * rows * plan.expert_parameters / rate
    return share * np.maximum(memory, compute) / expert_family(plan, c)


def decode_attention_flops(plan: ServingPlan, context_tokens: Number) -> Number:
    """Return the FLOPs of attention for one new token of one sequence (2.3) [FLOP]."""
    return (
        (plan.decode_pair_flops + plan.index_pair_flops) * context_tokens
        + plan.decode_limited_pair_flops * np.minimum(context_tokens, plan.read_limit_tokens)
        + plan.window_pair_flops * np.minimum(context_tokens, plan.window_tokens)
        + plan.state_flops
    )


def kv_bandwidth(plan: ServingPlan, c: Constants) -> Number:
    """Return the share of bandwidth that decode attention reaches; it depends on the kind of attention."""
    return np.where(np.asarray(plan.latent_layers) > 0, c.latent_kv_bandwidth, c.kv_bandwidth)


def decode_attention_s(plan: ServingPlan, sequences: Number, context_tokens: Number, c: Constants) -> Number:
    """Return the time of decode attention over the contexts of one attention group (2.3) [s].

    `sequences` are those of the group, `context_tokens` the mean context of each.
    """
    read = read_bytes(plan, context_tokens) / plan.kv_shards
    memory = read / (kv_bandwidth(plan, c) * maker_attention(plan, c) * plan.hbm_bytes_per_s)
    flops = (1.0 + plan.drafted_tokens) * decode_attention_flops(plan, context_tokens) / plan.attention_tp
    rate = c.decode_attention_arithmetic * maker_attention(plan, c) * plan.attention_flops_per_s
    compute = flops / rate
    return sequences * np.maximum(memory, compute)


def all_reduce_s(plan: ServingPlan, reduced_bytes: Number, c: Constants) -> Number:
    """Return the time of one all-reduce of `reduced_bytes` over the tensor-parallel ranks (2.5) [s].

    A ring moves 2(t-1)/t of the bytes (Patarasuk and Yuan 2009). Between the smallest message and a full link
    the measured time grows with about the square root of the size. Ranks in several nodes reduce within each
    node first, then over its eight network cards at once.
    """
    others = plan.attention_tp - 1.0
    across = (np.asarray(plan.crosses_scaleup) > 0) & (np.asarray(plan.attention_dp) <= 1)
    link = np.where(across, NODE_CARDS * plan.net_bytes_per_s, plan.link_bytes_per_s)
    ring = 2.0 * others / plan.attention_tp * reduced_bytes / (c.link_bandwidth * link)
    ramp = c.collective_ramp_s * np.sqrt(reduced_bytes / RAMP_BYTES) * np.minimum(others, 7.0) / 7.0
    return plan.collective_s + np.where(across, c.exchange_net_s, 0.0) + ring + ramp


def reduce_s(plan: ServingPlan, tokens: Number, c: Constants, *, wait_s: float) -> Number:
    """Return the time of the all-reduces of all layers, two in each (2.5) [s]; 0 without tensor parallelism.

    `tokens` are those of one attention group, `wait_s` is the wait for the slowest rank at each collective.
    """
    each = all_reduce_s(plan, tokens * plan.hidden * ACTIVATION_BYTES, c) + wait_s
    return np.where(np.asarray(plan.attention_tp) > 1, 2.0 * plan.layers * each, 0.0)


def overhead_s(plan: ServingPlan, c: Constants) -> Number:
    """Return the time of a step that no hardware shortens: launches of each layer, and the host (2.3) [s]."""
    engine = (
        1.0
        + plan.vllm * (c.vllm_layers - 1.0)
        + plan.sglang * (c.sglang_layers - 1.0)
        + plan.atom * (c.atom_layers - 1.0)
    ) * maker_layers(plan, c)
    layers = (
        plan.layers * c.layer_s
        + plan.moe_layers * c.moe_layer_s
        + plan.latent_layers * c.latent_layer_s
        + plan.linear_layers * c.linear_layer_s
        + plan.indexes * c.index_s
        + plan.normed_layers * c.normed_layer_s
    )
    fp8_experts = np.asarray(plan.expert_weight_bytes) == np.maximum(plan.expert_parameters, 1.0)
    # Without data-parallel attention each rank goes through all experts, its own or not. NVIDIA's fused
    # kernels for chips with 4-bit arithmetic do not, as long as experts are only cut by columns.
    ranks = np.where(np.asarray(plan.attention_dp) > 1, plan.expert_parallel, 1.0)
    fused = plan.blackwell * (np.asarray(plan.expert_parallel) <= 1)
    grouped = plan.trtllm * fp8_experts * (1.0 - fused) * plan.moe_layers * plan.experts / ranks
    total: Number = engine * layers + c.expert_group_s * grouped + c.step_s
    return total


def sequences_s(plan: ServingPlan, sequences: Number, c: Constants) -> Number:
    """Return the time that the host spends on the sequences of a step (2.3, 2.7) [s].

    Scheduling, sampling and streaming, for the sequences of one attention group, and checking their drafts.
    """
    each = (
        plan.trtllm * c.trtllm_sequence_s
        + plan.vllm * c.vllm_sequence_s
        + (plan.sglang + plan.atom) * c.sglang_sequence_s
    )
    return sequences * (each + plan.drafted_tokens * c.draft_sequence_s)


def decode_step(plan: ServingPlan, batch: Number, context_tokens: Number, c: Constants) -> StepTime:
    """Return the time of one decode step of `batch` sequences at a mean context [s] (2.3).

    Each sequence gets one token. Drafted tokens are checked in the same step: they add arithmetic, but
    weights and KV are read once (2.7). A pipeline cuts the batch into one micro-batch per stage, and they
    follow one another through the stages.
    """
    per_group = batch / plan.stages / plan.attention_dp
    checked = 1.0 + plan.drafted_tokens
    dense, experts, attention = _decode_work(plan, batch, context_tokens, c)
    launches = overhead_s(plan, c)
    exchange = exchange_s(plan, per_group * checked, copies_to_experts(plan), c)
    if np.any(plan.overlaps):
        half = _decode_work(plan, batch / 2.0, context_tokens, c)
        halved_s = 2.0 * (sum(half) + launches)
        exchange = exposed_s(plan, exchange, dense + experts + attention + launches, halved_s)
    reduce = reduce_s(plan, per_group * checked, c, wait_s=c.collective_wait_s)
    old = software_age(plan, c)
    return StepTime(
        dense_s=old * dense,
        experts_s=old * experts,
        attention_s=old * attention,
        communication_s=old * (reduce + exchange),
        overhead_s=old * (launches + sequences_s(plan, per_group, c)),
        drafts_s=old * drafts_s(plan, c),
    )


def _decode_work(
    plan: ServingPlan, batch: Number, context_tokens: Number, c: Constants
) -> tuple[Number, Number, Number]:
    """Return the times of linear layers, experts and attention of a decode step [s] (2.3)."""
    per_stage = batch / plan.stages
    per_group = per_stage / plan.attention_dp
    checked = 1.0 + plan.drafted_tokens
    dense = dense_s(plan, per_group * checked, c)
    experts = experts_s(plan, per_stage * checked, c, arithmetic=c.expert_arithmetic, tile_rows=c.tile_rows)
    return dense, experts, decode_attention_s(plan, per_group, context_tokens, c)


def drafts_s(plan: ServingPlan, c: Constants) -> Number:
    """Return the time in which a step's tokens are drafted, one after another (2.7) [s].

    Each takes a layer of the model, the output head, and the host's time to start it.
    """
    bandwidth = c.weight_bandwidth * maker_bandwidth(plan, c) * plan.hbm_bytes_per_s
    head = plan.head_parameters * ACTIVATION_BYTES / plan.attention_tp / bandwidth
    layer = overhead_s(plan, c) / plan.layers
    return plan.drafted_tokens * (layer + head + c.draft_s)
