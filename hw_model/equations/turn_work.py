"""One model call as work for the hardware."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TurnWork:
    """What one model call asked of the hardware.

    `cached_tokens` is the prefix whose KV was already there, `new_tokens` the prompt tokens that were
    computed, `output_tokens` all output with reasoning. `duration_s` is the wall time of the call [s],
    `ttft_s` the part of it until the first token [s],
    `gap_s` the idle time until the next call of the same context [s], during which the KV may be held; None
    if unknown.
    """

    cached_tokens: int
    new_tokens: int
    output_tokens: int
    duration_s: float | None = None
    gap_s: float | None = None
    ttft_s: float | None = None


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
