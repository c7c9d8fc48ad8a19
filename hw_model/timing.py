"""How long a prompt and a decode step take on a replica: one equation, one function.

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
from tokenprof.hw_model.constants import Constants
from tokenprof.hw_model.plan import ServingPlan

ACTIVATION_BYTES = BYTES_PER_ELEMENT["bf16"]
RAMP_BYTES = 65_536.0
WIDE_RANKS = 16
"""From this many attention ranks on, engines work on one half of a batch while they exchange the other."""


@dataclass(frozen=True, slots=True)
class StepTime:
    """The time of one decode step, by what takes it [s] (2.3)."""

    dense_s: Number
    experts_s: Number
    attention_s: Number
    communication_s: Number
    overhead_s: Number

    @property
    def total_s(self) -> Number:
        """The whole step."""
        return self.dense_s + self.experts_s + self.attention_s + self.communication_s + self.overhead_s


@dataclass(frozen=True, slots=True)
class PrefillTime:
    """The time of one prompt, or of a chunk of one, by what takes it [s] (2.2)."""

    dense_s: Number
    experts_s: Number
    own_attention_s: Number
    prefix_attention_s: Number
    communication_s: Number
    overhead_s: Number

    @property
    def work_s(self) -> Number:
        """The part that grows with the prompt; a decode step beside it pays for the launches anyway."""
        return (
            self.dense_s
            + self.experts_s
            + self.own_attention_s
            + self.prefix_attention_s
            + self.communication_s
        )

    @property
    def total_s(self) -> Number:
        """The whole prompt, run alone."""
        return self.work_s + self.overhead_s


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
    memory = plan.dense_weight_bytes / plan.attention_tp / (c.weight_bandwidth * plan.hbm_bytes_per_s)
    flops = 2.0 * plan.dense_parameters * tokens / plan.attention_tp
    compute = flops / (c.dense_arithmetic * plan.dense_flops_per_s)
    return np.maximum(memory, compute) + activations_s(plan, tokens, c)


def prompt_dense_s(plan: ServingPlan, tokens: Number, c: Constants) -> Number:
    """Return the time of the linear layers of a prompt, routed experts left out (2.2) [s].

    `tokens` are those of one attention group. Only the last token of a prompt needs logits, so the output
    head is left out too.
    """
    flops = 2.0 * (plan.dense_parameters - plan.head_parameters) * tokens / plan.attention_tp
    return flops / (c.prompt_dense_arithmetic * plan.dense_flops_per_s) + activations_s(plan, tokens, c)


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
    memory = touched * plan.expert_weight_bytes / (c.expert_bandwidth * plan.hbm_bytes_per_s)
    rows = plan.top_k * tokens + tile_rows * touched
    compute = 2.0 * rows * plan.expert_parameters / (arithmetic * plan.expert_flops_per_s)
    return share * np.maximum(memory, compute)


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
    memory = read / (kv_bandwidth(plan, c) * plan.hbm_bytes_per_s)
    flops = (1.0 + plan.drafted_tokens) * decode_attention_flops(plan, context_tokens) / plan.attention_tp
    compute = flops / (c.decode_attention_arithmetic * plan.attention_flops_per_s)
    return sequences * np.maximum(memory, compute)


def all_reduce_s(plan: ServingPlan, reduced_bytes: Number, c: Constants) -> Number:
    """Return the time of one all-reduce of `reduced_bytes` over the tensor-parallel ranks (2.5) [s].

    A ring moves 2(t-1)/t of the bytes (Patarasuk and Yuan 2009). Between the smallest message and a full link
    the measured time grows with about the square root of the size.
    """
    others = plan.attention_tp - 1.0
    ring = 2.0 * others / plan.attention_tp * reduced_bytes / (c.link_bandwidth * plan.link_bytes_per_s)
    ramp = c.collective_ramp_s * np.sqrt(reduced_bytes / RAMP_BYTES) * others / 7.0
    return plan.collective_s + ring + ramp


def communication_s(plan: ServingPlan, tokens: Number, c: Constants, *, wait_s: float) -> Number:
    """Return the time of the collectives of all layers (2.5) [s].

    `tokens` are those of one attention group, `wait_s` is the wait for the slowest rank at each collective.
    Tensor parallelism: two all-reduces of bf16 activations in each layer. Data-parallel attention: tokens go
    to their experts in fp8 and come back in bf16, all to all (DeepSeek-V3, arXiv 2412.19437).
    """
    reduce = 2.0 * plan.layers * (all_reduce_s(plan, tokens * plan.hidden * ACTIVATION_BYTES, c) + wait_s)
    link = np.where(np.asarray(plan.crosses_scaleup) > 0, plan.net_bytes_per_s, plan.link_bytes_per_s)
    sent_bytes = tokens / plan.attention_tp * plan.sent_copies * plan.hidden * 3.0
    exchange = plan.moe_layers * (2.0 * (plan.collective_s + wait_s) + sent_bytes / (c.link_bandwidth * link))
    return np.where(np.asarray(plan.attention_tp) > 1, reduce, 0.0) + np.where(
        np.asarray(plan.attention_dp) > 1, exchange, 0.0
    )


def exposed_s(plan: ServingPlan, communication: Number, work: Number) -> Number:
    """Return the communication that work does not hide (2.5) [s].

    With wide expert parallelism, engines work on one half of a batch while the other half is exchanged.
    """
    wide = np.asarray(plan.attention_dp) >= WIDE_RANKS
    return np.where(wide, np.maximum(communication - work, 0.0), communication)


def overhead_s(plan: ServingPlan, c: Constants) -> Number:
    """Return the time of a step that no hardware shortens: launches of each layer, and the host (2.3) [s]."""
    engine = 1.0 + plan.vllm * (c.vllm_layers - 1.0) + plan.sglang * (c.sglang_layers - 1.0)
    layers = (
        plan.layers * c.layer_s
        + plan.moe_layers * c.moe_layer_s
        + plan.latent_layers * c.latent_layer_s
        + plan.linear_layers * c.linear_layer_s
        + plan.sparse_layers * c.sparse_layer_s
        + plan.normed_layers * c.normed_layer_s
    )
    fp8_experts = np.asarray(plan.expert_weight_bytes) == np.maximum(plan.expert_parameters, 1.0)
    grouped = plan.trtllm * fp8_experts * plan.moe_layers * plan.experts / plan.expert_parallel
    total: Number = engine * layers + c.expert_group_s * grouped + c.step_s
    return total


def sequences_s(plan: ServingPlan, sequences: Number, c: Constants) -> Number:
    """Return the time that the host spends on the sequences of a step (2.3) [s].

    Scheduling, sampling and streaming, for the sequences of one attention group.
    """
    each = (
        plan.trtllm * c.trtllm_sequence_s + plan.vllm * c.vllm_sequence_s + plan.sglang * c.sglang_sequence_s
    )
    return sequences * each


def decode_step(plan: ServingPlan, batch: Number, context_tokens: Number, c: Constants) -> StepTime:
    """Return the time of one decode step of `batch` sequences at a mean context [s] (2.3).

    Each sequence gets one token. Drafted tokens are checked in the same step: they add arithmetic, but
    weights and KV are read once (2.7). A pipeline cuts the batch into one micro-batch per stage, and they
    follow one another through the stages.
    """
    per_stage = batch / plan.stages
    per_group = per_stage / plan.attention_dp
    checked = 1.0 + plan.drafted_tokens
    dense = dense_s(plan, per_group * checked, c)
    experts = experts_s(plan, per_stage * checked, c, arithmetic=c.expert_arithmetic, tile_rows=c.tile_rows)
    attention = decode_attention_s(plan, per_group, context_tokens, c)
    communication = communication_s(plan, per_group * checked, c, wait_s=c.collective_wait_s)
    return StepTime(
        dense_s=dense,
        experts_s=experts,
        attention_s=attention,
        communication_s=exposed_s(plan, communication, dense + experts + attention),
        overhead_s=overhead_s(plan, c) + sequences_s(plan, per_group, c),
    )


def prompt_pair_s(plan: ServingPlan, c: Constants) -> Number:
    """Return the time of one pair of prompt tokens, in layers that attend to the whole context (2.2) [s]."""
    arithmetic = c.prompt_attention_arithmetic * plan.attention_flops_per_s
    return (plan.prefill_pair_flops + plan.index_pair_flops) / (
        arithmetic * plan.attention_tp * plan.attention_dp
    )


def prefill(plan: ServingPlan, new_tokens: Number, cached_tokens: Number, c: Constants) -> PrefillTime:
    """Return the time of a prompt of `new_tokens` after a cached prefix, on the whole replica (2.2) [s].

    The prefix costs no linear work, but each new token attends to it: that is what a cache read costs.
    """
    per_group = new_tokens / plan.attention_dp
    middle = cached_tokens + new_tokens / 2.0
    fixed = (
        plan.prefill_limited_pair_flops * np.minimum(middle, plan.read_limit_tokens)
        + plan.window_pair_flops * np.minimum(middle, plan.window_tokens)
        + plan.state_flops
    )
    arithmetic = c.prompt_attention_arithmetic * plan.attention_flops_per_s
    fixed_s = new_tokens * fixed / (arithmetic * plan.attention_tp * plan.attention_dp)
    pair_s = prompt_pair_s(plan, c)
    dense = prompt_dense_s(plan, per_group, c)
    experts = experts_s(
        plan, new_tokens, c, arithmetic=c.prompt_expert_arithmetic, tile_rows=c.prompt_tile_rows
    )
    own = pair_s * new_tokens * new_tokens / 2.0 + fixed_s
    prefix = pair_s * new_tokens * cached_tokens
    communication = communication_s(plan, per_group, c, wait_s=0.0)
    return PrefillTime(
        dense_s=dense,
        experts_s=experts,
        own_attention_s=own,
        prefix_attention_s=prefix,
        communication_s=exposed_s(plan, communication, dense + experts + own + prefix),
        overhead_s=overhead_s(plan, c),
    )
