"""The calls that a scenario is made for: whose they are, their mean, and the speed that their clock shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from tokenprof.hw_model.equations.turn_work import MeanTurn, TurnWork
from tokenprof.hw_model.fleet.clock import ObservedSpeed
from tokenprof.hw_model.serving_settings import BY_THE_USER


@dataclass(frozen=True, slots=True)
class ObservedRun:
    """Whose calls they are, their mean, and the speed that their clock shows."""

    provider: str
    model: str
    turn: MeanTurn
    speed: ObservedSpeed | None
    when: date | None

    @property
    def context_tokens(self) -> float:
        """Mean context while an answer is decoded [tokens]."""
        return self.turn.context_tokens


def mean_turn(turns: Sequence[TurnWork]) -> MeanTurn:
    """Return the mean call, its context weighted by output, and the median gap after a call.

    A gap that is not known is taken as a usual tool's (`USUAL_GAP_S`).
    """
    count = max(len(turns), 1)
    output = sum(t.output_tokens for t in turns) / count
    new = sum(t.new_tokens for t in turns) / count
    context = mean_context_tokens(turns)
    gaps = [t.gap_s for t in turns if t.gap_s is not None]
    return MeanTurn(
        cached_tokens=max(context - new - output / 2.0, 0.0),
        new_tokens=new,
        output_tokens=output,
        gap_s=_median(gaps) if gaps else USUAL_GAP_S,
    )


def _median(values: Sequence[float]) -> float:
    """Return the median of a few numbers; numpy's takes 25 ms at its first call."""
    ordered, half = sorted(values), len(values) // 2
    return float(ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2.0)


USUAL_GAP_S: Final = 3.8
"""Median time between an answer and the next prompt in 2.9 million requests of agents [s]."""


def mean_context_tokens(turns: Sequence[TurnWork]) -> float:
    """Return the mean context before an output token of these calls [tokens]; at least 1.

    The mean prompt, if there is no output.
    """
    steps = sum(t.output_tokens for t in turns)
    if steps:
        read = sum(t.output_tokens * (t.cached_tokens + t.new_tokens + t.output_tokens / 2.0) for t in turns)
        return max(read / steps, 1.0)
    return max(sum(t.cached_tokens + t.new_tokens for t in turns) / max(len(turns), 1), 1.0)


def clock_in_words(run: ObservedRun) -> str:
    """Return where the speed of a run is known from, for a list of assumptions."""
    if run.speed is None:
        return "assumed: a usual interactive speed"
    if run.speed.method == BY_THE_USER:
        return BY_THE_USER
    return (
        f"this run's own clock: {run.speed.method}, {run.speed.tokens_per_s:.1f} tokens/s over "
        f"{run.speed.calls} calls, standard error {run.speed.log_sd:.0%}"
    )
