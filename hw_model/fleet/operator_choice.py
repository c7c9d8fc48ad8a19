"""What a rational operator runs: the cheapest layout, batch and drafts at a speed and a context (2.13).

Plans hold one entry per draw. For each draw every usual layout is priced for the run's mean turn, and the
cheapest is taken. All of it is arithmetic on arrays, so thousands of draws are chosen for at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from tokenprof.hw_model.catalogue.arrays import Array
from tokenprof.hw_model.equations.batching import Batch
from tokenprof.hw_model.equations.constants import Constants
from tokenprof.hw_model.equations.memory import capacity_batch
from tokenprof.hw_model.equations.plan import ServingPlan
from tokenprof.hw_model.equations.timing import decode_step
from tokenprof.hw_model.equations.turn_work import MeanTurn
from tokenprof.hw_model.fleet.one_layout import (
    Host,
    PromptTimes,
    cut_plan,
    live_capacity,
    prompt_load,
    turn_prompt_s,
)
from tokenprof.hw_model.fleet.techniques import NOTHING_SAID, Techniques
from tokenprof.hw_model.service.sessions import SLOWER_THAN_BEST

Indices = npt.NDArray[np.intp]

LAYOUTS: Final = (
    (1, 1, 1), (2, 1, 1), (4, 1, 1), (8, 1, 1), (8, 1, 2), (8, 1, 4),
    (1, 8, 1), (1, 16, 1), (1, 32, 1), (1, 64, 1), (8, 2, 1), (8, 4, 1), (8, 8, 1),
)  # fmt: skip
"""Tensor-parallel ranks, data-parallel attention ranks and pipeline stages that are tried."""

DRAFTS: Final = (0, 3)
BATCHES: Final = 4.0 ** np.arange(0.0, 6.5, 1.0)
FEW_SEQUENCES: Final = 8.0

_Table = TypeVar("_Table", ServingPlan, Host)


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen plans and batches, one entry per draw.

    `seconds_per_turn` are accelerator-seconds of one mean turn, `disaggregated` and `drafted` are 0 or 1,
    `prompt_load` is the share of its time that a pool of prompts works (1 if there is one pool), `fits` says
    whether any layout holds the context, `reaches` whether the speed is kept.
    """

    plan: ServingPlan
    batch: Batch
    seconds_per_turn: Array
    disaggregated: Array
    drafted: Array
    prompt_load: Array
    fits: npt.NDArray[np.bool_]
    reaches: npt.NDArray[np.bool_]


def fits_somewhere(whole: ServingPlan, host: Host, turn: MeanTurn, draws: int) -> npt.NDArray[np.bool_]:
    """Return for each draw whether any usual layout holds the turn's context."""
    fits = np.zeros(draws, dtype=bool)
    for layout in LAYOUTS:
        fits |= _allowed(cut_plan(whole, host, layout, 0, 0.0), host, layout, turn, draws)
    return fits


def _allowed(
    plan: ServingPlan, host: Host, layout: tuple[int, int, int], turn: MeanTurn, draws: int
) -> npt.NDArray[np.bool_]:
    """Tell for which draws a layout is possible. Drafts change nothing about that."""
    holds = capacity_batch(plan, turn.context_tokens) >= 1.0
    dense_cut = (np.asarray(plan.experts) <= 1.0) & (layout[1] > 1)
    return np.broadcast_to(holds & ~dense_cut & (layout[0] <= np.asarray(host.scaleup_world)), (draws,))


def choose(
    whole: ServingPlan,
    host: Host,
    turn: MeanTurn,
    token_s: Sequence[Array],
    acceptance: Array,
    c: Constants,
    techniques: Techniques = NOTHING_SAID,
) -> list[Choice]:
    """Return what is cheapest for each draw, once for each array of speeds.

    `token_s` holds longest times per output token [s], `acceptance` is that of the first drafted token. An
    accelerator-second costs the same in all layouts of a draw, so the fewest are the cheapest. A layout that
    holds fewer than `FEW_SEQUENCES` is taken only if no other serves the model. `techniques` may say whether
    tokens are drafted and pools are split.
    """
    draws = len(acceptance)
    chosen = [_Cheapest(draws) for _ in token_s]
    fits = np.zeros(draws, dtype=bool)
    for layout in LAYOUTS:
        allowed = _allowed(cut_plan(whole, host, layout, 0, 0.0), host, layout, turn, draws)
        at = np.flatnonzero(allowed)
        if not at.size:
            continue
        fits |= allowed
        # Most layouts hold only some of the draws, and only those are priced.
        part, its_host = _rows(whole, at, draws), _rows(host, at, draws)
        prompts: PromptTimes | None = None
        for drafted in DRAFTS if techniques.drafts is None else (DRAFTS[-1] if techniques.drafts else 0,):
            plan = cut_plan(part, its_host, layout, drafted, acceptance[at])
            prompts = prompts or turn_prompt_s(plan, turn, len(at), c)
            times = _times(plan, turn, prompts, c)
            for cheapest, longest in zip(chosen, token_s, strict=True):
                priced = _price(plan, its_host, turn, longest[at], times, techniques.apart)
                cheapest.consider(plan, at, priced, drafted > 0)
    return [cheapest.choice(fits) for cheapest in chosen]


def _rows(table: _Table, at: Indices, draws: int) -> _Table:
    """Return the given rows of a record of numbers and arrays."""
    if at.size == draws:
        return table
    values = {f.name: getattr(table, f.name) for f in fields(table)}
    return type(table)(**{name: value[at] if np.ndim(value) else value for name, value in values.items()})


class _Cheapest:
    """The cheapest layout so far of each draw."""

    def __init__(self, draws: int) -> None:
        self._best = np.full(draws, np.inf)
        self._plan: dict[str, Array] = {f.name: np.zeros(draws) for f in fields(ServingPlan)}
        self._kept = {name: np.zeros(draws) for name in (*PRICED, "drafted")}

    def consider(self, plan: ServingPlan, at: Indices, priced: Mapping[str, Array], drafted: bool) -> None:
        """Take this layout of the draws `at` where it is the cheapest yet."""
        few = np.where(priced["batch"] < FEW_SEQUENCES, 1e6, 1.0)
        slow = np.where(priced["reaches"] > 0, 1.0, 1e3)
        cost = priced["seconds"] * few * slow
        here = np.flatnonzero(cost < self._best[at])
        if not here.size:
            return
        better = at[here]
        self._best[better] = cost[here]
        for name, values in self._plan.items():
            given = getattr(plan, name)
            values[better] = given[here] if np.ndim(given) else given
        for name in PRICED:
            self._kept[name][better] = priced[name][here]
        self._kept["drafted"][better] = float(drafted)

    def choice(self, fits: npt.NDArray[np.bool_]) -> Choice:
        """Return what was taken."""
        kept = self._kept
        batch = Batch(kept["batch"], kept["memory"] > 0, kept["step"])
        return Choice(
            ServingPlan(**self._plan), batch, kept["seconds"], kept["split"], kept["drafted"], kept["load"],
            fits, kept["reaches"] > 0,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Times:
    """Times of a layout [s], whatever speed is wanted.

    `steps` are those of a step at each tried batch, `apart` those of a token in a pool that only decodes,
    `together` in one that also works on prompts; `apart_logs` and `together_logs` are their logarithms, made
    to grow with the batch.
    """

    prompts: PromptTimes
    steps: Array
    apart: Array
    apart_logs: Array
    together: Array
    together_logs: Array


def _times(plan: ServingPlan, turn: MeanTurn, prompts: PromptTimes, c: Constants) -> _Times:
    draws = len(prompts.beside)
    # One call for all batches: what does not depend on the batch is worked out once.
    step_s = decode_step(plan, BATCHES[:, None], turn.context_tokens, c).total_s
    steps = np.broadcast_to(step_s, (len(BATCHES), draws))
    gained = np.broadcast_to(np.asarray(plan.tokens_per_step, dtype=float), (draws,))
    apart = steps / gained
    together = apart + BATCHES[:, None] * prompts.beside / max(turn.output_tokens, 1.0)
    return _Times(prompts, steps, apart, _growing_logs(apart), together, _growing_logs(together))


def _growing_logs(times: Array) -> Array:
    return np.asarray(np.log(np.maximum.accumulate(times, axis=0)))


def _price(
    plan: ServingPlan,
    host: Host,
    turn: MeanTurn,
    token_s: Array,
    times: _Times,
    apart_asked: bool | None,
) -> Mapping[str, Array]:
    """Return the batch at which each draw's layout is cheapest, and the accelerator-seconds of a turn there.

    Seven batches are tried, the time per token between them is taken on a straight line of logarithms. With
    one pool, the prompts of a turn slow the answers of others; in split pools that of prompts is partly idle.
    """
    steps, prompts, apart, together = times.steps, times.prompts, times.apart, times.together
    draws = len(token_s)
    output = max(turn.output_tokens, 1.0)
    capacity = np.broadcast_to(live_capacity(plan, host, turn, output * token_s), (draws,))
    gained = np.broadcast_to(np.asarray(plan.tokens_per_step, dtype=float), (draws,))
    accelerators = float(np.asarray(plan.accelerators))
    longest_one = np.maximum(token_s, SLOWER_THAN_BEST * together[0])
    longest_two = np.maximum(token_s, SLOWER_THAN_BEST * apart[0])
    one = np.maximum(np.minimum(_largest(times.together_logs, longest_one), capacity), 1.0)
    two = np.maximum(np.minimum(_largest(times.apart_logs, longest_two), capacity), 1.0)
    step_one, step_two = _at(steps, one), _at(steps, two)
    cost_one = accelerators * (prompts.beside + output * step_one / gained / one)
    load = prompt_load(prompts.own_pool)
    cost_two = accelerators * (prompts.own_pool / load + output * step_two / gained / two)
    split = cost_two < cost_one if apart_asked is None else np.full(draws, apart_asked)
    batch = np.where(split, two, one)
    return {
        "batch": batch,
        "step": np.where(split, step_two, step_one),
        "seconds": np.where(split, cost_two, cost_one),
        "split": split * 1.0,
        "load": np.where(split, load, 1.0),
        "memory": (batch >= capacity * 0.999) * 1.0,
        "reaches": (together[0] <= token_s) * 1.0,
    }


PRICED: Final = ("batch", "step", "seconds", "split", "load", "memory", "reaches")


def _largest(logs: Array, longest: Array) -> Array:
    """Return the largest batch whose time is at most `longest`; `logs` are `_growing_logs` of the times."""
    target = np.log(longest)
    below = np.sum(target >= logs[:-1], axis=0) - 1
    at, columns = np.maximum(below, 0), np.arange(len(longest))
    low, high = logs[at, columns], logs[at + 1, columns]
    share = np.clip((target - low) / np.maximum(high - low, 1e-9), 0.0, 1.0)
    return np.where(below < 0, 1.0, BATCHES[at] * (BATCHES[1] / BATCHES[0]) ** share)


def _at(times: Array, batch: Array) -> Array:
    """Return the time at a batch, on straight lines between logarithms."""
    place = np.clip(np.log(batch) / np.log(BATCHES[1]), 0.0, len(BATCHES) - 1.001)
    lower = place.astype(int)
    columns = np.arange(times.shape[1])
    low, high = np.log(times[lower, columns]), np.log(times[lower + 1, columns])
    return np.asarray(np.exp(low + (high - low) * (place - lower)))
