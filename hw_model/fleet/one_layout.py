"""One layout of a replica: how it cuts a model, and what a turn of a session takes there (2.13)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array, Number
from tokenprof.hw_model.catalogue.kv_size import stored_bytes
from tokenprof.hw_model.equations.constants import Constants
from tokenprof.hw_model.equations.drafts import tokens_per_step
from tokenprof.hw_model.equations.memory import capacity_batch
from tokenprof.hw_model.equations.plan import ServingPlan
from tokenprof.hw_model.equations.turn_work import MeanTurn
from tokenprof.hw_model.service.prefix_cache import CONTEXTS_PER_SESSION, computed_tokens, spare_room
from tokenprof.hw_model.service.sessions import PROMPT_VARIATION, busy_prompt_s

USUAL_TTFT_S: Final = 3.4
"""Mean time to the first token in 2.9 million requests of agents [s]; prompts wait no longer than that."""


@dataclass(frozen=True, slots=True)
class Host:
    """What a draw's chips offer beyond a plan: accelerators on fast links, and memory for idle KV [bytes]."""

    scaleup_world: Number
    memory_bytes: Number


def cut_plan(
    whole: ServingPlan, host: Host, layout: tuple[int, int, int], drafted: int, acceptance: Number
) -> ServingPlan:
    """Return plans of an uncut model in a layout.

    `whole` is cut over one rank; its `kv_shards` are the most that its KV can be cut into. Where experts lie
    across the network, two micro-batches overlap if that gains.
    """
    tp, dp, pp = (float(part) for part in layout)
    shards = np.minimum(tp, whole.kv_shards)
    crosses = np.asarray(tp * dp > host.scaleup_world, dtype=float)
    places = np.where(crosses > 0, tp * dp / host.scaleup_world, tp * dp)
    return replace(
        whole,
        attention_tp=tp, attention_dp=dp, stages=pp, kv_shards=shards,
        state_bytes=whole.state_bytes * shards / tp,
        expert_parallel=tp * dp if dp > 1 else 1.0,
        crosses_scaleup=crosses,
        exchange_places=places, overlaps=crosses * float(dp > 1),
        drafted_tokens=float(drafted),
        tokens_per_step=tokens_per_step(drafted, acceptance),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PromptTimes:
    """The time that a turn's prompt takes of a busy replica [s]: beside decode steps, and in its own pool."""

    beside: Array
    own_pool: Array


def turn_prompt_s(plan: ServingPlan, turn: MeanTurn, draws: int, c: Constants) -> PromptTimes:
    """Return the times of a turn's prompt, its prefix read from cache (2.12) [s]."""
    computed = computed_tokens(plan, turn.cached_tokens, max(turn.new_tokens, 1.0))
    beside, own = (busy_prompt_s(plan, computed, turn.cached_tokens, pool, c) for pool in (0.0, 1.0))
    return PromptTimes(np.broadcast_to(beside, (draws,)), np.broadcast_to(own, (draws,)))


def prompt_load(prompt_s: Number) -> Number:
    """Return the share of its time that a pool of prompts may work (2.13).

        T_prompt · ρ / (1 − ρ) · (1 + CV²) / 2 = usual time to the first token       (Pollaczek, Khinchine)

    Prompts of agents vary much in length, so the pool has to be larger than its work.
    """
    waiting_s = (1.0 + PROMPT_VARIATION) / 2.0 * prompt_s
    return USUAL_TTFT_S / (USUAL_TTFT_S + waiting_s)


def live_capacity(plan: ServingPlan, host: Host, turn: MeanTurn, answer_s: Number) -> Number:
    """Return how many sequences can decode at once, if sessions that wait for a tool hold KV too (2.12).

    Each running sequence comes with the contexts that wait meanwhile, gap / answer of them and those of
    subagents. They wait in host memory as far as it reaches, and in the accelerators beyond that. Contexts
    differ in length, so some room is spare: the usual share of prompts finds its prefix.
    """
    context = turn.context_tokens
    fit = capacity_batch(plan, context)
    room = fit + host.memory_bytes * plan.accelerators / stored_bytes(plan, context)
    each = CONTEXTS_PER_SESSION * (1.0 + turn.gap_s / answer_s)
    return np.minimum(fit, room / spare_room(room) / each)
