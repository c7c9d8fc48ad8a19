"""Dollars per unit of work on a replica, on three bases that are reported side by side and never added.

`resource_share` is the full cost: each token pays an equal part of a step's joint time (weights, launches),
and each sequence pays for its own KV, at the share of hours that are sold. `opportunity` charges joint time
by the memory that a sequence holds, if memory is what limits the batch; it is the only basis that prices idle
KV. `marginal` is what one more sequence adds. (docs/hardware.md, section 3.)
"""

from __future__ import annotations

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array, Number
from tokenprof.hw_model.catalogue.kv_size import bytes_per_token, stored_bytes
from tokenprof.hw_model.equations.batching import Batch
from tokenprof.hw_model.equations.constants import Constants
from tokenprof.hw_model.equations.features import (
    BASES,
    CHUNK_TOKENS,
    PROMPT_FEATURES,
    Feature,
    Rates,
)
from tokenprof.hw_model.equations.gpu_hour import SECONDS_PER_HOUR
from tokenprof.hw_model.equations.plan import ServingPlan
from tokenprof.hw_model.equations.prefill import prefill, prompt_pair_s
from tokenprof.hw_model.equations.timing import decode_attention_s, decode_step, kv_bandwidth


def _slope(at: Number, above: Number, step: Number) -> Number:
    return (above - at) / step


def memory_usd_per_byte_s(
    plan: ServingPlan,
    batch: Batch,
    context_tokens: Number,
    usd_per_accelerator_hour: Number,
    utilisation: Number,
    c: Constants,
) -> Number:
    """Return the shadow price of memory [USD per byte-second] (docs/hardware.md, section 3).

    `usd_per_accelerator_hour` is what an hour costs, `utilisation` the share of hours that are sold. A byte
    held keeps a part of another sequence out, and with it that part of the replica's joint cost: price of a
    replica-second * (joint time / step time) / bytes in use. This is the dual of serving as many sequences as
    possible in that memory; it is 0 if memory does not limit the batch.
    """
    step = decode_step(plan, batch.sequences, context_tokens, c)
    joint_share = (step.total_s - step.attention_s) / step.total_s
    usd_per_s = plan.accelerators * usd_per_accelerator_hour / SECONDS_PER_HOUR / utilisation
    in_use = batch.sequences * stored_bytes(plan, context_tokens)
    return np.where(batch.memory_binds, usd_per_s * joint_share / in_use, 0.0)


def rates(
    plan: ServingPlan,
    batch: Batch,
    context_tokens: Number,
    usd_per_accelerator_hour: Number,
    utilisation: Number,
    c: Constants,
) -> Rates:
    """Return the USD per feature of a replica that runs at this batch and mean context.

    `usd_per_accelerator_hour` is what an hour costs, `utilisation` the share of hours that are sold. The
    batch, which experts it uses and what limits it are fixed at the run's mean context, so that cost is
    linear in the work: attention and KV vary with the context of each turn, joint time does not.
    """
    usd_per_s = plan.accelerators * usd_per_accelerator_hour / SECONDS_PER_HOUR
    full_usd_per_s = usd_per_s / utilisation
    gained = plan.tokens_per_step
    sequences = batch.sequences
    step = decode_step(plan, sequences, context_tokens, c)
    wider = decode_step(plan, sequences * 1.02, context_tokens, c)
    joint_s = step.total_s - step.attention_s
    added_s = _slope(joint_s, wider.total_s - wider.attention_s, 0.02 * sequences)
    # A sequence's own attention and its memory, as straight lines in its context.
    own_s = decode_attention_s(plan, 1.0 / plan.attention_dp / plan.stages, context_tokens, c)
    longer_s = decode_attention_s(plan, 1.0 / plan.attention_dp / plan.stages, context_tokens * 1.01, c)
    own_slope_s = _slope(own_s, longer_s, 0.01 * context_tokens)
    own_fixed_s = np.maximum(own_s - own_slope_s * context_tokens, 0.0)
    held = stored_bytes(plan, context_tokens)
    held_slope = _slope(held, stored_bytes(plan, context_tokens * 1.01), 0.01 * context_tokens)
    held_fixed = np.maximum(held - held_slope * context_tokens, 0.0)
    per_byte_s = memory_usd_per_byte_s(plan, batch, context_tokens, usd_per_accelerator_hour, utilisation, c)
    # A busy prompt server: a chunk on every attention group, every pipeline stage at work on another one.
    tokens = CHUNK_TOKENS * plan.attention_dp
    chunk = prefill(plan, tokens, 0.0, c, prompts=plan.attention_dp)
    per_token = 1.0 / (tokens * plan.stages)
    growing_pair_s = prompt_pair_s(plan, c) / plan.stages
    fixed_attention_s = chunk.own_attention_s * per_token - growing_pair_s * CHUNK_TOKENS / 2.0
    work_s = (chunk.dense_s + chunk.experts_s + chunk.communication_s) * per_token + fixed_attention_s
    token_s = work_s + chunk.overhead_s * per_token
    load_s = bytes_per_token(plan) / plan.kv_shards / (
        kv_bandwidth(plan, c) * plan.hbm_bytes_per_s * plan.attention_dp * plan.stages
    )  # fmt: skip

    def column(feature: Feature, usd_per_second: Number, seconds: Number) -> tuple[Feature, Number]:
        return feature, usd_per_second * seconds

    def prompt(usd_per_second: Number, per_token_s: Number) -> list[tuple[Feature, Number]]:
        return [
            column(Feature.READ_PAIRS, usd_per_second, growing_pair_s),
            column(Feature.READ_TOKENS, usd_per_second, load_s),
            column(Feature.PREFILL_TOKENS, usd_per_second, per_token_s),
            column(Feature.PREFILL_PAIRS, usd_per_second, growing_pair_s),
        ]

    share_token_s = (joint_s / sequences + own_fixed_s) / gained
    shared = [
        *prompt(full_usd_per_s, token_s),
        column(Feature.DECODE_TOKENS, full_usd_per_s, share_token_s),
        column(Feature.DECODE_CONTEXT, full_usd_per_s, own_slope_s / gained),
    ]
    held_token = per_byte_s * step.total_s / gained
    opportunity = [
        *prompt(full_usd_per_s, token_s),
        (
            Feature.DECODE_TOKENS,
            np.where(
                batch.memory_binds,
                full_usd_per_s * own_fixed_s / gained + held_fixed * held_token,
                full_usd_per_s * share_token_s,
            ),
        ),
        (Feature.DECODE_CONTEXT, full_usd_per_s * own_slope_s / gained + held_slope * held_token),
        (Feature.HOLD_SECONDS, per_byte_s * held_fixed),
        (Feature.HOLD_TOKEN_SECONDS, per_byte_s * held_slope),
    ]
    marginal = [
        *prompt(usd_per_s, work_s),
        column(Feature.DECODE_TOKENS, usd_per_s, (added_s + own_fixed_s) / gained),
        column(Feature.DECODE_CONTEXT, usd_per_s, own_slope_s / gained),
    ]
    return Rates(dict(zip(BASES, (_table(shared), _table(opportunity), _table(marginal)), strict=True)))


def in_service(table: Rates, factor: Array, prompt_load: Array) -> Rates:
    """Return rates times a factor of each draw, with the idle time of a pool of prompts paid by prompts.

    `prompt_load` is the share of its time that the pool works. At the margin nobody pays for idle time.
    """
    idle = np.ones((len(factor), len(Feature)))
    idle[:, PROMPT_FEATURES] /= prompt_load[:, None]
    by_basis = {
        name: usd * factor[:, None] * (1.0 if name == "marginal" else idle)
        for name, usd in table.by_basis.items()
    }
    return Rates(by_basis)


def _table(columns: list[tuple[Feature, Number]]) -> Array:
    """Return USD per feature, one row per draw, from the columns that are not 0."""
    rows = np.broadcast_shapes((1,), *(np.shape(value) for _, value in columns))
    table = np.zeros((rows[0], len(Feature)))
    for feature, value in columns:
        table[:, feature] = value
    return table
