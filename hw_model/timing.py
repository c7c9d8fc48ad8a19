"""How long a prompt and a decode step take on a replica: one equation, one function.

All functions take plans of floats or of arrays. Times are seconds of the whole replica; a replica-second is
`plan.accelerators` accelerator-seconds. Linear and attention phases follow one another, so they are added;
inside a phase arithmetic and memory overlap, so the larger counts (equations 2.2 to 2.5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenprof.hw_model.constants import Constants
from tokenprof.hw_model.plan import Number, Plan


@dataclass(frozen=True, slots=True)
class StepTime:
    """One decode step of a batch, by what the time goes on [s]."""

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
    """One prompt, or chunk of one, by what the time goes on [s]."""

    dense_s: Number
    experts_s: Number
    own_attention_s: Number
    prefix_attention_s: Number
    communication_s: Number
    overhead_s: Number

    @property
    def total_s(self) -> Number:
        """The whole prompt."""
        return (
            self.dense_s
            + self.experts_s
            + self.own_attention_s
            + self.prefix_attention_s
            + self.communication_s
            + self.overhead_s
        )


def dense_s(plan: Plan, tokens: Number, c: Constants, *, parameters: Number | None = None) -> Number:
    """Time of all linear layers but the routed experts, for one attention group's tokens (2.2, 2.3)."""
    parameters = plan.dense_parameters if parameters is None else parameters
    memory = plan.dense_weight_bytes / plan.attention_tp / (c.weight_bandwidth * plan.hbm_bytes_per_s)
    compute = 2.0 * parameters * tokens / plan.attention_tp / (c.dense_arithmetic * plan.dense_flops_per_s)
    return np.maximum(memory, compute)


def experts_touched(plan: Plan, tokens: Number) -> Number:
    """Distinct experts of a layer that a number of tokens is expected to use, routed evenly (2.4)."""
    return plan.experts * (1.0 - (1.0 - plan.top_k / np.maximum(plan.experts, plan.top_k + 1e-9)) ** tokens)


def expert_ranks(plan: Plan) -> Number:
    """Accelerators that a layer's experts are spread over."""
    return plan.attention_tp * plan.attention_dp


def experts_s(plan: Plan, tokens: Number, c: Constants) -> Number:
    """Time of the routed experts, all layers, for tokens of the whole replica (2.4)."""
    skew = np.where(np.asarray(plan.expert_parallel) > 1, c.expert_imbalance, 1.0)
    share = skew / expert_ranks(plan)
    memory = (
        plan.moe_layers * experts_touched(plan, tokens) * plan.expert_weight_bytes * share
        / (c.expert_bandwidth * plan.hbm_bytes_per_s)
    )  # fmt: skip
    compute = (
        plan.moe_layers * 2.0 * plan.top_k * tokens * plan.expert_parameters * share
        / (c.expert_arithmetic * plan.expert_flops_per_s)
    )  # fmt: skip
    return np.maximum(memory, compute)


def kv_read_bytes(plan: Plan, context_tokens: Number) -> Number:
    """Bytes of KV, index and state that one decode step reads for one sequence (2.1)."""
    return (
        (plan.kv_bytes + plan.index_bytes) * context_tokens
        + plan.kv_limited_bytes * np.minimum(context_tokens, plan.read_limit_tokens)
        + plan.kv_window_bytes * np.minimum(context_tokens, plan.window_tokens)
        + 2.0 * plan.state_bytes
    )


def kv_stored_bytes(plan: Plan, context_tokens: Number) -> Number:
    """Bytes of KV, index and state that one sequence holds (2.1)."""
    return (
        (plan.kv_bytes + plan.index_bytes + plan.kv_limited_bytes) * context_tokens
        + plan.kv_window_bytes * np.minimum(context_tokens, plan.window_tokens)
        + plan.state_bytes
    )


def decode_attention_flops(plan: Plan, context_tokens: Number) -> Number:
    """FLOPs of attention for one new token of one sequence (2.3)."""
    return (
        (plan.decode_pair_flops + plan.index_pair_flops) * context_tokens
        + plan.decode_limited_pair_flops * np.minimum(context_tokens, plan.read_limit_tokens)
        + plan.window_pair_flops * np.minimum(context_tokens, plan.window_tokens)
        + plan.state_flops
    )


def kv_bandwidth(plan: Plan, c: Constants) -> Number:
    """Share of bandwidth that decode attention reaches: latent kernels and grouped-query ones differ."""
    return np.where(np.asarray(plan.latent_layers) > 0, c.latent_kv_bandwidth, c.kv_bandwidth)


def decode_attention_s(plan: Plan, sequences: Number, context_tokens: Number, c: Constants) -> Number:
    """Time of attention over the contexts of one attention-parallel group's sequences (2.3)."""
    memory = (
        kv_read_bytes(plan, context_tokens) / plan.kv_shards / (kv_bandwidth(plan, c) * plan.hbm_bytes_per_s)
    )
    flops = (1.0 + plan.drafted_tokens) * decode_attention_flops(plan, context_tokens)
    compute = flops / plan.attention_tp / (c.decode_attention_arithmetic * plan.attention_flops_per_s)
    return sequences * np.maximum(memory, compute)


def communication_s(plan: Plan, tokens: Number, c: Constants) -> Number:
    """Time of collectives for tokens of one attention-parallel group, all layers (2.5).

    Tensor parallelism: two ring all-reduces a layer (Patarasuk and Yuan 2009) of bf16 activations. Attention
    data parallelism: experts get tokens and give them back all-to-all, fp8 out and bf16 back (DeepSeek-V3).
    """
    tp = plan.attention_tp
    reduced_bytes = 2.0 * (tp - 1.0) / tp * tokens * plan.hidden * 2.0
    reduce = 2.0 * plan.layers * (c.collective_s + reduced_bytes / (c.link_bandwidth * plan.link_bytes_per_s))
    link = np.where(np.asarray(plan.crosses_scaleup) > 0, plan.net_bytes_per_s, plan.link_bytes_per_s)
    sent_bytes = tokens / tp * plan.top_k * plan.hidden * 3.0
    exchange = plan.moe_layers * (2.0 * c.collective_s + sent_bytes / (c.link_bandwidth * link))
    return np.where(np.asarray(tp) > 1, reduce, 0.0) + np.where(
        np.asarray(plan.attention_dp) > 1, exchange, 0.0
    )


def overhead_s(plan: Plan, c: Constants) -> Number:
    """Time of a step that no amount of hardware shortens: launches of each layer, and the host."""
    engine = 1.0 + plan.vllm * (c.vllm_layers - 1.0) + plan.sglang * (c.sglang_layers - 1.0)
    layers = (
        plan.layers * c.layer_s
        + plan.moe_layers * c.moe_layer_s
        + plan.latent_layers * c.latent_layer_s
        + plan.linear_layers * c.linear_layer_s
        + plan.sparse_layers * c.sparse_layer_s
    )
    return engine * layers + c.step_s


def decode_step(plan: Plan, batch: Number, context_tokens: Number, c: Constants) -> StepTime:
    """Time of one decode step: `batch` sequences of a mean context, each given one token (2.3).

    Drafted tokens are checked in the same step: they add arithmetic but read weights and KV once (2.7).
    With pipeline stages the batch is cut into as many micro-batches, which follow one another through them.
    """
    per_stage = batch / plan.stages
    per_group = per_stage / plan.attention_dp
    checked = 1.0 + plan.drafted_tokens
    return StepTime(
        dense_s=dense_s(plan, per_group * checked, c),
        experts_s=experts_s(plan, per_stage * checked, c),
        attention_s=decode_attention_s(plan, per_group, context_tokens, c),
        communication_s=communication_s(plan, per_group * checked, c),
        overhead_s=overhead_s(plan, c),
    )


def prefill(plan: Plan, new_tokens: Number, cached_tokens: Number, c: Constants) -> PrefillTime:
    """Time of a prompt of `new_tokens` behind a cached prefix, its work spread over the whole replica (2.2).

    The prefix costs no linear work, but every new token attends to it: that is what a cache read costs.
    """
    per_group = new_tokens / plan.attention_dp
    attention = plan.accelerators / plan.stages * c.prefill_attention_arithmetic * plan.attention_flops_per_s
    limited = np.minimum(cached_tokens + new_tokens / 2.0, plan.read_limit_tokens)
    windowed = np.minimum(cached_tokens + new_tokens / 2.0, plan.window_tokens)
    fixed = plan.prefill_limited_pair_flops * limited + plan.window_pair_flops * windowed + plan.state_flops
    growing = plan.prefill_pair_flops + plan.index_pair_flops
    return PrefillTime(
        dense_s=dense_s(plan, per_group, c, parameters=plan.dense_parameters - plan.head_parameters),
        experts_s=experts_s(plan, new_tokens, c),
        own_attention_s=new_tokens * (growing * new_tokens / 2.0 + fixed) / attention,
        prefix_attention_s=new_tokens * growing * cached_tokens / attention,
        communication_s=communication_s(plan, per_group, c),
        overhead_s=overhead_s(plan, c),
    )
