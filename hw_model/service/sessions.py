"""The service of agents: sessions that prompt, answer, wait for a tool and prompt again (2.12).

A session's KV is in use while it runs. While a tool runs it is parked: in what memory the running sessions
leave free, then in host memory or a shared store. What finds no room is dropped, and the next prompt computes
it again. Longer prompts keep more sessions running, which leaves less room: past the capacity hits fall off a
cliff. All of it is one fixed point, found by repeating the equations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
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

ROUNDS: Final = 40

PROMPT_VARIATION: Final = 12.0
"""Squared coefficient of variation of the work of an agent's prompts: that of a log-normal with the median
(1,700) and the mean (6,200) of new tokens in replayed sessions."""

CONTEXTS_PER_SESSION: Final = 1.44
"""Contexts of a live session: its own, and that of a subagent in 44 % of replayed sessions (AgentX)."""

STATE_CHECKPOINT_TOKENS: Final = 32_768.0
"""How often vLLM keeps the state of linear attention (Kimi K3): a hit computes half of that again."""

LEAST_RECENT: Final = 3.0
"""The cache drops the context that has waited longest, which is often the next to return: between 1 (any
context is dropped) and no hit at all past the capacity (contexts return in a fixed order)."""

CONTEXT_VARIATION: Final = 1.16
"""Squared coefficient of variation of contexts: log-normal with the median (140,800) and the mean (207,082)
of replayed sessions."""

NORMAL_NODES: Final = (
    (-2.85697, -1.355626, 0.0, 1.355626, 2.85697),
    (0.0112574, 0.2220759, 0.5333333, 0.2220759, 0.0112574),
)
"""Places and weights of a mean over a normal distribution (Gauss and Hermite's five)."""

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
class ParkingSpace:
    """Where KV waits outside accelerators: bytes and bytes per second of a prompt replica; 0 for none."""

    capacity_bytes: Number = 0.0
    bytes_per_s: Number = np.inf


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
        hit rate = min(1, room for parked KV / contexts parked)^3,  parked = contexts - running
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
    prompt_room = np.where(one > 0, capacity_batch(plan, context) * pools.prompt_replicas, room)
    outside = parking.capacity_bytes * pools.prompt_replicas / kv
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
        stays = np.maximum(prompt_room - running * (1.0 - one), 0.0)
        parked = np.maximum(CONTEXTS_PER_SESSION * load.sessions - running * (1.0 - one), 1e-9)
        free = stays + outside
        hit = 0.7 * hit + 0.3 * hits(free / parked, CONTEXTS_PER_SESSION * load.sessions)
        brought = np.clip((parked - stays) / parked, 0.0, 1.0) * (outside > 0)
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


def computed_tokens(plan: ServingPlan, cached_tokens: Number, new_tokens: Number) -> Number:
    """Return the tokens that a prompt computes if its prefix is in the cache (2.12) [tokens].

    Those that are new, and those since the last state of linear attention that the engine kept.
    """
    coarse = (np.asarray(plan.linear_layers) > 0) & (np.asarray(plan.vllm) > 0)
    return new_tokens + np.minimum(np.where(coarse, STATE_CHECKPOINT_TOKENS / 2.0, 0.0), cached_tokens)


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


def hits(room: Number, contexts: Number) -> Array:
    """Return the share of prompts that find their prefix in the cache (2.12).

        mean of min(1, room / d)^3 over d, log-normal with mean 1 and squared variation CV² / contexts

    `room` is that of the cache over the mean need, `contexts` how many contexts need it. Contexts differ in
    length, so what a few of them need together differs too, and hits fall before the mean need is the room.
    """
    log_sd = np.sqrt(np.log1p(CONTEXT_VARIATION / np.maximum(contexts, 1.0)))
    share: Array = np.zeros(np.broadcast(room, log_sd).shape)
    for place, weight in zip(*NORMAL_NODES, strict=True):
        need = np.exp(log_sd * place - log_sd**2 / 2.0)
        share = share + weight * np.clip(room / need, 0.0, 1.0) ** LEAST_RECENT
    return share


def spare_room(contexts: Number) -> Array:
    """Return the room for KV at which `USUAL_HITS` are found, over what contexts need at the mean (2.12).

    `contexts` is how many share the room: the fewer, the more they differ together, and the more is spare.
    """
    return np.interp(np.log(np.maximum(contexts, 1.0)), *_spare_rooms())


@cache
def _spare_rooms() -> tuple[Array, Array]:
    contexts = 2.0 ** np.arange(21.0)
    low, high = np.ones(len(contexts)), np.full(len(contexts), 100.0)
    for _ in range(40):
        middle = np.sqrt(low * high)
        enough = hits(middle, contexts) >= USUAL_HITS
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.log(contexts), high


USUAL_HITS: Final = 0.96
"""Share of prompt tokens that are found in the cache in 2.9 million requests of agents."""


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
