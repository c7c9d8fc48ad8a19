"""A closed loop of clients on one pool of replicas, or on two that split prompts from decoding (2.11).

Each client waits for its answer before it sends its next request. A request waits for its prompt to be
computed, perhaps for memory, and then decodes. The rate of requests, the number that decode and the times
depend on one another, so they are found together, by repeating the equations until they agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array, Number
from tokenprof.hw_model.catalogue.kv_size import stored_bytes
from tokenprof.hw_model.equations.constants import Constants
from tokenprof.hw_model.equations.features import CHUNK_TOKENS
from tokenprof.hw_model.equations.memory import capacity_batch
from tokenprof.hw_model.equations.plan import ServingPlan, stack
from tokenprof.hw_model.equations.prefill import prefill
from tokenprof.hw_model.equations.timing import decode_step
from tokenprof.hw_model.service.aggregated import engine_limit
from tokenprof.hw_model.service.load import ClientLoad

ROUNDS: Final = 14
"""Repetitions of the fixed point; the rate of requests then moves by less than a thousandth."""

OUTPUT_SPREAD: Final = 0.2
"""Answers that started together end within this share of their time: lengths drawn at 0.8 to 1.0."""


@dataclass(frozen=True, slots=True)
class Pools:
    """Replicas that serve one model: those that compute prompts, and those that decode.

    If `disaggregated` is 0 they are the same replicas, `prompt` and `decode` are the same plan, and
    `prompt_replicas` equals `decode_replicas`.
    """

    prompt: ServingPlan
    decode: ServingPlan
    prompt_replicas: Number = 1.0
    decode_replicas: Number = 1.0
    disaggregated: Number = 0.0

    @property
    def accelerators(self) -> Number:
        """Accelerators of all replicas."""
        decode = self.decode.accelerators * self.decode_replicas
        return decode + self.disaggregated * self.prompt.accelerators * self.prompt_replicas


def stack_pools(pools: Sequence[Pools]) -> Pools:
    """Return many services as one of arrays of shape (services,), in order."""
    return Pools(
        stack([p.prompt for p in pools]),
        stack([p.decode for p in pools]),
        *(
            np.array([getattr(p, f.name) for p in pools], dtype=float)
            for f in fields(Pools)
            if f.name not in ("prompt", "decode")
        ),
    )


@dataclass(frozen=True, slots=True)
class Served:
    """What clients get: requests per second of the whole service, times [s], and how many decode at once."""

    requests_per_s: Number
    ttft_s: Number
    tpot_s: Number
    decoding: Number


def prompt_s(pools: Pools, load: ClientLoad, waiting: Number, c: Constants) -> tuple[Number, Number]:
    """Return the time of one prompt on an idle replica, and per prompt on a busy one (2.11) [s].

    Prompts that wait are computed together, up to a chunk on each attention group, so weights and launches
    are shared. `waiting` is how many wait at each attention group.
    """
    plan, groups = pools.prompt, pools.prompt.attention_dp
    tokens = load.new_tokens
    together = np.clip(np.minimum(waiting, CHUNK_TOKENS / tokens), 1.0, None)
    alone = prefill(plan, tokens * groups, load.cached_tokens, c, prompts=groups)
    shared = prefill(plan, tokens * groups * together, load.cached_tokens, c, prompts=groups * together)
    computed = np.where(np.asarray(load.prompts_repeat) > 0, c.repeated_prompt_share, 1.0)
    # Decode steps pay for the launches of prompts that run beside them; a prompt pool has none.
    launches = pools.disaggregated * shared.overhead_s
    busy = (shared.work_s + launches) / (groups * together) / plan.stages
    return computed * alone.work_s + alone.overhead_s, computed * busy


def handover_s(pools: Pools, load: ClientLoad, c: Constants) -> Number:
    """Return the time until the KV of a prompt has moved to the decode pool (2.11) [s]."""
    moved = stored_bytes(pools.prompt, load.prompt_tokens)
    link = pools.prompt.net_bytes_per_s * pools.prompt.attention_tp
    return pools.disaggregated * (c.handover_s + moved / link)


def closed_loop(pools: Pools, load: ClientLoad, c: Constants) -> Served:
    """Return what a fixed number of clients get (2.11).

        requests/s = clients / (TTFT + O * TPOT)                                        (Little's law)
        TPOT = T_step(decoding) / (tokens per step) + interference * prompts of others  (2.6)
        TTFT = front end + prompt + wait for other prompts + wait for memory + hand-over

    The wait for prompts is that of a queue with equal service times, which closes as the number of clients
    is fixed (Schweitzer's approximation of mean-value analysis).
    """
    context = load.prompt_tokens + load.output_tokens / 2.0
    fit = capacity_batch(pools.decode, context)
    engine = engine_limit(pools.decode)
    room = np.minimum(np.where(fit < 1.0, np.inf, fit), engine) * pools.decode_replicas
    servers = pools.prompt_replicas * pools.prompt.attention_dp
    front = c.request_s + handover_s(pools, load, c)
    decoding = np.minimum(load.clients, room) * 1.0
    queued = load.clients * 0.05
    ttft: Number = decoding
    tpot: Number = decoding
    rate = load.clients * 0.0
    others = (load.clients - 1.0) / load.clients
    for _ in range(ROUNDS):
        each = decoding / pools.decode_replicas
        alone, busy = prompt_s(pools, load, queued / servers, c)
        step = decode_step(pools.decode, each, context, c).total_s
        between = np.maximum(each - 1.0, 0.0) / load.output_tokens * busy
        tpot = step / pools.decode.tokens_per_step
        tpot = tpot + (1.0 - pools.disaggregated) * c.interference * between
        answer = load.output_tokens * tpot
        # `busy` is the time of a prompt on all groups of a replica; a group's own takes that many times it.
        service = busy * pools.prompt.attention_dp
        full = np.minimum(rate * service / servers, 1.0)
        behind = service / servers * (1.0 + full) / 2.0 * queued * others
        burst = np.maximum(decoding * service / servers - OUTPUT_SPREAD * answer, 0.0) / 2.0
        ahead = front + np.maximum(alone, service) + step + behind + c.synchrony * burst
        rate = np.minimum(load.clients / (ahead + answer), room / answer)
        rate = np.minimum(rate, servers / service)
        ttft = np.maximum(load.clients / rate - answer, ahead)
        decoding = 0.5 * decoding + 0.5 * np.clip(rate * answer, np.minimum(1.0, load.clients), room)
        queued = 0.5 * queued + 0.5 * np.clip(rate * (ahead - front - step), 0.0, load.clients)
    return Served(rate, ttft, tpot, decoding)


def tokens_per_s_per_accelerator(pools: Pools, load: ClientLoad, served: Served) -> Array:
    """Return prompt and output tokens per second and accelerator, cached ones included [tokens/s]."""
    tokens = load.prompt_tokens + load.output_tokens
    return np.asarray(served.requests_per_s * tokens / pools.accelerators)
