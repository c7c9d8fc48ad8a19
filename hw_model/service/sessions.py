"""The service of agents: sessions that prompt, answer, wait for a tool and prompt again (2.12).

A session's KV is in use while it runs, and waits in a cache while a tool runs (`prefix_cache`). Longer
prompts keep more sessions running, which leaves less room: past the capacity hits fall off a cliff. All of it
is one fixed point, found by repeating the equations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array, Number
from tokenprof.hw_model.catalogue.kv_size import stored_bytes
from tokenprof.hw_model.equations.constants import Constants
from tokenprof.hw_model.equations.features import CHUNK_TOKENS
from tokenprof.hw_model.equations.memory import capacity_batch
from tokenprof.hw_model.equations.plan import ServingPlan
from tokenprof.hw_model.equations.prefill import prefill
from tokenprof.hw_model.equations.timing import decode_step
from tokenprof.hw_model.service.pools import Pools, stack_pools
from tokenprof.hw_model.service.prefix_cache import ParkingSpace, PrefixRoom, computed_tokens

ROUNDS: Final = 40

PROMPT_VARIATION: Final = 12.0
"""Squared coefficient of variation of the work of an agent's prompts: that of a log-normal with the median
(1,700) and the mean (6,200) of new tokens in replayed sessions."""

BUSIEST: Final = 0.97
"""Largest share of a replica's time that prompts may take before decoding stalls altogether."""


@dataclass(frozen=True, slots=True)
class AgentLoad:
    """What agents ask: how many sessions are live, and the mean turn.

    `cached_tokens` are those that the last turn left in the cache, if it is still there; `new_tokens` come on
    top of them. `gap_s` is the time of a tool, from the end of an answer to the next prompt [s].
    """

    sessions: Number
    cached_tokens: Number
    new_tokens: Number
    output_tokens: Number
    gap_s: Number

    @property
    def context_tokens(self) -> Number:
        """Mean context while an answer is decoded [tokens]."""
        return self.cached_tokens + self.new_tokens + self.output_tokens / 2.0


@dataclass(frozen=True, slots=True)
class ServedAgents:
    """What agents get: turns per second of the service, times [s], the hit rate, and sessions running."""

    turns_per_s: Number
    ttft_s: Number
    tpot_s: Number
    hit_rate: Number
    running: Number
    prompt_share: Number


def agent_service(pools: Pools, load: AgentLoad, c: Constants, parking: ParkingSpace) -> ServedAgents:
    """Return what a fixed number of live sessions get (2.12).

        turns/s  = sessions / (TTFT + O * TPOT + gap)                                   (Little's law)
        hit rate = that of `PrefixRoom.found`
        prompt   = hit * T(new | cached) + (1 - hit) * T(new + cached) + transfer from the parking space
        TTFT     = front end + prompt + wait, a queue with unequal service times        (Pollaczek, Khinchine)
        TPOT     = T_step(running) / tokens per step / (1 - share of time that prompts hold it up)

    A service that holds not even one session has a rate of 0.
    """
    plan, decode = pools.prompt, pools.decode
    context = load.context_tokens
    kv = stored_bytes(decode, context)
    one = np.asarray(pools.disaggregated)
    room = capacity_batch(decode, context) * pools.decode_replicas
    prefixes = PrefixRoom(
        inside=np.where(one > 0, capacity_batch(plan, context) * pools.prompt_replicas, room),
        outside=parking.capacity_bytes * pools.prompt_replicas / kv,
        shared=1.0 - one,
    )
    moved_s = kv / parking.bytes_per_s
    servers = pools.prompt_replicas
    # A prompt alone on a data-parallel replica uses one group of it; prompts of others use the rest.
    side_by_side = plan.attention_dp * plan.stages
    computed = computed_tokens(plan, load.cached_tokens, load.new_tokens)
    hit_s = busy_prompt_s(plan, computed, load.cached_tokens, one, c)
    miss_s = busy_prompt_s(plan, load.cached_tokens + load.new_tokens, 0.0, one, c)
    launch_s = prefill(plan, 1.0, 0.0, c).overhead_s
    front = c.request_s + pools.disaggregated * c.handover_s + handover_s_of_hit(pools, load, c)
    hit = np.ones(np.broadcast(np.asarray(load.sessions), context, room).shape)
    running = np.minimum(load.sessions * 0.5, room) * hit
    rate, queued, share = hit * 0.0, hit * 0.0, hit * 0.0
    ttft, tpot = hit, hit
    for _ in range(ROUNDS):
        found, brought = prefixes.found(load.sessions, running)
        hit = 0.7 * hit + 0.3 * found
        service = hit * hit_s + (1.0 - hit) * miss_s
        alone = service * side_by_side + launch_s + hit * brought * moved_s
        # Beside decode steps a prompt holds up the others for longer than its work takes (2.6).
        stalled = service * (one + (1.0 - one) * c.interference)
        share = 0.5 * share + 0.5 * np.minimum(rate * stalled / servers, BUSIEST)
        step = decode_step(decode, np.maximum(running / pools.decode_replicas, 1.0), context, c).total_s
        tpot = step / decode.tokens_per_step / (1.0 - (1.0 - one) * share)
        answer = load.output_tokens * tpot
        unequal = (1.0 + PROMPT_VARIATION) / 2.0
        waiting = np.maximum(np.minimum(queued, load.sessions - 1.0) - share, 0.0)
        behind = service / servers * (waiting + share * unequal)
        ahead = front + alone + behind
        open_rate = load.sessions / (ahead + answer + load.gap_s)
        # Sessions that run hold their KV from the prompt to the last token.
        held = np.where(one > 0, answer, alone + answer)
        rate = 0.5 * rate + 0.5 * np.minimum(np.minimum(open_rate, room / held), BUSIEST * servers / stalled)
        ttft = np.maximum(load.sessions / np.maximum(rate, 1e-12) - answer - load.gap_s, ahead)
        running = 0.5 * running + 0.5 * np.minimum(rate * held, room)
        queued = 0.5 * queued + 0.5 * np.clip(rate * (alone + behind), 0.0, load.sessions)
    rate = np.where(room < 1.0, 0.0, rate)
    return ServedAgents(rate, ttft, tpot, hit, running, share)


def busy_prompt_s(
    plan: ServingPlan, new_tokens: Number, cached_tokens: Number, own_pool: Number, c: Constants
) -> Number:
    """Return the time that a prompt takes of a busy replica (2.12) [s].

        T_work / (d · p) + own pool · N / (chunk · d) · T_launch

    Prompts fill the attention groups and stages side by side, and share the launches of a chunk. Launches
    count in a pool of prompts (`own_pool` 1); beside decode steps (0) these pay for them.
    """
    groups = plan.attention_dp
    prompt = prefill(plan, new_tokens * groups, cached_tokens, c, prompts=groups)
    launches = new_tokens / (CHUNK_TOKENS * groups) * prompt.overhead_s
    return prompt.work_s / groups / plan.stages + own_pool * launches


def handover_s_of_hit(pools: Pools, load: AgentLoad, c: Constants) -> Number:
    """Return the time until the whole context has moved to the decode pool [s]; 0 with one pool."""
    moved = stored_bytes(pools.prompt, load.cached_tokens + load.new_tokens)
    return pools.disaggregated * moved / (pools.prompt.net_bytes_per_s * pools.prompt.attention_tp)


def agent_tokens_per_s_per_accelerator(pools: Pools, load: AgentLoad, served: ServedAgents) -> Array:
    """Return prompt and output tokens per second and accelerator, cached ones included [tokens/s]."""
    tokens = load.cached_tokens + load.new_tokens + load.output_tokens
    return np.asarray(served.turns_per_s * tokens / pools.accelerators)


SESSION_STEPS: Final = 2.0 ** np.arange(-1.0, 11.0, 0.25)
"""Numbers of live sessions per decode replica that are tried."""

SLOWER_THAN_BEST: Final = 1.25
"""How much slower than the fastest a service may be if none keeps the speed asked for."""

LONGEST_TTFT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class AgentPools:
    """Pools of agents, where their idle KV waits, and how many live sessions they serve."""

    pools: Pools
    parking: ParkingSpace
    sessions: float


def agents_at_speed(
    candidates: Sequence[tuple[Pools, ParkingSpace]], load: AgentLoad, c: Constants, tokens_per_s: float
) -> AgentPools:
    """Return the candidate and the number of sessions with most turns per accelerator at a speed (2.13).

    Each session gets `tokens_per_s`, and the first token comes within `LONGEST_TTFT_S`. If no candidate can
    give that speed, the slowest time per token allowed is `SLOWER_THAN_BEST` times the shortest.
    """
    steps = len(SESSION_STEPS)
    pools = stack_pools([p for p, _ in candidates for _ in SESSION_STEPS])
    parking = ParkingSpace(
        np.repeat([float(np.asarray(x.capacity_bytes)) for _, x in candidates], steps),
        np.repeat([float(np.asarray(x.bytes_per_s)) for _, x in candidates], steps),
    )
    sessions = np.tile(SESSION_STEPS, len(candidates)) * np.asarray(pools.decode_replicas)
    served = agent_service(pools, replace(load, sessions=sessions), c, parking)
    turns = np.asarray(served.turns_per_s / pools.accelerators)
    tpot_s = np.where(turns > 0.0, np.asarray(served.tpot_s), np.inf)
    ttft_s = np.asarray(served.ttft_s)
    slowest = np.maximum(1.0 / tokens_per_s, SLOWER_THAN_BEST * tpot_s.min())
    enough = (tpot_s <= slowest) & (ttft_s <= np.maximum(LONGEST_TTFT_S, ttft_s.min()))
    best = int(np.argmax(np.where(enough, turns, -1.0)))
    return AgentPools(*candidates[best // steps], float(sessions[best]))
