"""How long a prompt takes on a replica (2.2): the terms of `timing`, at what they reach in prompts.

Plans hold floats or arrays, as there; all times are seconds of the whole replica.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Number
from tokenprof.hw_model.equations.constants import Constants
from tokenprof.hw_model.equations.exchange import copies_to_places, exchange_s, exposed_s
from tokenprof.hw_model.equations.kernel_families import (
    dense_family,
    maker_arithmetic,
    maker_attention,
    software_age,
)
from tokenprof.hw_model.equations.plan import ServingPlan
from tokenprof.hw_model.equations.timing import activations_s, experts_s, overhead_s, reduce_s


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


def prompt_dense_s(plan: ServingPlan, tokens: Number, c: Constants) -> Number:
    """Return the time of the linear layers of a prompt, routed experts left out (2.2) [s].

    `tokens` are those of one attention group. Only the last token of a prompt needs logits, so the output
    head is left out too.
    """
    flops = 2.0 * (plan.dense_parameters - plan.head_parameters) * tokens / plan.attention_tp
    rate = c.prompt_dense_arithmetic * maker_arithmetic(plan, c) * dense_family(plan, c)
    return flops / (rate * plan.dense_flops_per_s) + activations_s(plan, tokens, c)


def prompt_pair_s(plan: ServingPlan, c: Constants) -> Number:
    """Return the time of one pair of prompt tokens, in layers that attend to the whole context (2.2) [s]."""
    rate = c.prompt_attention_arithmetic * maker_attention(plan, c) * plan.attention_flops_per_s
    pair = (plan.prefill_pair_flops + plan.index_pair_flops) / (rate * plan.attention_tp * plan.attention_dp)
    return pair * software_age(plan, c)


def prefill(
    plan: ServingPlan, new_tokens: Number, cached_tokens: Number, c: Constants, *, prompts: Number = 1.0
) -> PrefillTime:
    """Return the time of `new_tokens` prompt tokens after a cached prefix, on the whole replica (2.2) [s].

    The tokens are those of `prompts` prompts of one length, each with its own prefix of `cached_tokens`. The
    prefix costs no linear work, but each new token attends to it: that is what a cache read costs.
    """
    per_group = new_tokens / plan.attention_dp
    length = new_tokens / prompts
    middle = cached_tokens + length / 2.0
    fixed = (
        plan.prefill_limited_pair_flops * np.minimum(middle, plan.read_limit_tokens)
        + plan.window_pair_flops * np.minimum(middle, plan.window_tokens)
        + plan.state_flops
    )
    old = software_age(plan, c)
    rate = c.prompt_attention_arithmetic * maker_attention(plan, c) * plan.attention_flops_per_s
    fixed_s = old * new_tokens * fixed / (rate * plan.attention_tp * plan.attention_dp)
    pair_s = prompt_pair_s(plan, c)
    dense = prompt_dense_s(plan, per_group, c)
    experts = experts_s(
        plan, new_tokens, c, arithmetic=c.prompt_expert_arithmetic, tile_rows=c.prompt_tile_rows
    )
    own_s = pair_s * new_tokens * length / 2.0 + fixed_s
    prefix_s = pair_s * new_tokens * cached_tokens
    # Halves of thousands of tokens are as efficient as the whole.
    work_s = dense + experts + (own_s + prefix_s) / old
    exchange = exchange_s(plan, per_group, copies_to_places(plan), c)
    exchange = exposed_s(plan, exchange, work_s, work_s)
    return PrefillTime(
        dense_s=old * dense,
        experts_s=old * experts,
        own_attention_s=own_s,
        prefix_attention_s=prefix_s,
        communication_s=old * (reduce_s(plan, per_group, c, wait_s=0.0) + exchange),
        overhead_s=old * overhead_s(plan, c),
    )
