"""What a rational operator runs: the cheapest layout, batch and drafts at a speed and a context (2.13).

Plans hold one entry per draw. For each draw every usual layout is priced for the run's mean turn, and the
cheapest is taken. All of it is arithmetic on arrays, so thousands of draws are chosen for at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from tokenprof.hw_model.batching import Batch
from tokenprof.hw_model.catalogue.arrays import Array, Number
from tokenprof.hw_model.catalogue.kv_size import stored_bytes
from tokenprof.hw_model.constants import Constants
from tokenprof.hw_model.memory import capacity_batch
from tokenprof.hw_model.plan import ServingPlan
from tokenprof.hw_model.service.drafts import tokens_per_step
from tokenprof.hw_model.service.sessions import CONTEXTS_PER_SESSION
from tokenprof.hw_model.timing import decode_step, prefill

LAYOUTS: Final = (
    (1, 1, 1), (2, 1, 1), (4, 1, 1), (8, 1, 1), (8, 1, 2), (8, 1, 4),
    (1, 8, 1), (1, 16, 1), (1, 32, 1), (1, 64, 1), (8, 2, 1), (8, 4, 1), (8, 8, 1),
)  # fmt: skip
"""Tensor-parallel ranks, data-parallel attention ranks and pipeline stages that are tried."""

DRAFTS: Final = (0, 3)
BATCHES: Final = 4.0 ** np.arange(0.0, 6.5, 1.0)
FEW_SEQUENCES: Final = 8.0
SLOWER_THAN_BEST: Final = 1.25

POOLS_IDLE: Final = 1.15
"""Accelerators of split pools over those at work: replicas come in whole numbers, and one pool waits for the
other (ratio of the best split to the ideal one in the captures of DeepSeek-R1)."""


@dataclass(frozen=True, slots=True)
class MeanTurn:
    """The mean call of a run [tokens], and the idle time until the next one of its context [s]."""

    cached_tokens: float
    new_tokens: float
    output_tokens: float
    gap_s: float

    @property
    def context_tokens(self) -> float:
        """Mean context while the answer is decoded [tokens]."""
        return max(self.cached_tokens + self.new_tokens + self.output_tokens / 2.0, 1.0)


@dataclass(frozen=True, slots=True)
class Host:
    """What a draw's chips offer beyond a plan: accelerators on fast links, and memory for idle KV [bytes]."""

    scaleup_world: Number
    memory_bytes: Number


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen plans and batches, one entry per draw.

    `seconds_per_turn` are accelerator-seconds of one mean turn, `disaggregated` and `drafted` are 0 or 1,
    `fits` says whether any layout holds the context, `reaches` whether the speed is kept.
    """

    plan: ServingPlan
    batch: Batch
    seconds_per_turn: Array
    disaggregated: Array
    drafted: Array
    fits: npt.NDArray[np.bool_]
    reaches: npt.NDArray[np.bool_]


def cut_plan(
    whole: ServingPlan, host: Host, layout: tuple[int, int, int], drafted: int, acceptance: Number
) -> ServingPlan:
    """Return plans of an uncut model in a layout.

    `whole` is cut over one rank; its `kv_shards` are the most that its KV can be cut into, and its
    `sent_copies` the experts that a token goes to.
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
        sent_copies=whole.sent_copies * (1.0 - 1.0 / places) if dp > 1 else 0.0,
        drafted_tokens=float(drafted),
        tokens_per_step=tokens_per_step(drafted, acceptance),
    )  # fmt: skip


def turn_prompt_s(plan: ServingPlan, turn: MeanTurn, c: Constants) -> Number:
    """Return the time that a turn's prompt takes of a busy replica, its prefix read from cache (2.2) [s]."""
    groups = plan.attention_dp
    work = prefill(plan, max(turn.new_tokens, 1.0) * groups, turn.cached_tokens, c, prompts=groups).work_s
    return work / groups / plan.stages


def live_capacity(plan: ServingPlan, host: Host, turn: MeanTurn, answer_s: Number) -> Number:
    """Return how many sequences can decode at once, if sessions that wait for a tool hold KV too (2.12).

    Each running sequence comes with the contexts that wait meanwhile, gap / answer of them and those of
    subagents. They wait in host memory as far as it reaches, and in the accelerators beyond that.
    """
    context = turn.context_tokens
    fit = capacity_batch(plan, context)
    outside = host.memory_bytes * plan.accelerators / stored_bytes(plan, context)
    parked = CONTEXTS_PER_SESSION * (1.0 + turn.gap_s / answer_s) - 1.0
    return np.minimum(fit, (fit + outside) / (1.0 + parked))


def choose(
    whole: ServingPlan, host: Host, turn: MeanTurn, token_s: Array, acceptance: Array, c: Constants
) -> Choice:
    """Return what is cheapest for each draw.

    `token_s` is the longest time per output token [s], `acceptance` that of the first drafted token. An
    accelerator-second costs the same in all layouts of a draw, so the fewest are the cheapest. A layout that
    holds fewer than `FEW_SEQUENCES` is taken only if no other serves the model.
    """
    draws = len(token_s)
    best = np.full(draws, np.inf)
    columns: dict[str, Array] = {f.name: np.zeros(draws) for f in fields(ServingPlan)}
    kept = {name: np.zeros(draws) for name in ("batch", "step", "memory", "split", "drafted", "seconds")}
    fits, reaches = np.zeros(draws, dtype=bool), np.zeros(draws, dtype=bool)
    for layout in LAYOUTS:
        for drafted in DRAFTS:
            plan = cut_plan(whole, host, layout, drafted, acceptance)
            found = _price(plan, host, turn, token_s, c)
            dense_cut = (np.asarray(whole.experts) <= 1.0) & (layout[1] > 1)
            allowed = found["fits"].astype(bool) & ~dense_cut & (layout[0] <= np.asarray(host.scaleup_world))
            few = np.where(found["batch"] < FEW_SEQUENCES, 1e6, 1.0)
            slow = np.where(found["reaches"] > 0, 1.0, 1e3)
            cost = np.where(allowed, found["seconds"] * few * slow, np.inf)
            better = cost < best
            best = np.where(better, cost, best)
            fits |= allowed
            reaches = np.where(better, found["reaches"] > 0, reaches)
            for name, values in columns.items():
                values[better] = np.broadcast_to(getattr(plan, name), (draws,))[better]
            for name in ("batch", "step", "memory", "split", "seconds"):
                kept[name][better] = found[name][better]
            kept["drafted"][better] = float(drafted > 0)
    chosen = Batch(kept["batch"], kept["memory"] > 0, kept["step"])
    return Choice(
        ServingPlan(**columns), chosen, kept["seconds"], kept["split"], kept["drafted"], fits, reaches
    )


def _price(
    plan: ServingPlan, host: Host, turn: MeanTurn, token_s: Array, c: Constants
) -> Mapping[str, Array]:
    """Return the batch at which each draw's layout is cheapest, and the accelerator-seconds of a turn there.

    Seven batches are tried, the time per token between them is taken on a straight line of logarithms. With
    one pool, the prompts of a turn slow the answers of others; split pools do not, but some of them wait.
    """
    draws = len(token_s)
    context, output = turn.context_tokens, max(turn.output_tokens, 1.0)
    steps = np.stack([np.broadcast_to(decode_step(plan, b, context, c).total_s, (draws,)) for b in BATCHES])
    prompt_s = np.broadcast_to(turn_prompt_s(plan, turn, c), (draws,))
    capacity = np.broadcast_to(live_capacity(plan, host, turn, output * token_s), (draws,))
    alone = np.broadcast_to(capacity_batch(plan, context), (draws,))
    gained = np.broadcast_to(np.asarray(plan.tokens_per_step, dtype=float), (draws,))
    accelerators = float(np.asarray(plan.accelerators))
    together = steps / gained + BATCHES[:, None] * prompt_s / output
    fastest = together[0]
    wanted = np.maximum(token_s, SLOWER_THAN_BEST * fastest)
    one = np.minimum(_largest(together, wanted), capacity)
    two = np.minimum(
        _largest(steps / gained, np.maximum(token_s, SLOWER_THAN_BEST * steps[0] / gained)), capacity
    )
    one, two = np.maximum(one, 1.0), np.maximum(two, 1.0)
    step_one, step_two = _at(steps, one), _at(steps, two)
    cost_one = accelerators * (prompt_s + output * step_one / gained / one)
    cost_two = accelerators * POOLS_IDLE * (prompt_s + output * step_two / gained / two)
    split = cost_two < cost_one
    batch = np.where(split, two, one)
    return {
        "batch": batch,
        "step": np.where(split, step_two, step_one),
        "seconds": np.where(split, cost_two, cost_one),
        "split": split * 1.0,
        "memory": (batch >= capacity * 0.999) * 1.0,
        "fits": (alone >= 1.0) * 1.0,
        "reaches": (fastest <= token_s) * 1.0,
    }


def _largest(times: Array, longest: Array) -> Array:
    """Return the largest batch whose time, which grows with the batch, is at most `longest`."""
    logs, target = np.log(np.maximum.accumulate(times, axis=0)), np.log(longest)
    batch = np.ones(len(longest))
    for i in range(len(BATCHES) - 1):
        share = np.clip((target - logs[i]) / np.maximum(logs[i + 1] - logs[i], 1e-9), 0.0, 1.0)
        inside = target >= logs[i]
        batch = np.where(inside, BATCHES[i] * (BATCHES[i + 1] / BATCHES[i]) ** share, batch)
    return batch


def _at(times: Array, batch: Array) -> Array:
    """Return the time at a batch, on straight lines between logarithms."""
    place = np.clip(np.log(batch) / np.log(BATCHES[1]), 0.0, len(BATCHES) - 1.001)
    lower = place.astype(int)
    columns = np.arange(times.shape[1])
    low, high = np.log(times[lower, columns]), np.log(times[lower + 1, columns])
    return np.asarray(np.exp(low + (high - low) * (place - lower)))
