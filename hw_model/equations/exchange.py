"""Tokens on their way to their experts and back, all to all (2.5)."""

from __future__ import annotations

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Number
from tokenprof.hw_model.catalogue.shapes import evenly_touched
from tokenprof.hw_model.equations.constants import Constants
from tokenprof.hw_model.equations.plan import ServingPlan

BOTH_WAYS_BYTES = 3.0
"""Bytes per element that a copy takes: out in fp8, back in bf16 (DeepEP; DeepSeek-V3, arXiv 2412.19437)."""


def copies_to_experts(plan: ServingPlan) -> Number:
    """Return how many copies of a token a decode step sends away (2.5) [copies].

        k · (1 − 1/q)

    Low-latency kernels send a copy to each of the k experts, and of q places one in q is home (DeepEP).
    """
    return plan.top_k * (1.0 - 1.0 / plan.exchange_places)


def copies_to_places(plan: ServingPlan) -> Number:
    """Return how many copies of a token a prompt sends away (2.5) [copies].

        min( q · (1 − (1 − 1/q)^k), limit ) · (1 − 1/q)

    Kernels for prompts send one copy to each place that has one of the k experts, and pass it on inside
    (DeepEP). A router may keep a token's experts on a few nodes: 4 for DeepSeek-V3 (arXiv 2412.19437, 2.1.2).
    """
    places = plan.exchange_places
    distinct = evenly_touched(places, 1.0, plan.top_k)
    limit = np.where(np.asarray(plan.crosses_scaleup) > 0, plan.node_limit, np.inf)
    return np.minimum(distinct, limit) * (1.0 - 1.0 / places)


def exchange_s(plan: ServingPlan, tokens: Number, copies: Number, c: Constants) -> Number:
    """Return the time in which tokens go to their experts and come back (2.5) [s].

        stretch · L_moe · ( 2 · latency + x/t · copies · h · 3 bytes / (η · BW) )

    0 unless attention is data-parallel. `tokens` are those of one attention group, `copies` how many of each
    are sent away. In serving ranks arrive unevenly, and the exchange takes longer than alone: `stretch`.
    """
    crosses = np.asarray(plan.crosses_scaleup) > 0
    link = np.where(
        crosses,
        c.exchange_net_bandwidth * plan.net_bytes_per_s,
        c.exchange_bandwidth * plan.link_bytes_per_s,
    )
    latency = np.where(crosses, c.exchange_net_s, c.exchange_s)
    sent_bytes = tokens / plan.attention_tp * copies * plan.hidden * BOTH_WAYS_BYTES
    both_ways = c.exchange_stretch * plan.moe_layers * (2.0 * latency + sent_bytes / link)
    return np.where(np.asarray(plan.attention_dp) > 1, both_ways, 0.0)


def exposed_s(plan: ServingPlan, exchange: Number, work_s: Number, halved_s: Number) -> Number:
    """Return the part of an exchange that two micro-batches do not hide (2.5) [s].

        min( exchange, max(halved, exchange) − work )

    While one half of the tokens is on its way, the other is worked on. Halves are less efficient than the
    whole: `work_s` is the time of the work in one piece, `halved_s` in two. An engine overlaps only where it
    gains (DeepSeek-V3 inference system; SGLang two-batch overlap).
    """
    hidden = np.maximum(halved_s, exchange) - work_s
    return np.where(np.asarray(plan.overlaps) > 0, np.minimum(exchange, hidden), exchange)
