"""The runs that the published claims are about, as if they had been recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from tokenprof.facts.types import Run, Turn
from tokenprof.pricing.chain.published_claims import AT
from tokenprof.pricing.usage import Usage

TASK: Final = "the task of bill-6 on Claude Opus 4.8 (50 calls at 200k cached tokens, 100k out)"
SECONDS_APART: Final = 30


def task_run(calls: int = 50, model: str = "claude-opus-4-8", provider: str = "anthropic") -> Run:
    """Return the published task (rows bill-4 to bill-6): calls that re-send 200k cached tokens each.

    The calls write 100k output tokens together.
    """
    usage = Usage(cache_read_tokens=200_000, output_tokens=100_000 // calls)
    return example_run(provider, model, [usage] * calls)


def growing_run() -> Run:
    """Return a session of ten turns whose context grows from 20k to 200k tokens, writing what is new."""
    return example_run(
        "anthropic",
        "claude-opus-4-8",
        [
            Usage(cache_read_tokens=20_000 * turn, cache_write_5m_tokens=20_000, output_tokens=1_000)
            for turn in range(10)
        ],
    )


def example_run(provider: str, model: str, usages: Sequence[Usage]) -> Run:
    """Return a run of one context with a turn for each usage, `SECONDS_APART`, at the examples' day."""
    return Run(
        tuple(
            Turn(
                id=f"example-{index}",
                context="example",
                provider=provider,
                requested_model=model,
                model=model,
                started_at=AT + timedelta(seconds=SECONDS_APART * index),
                duration_s=None,
                status="ok",
                usage=usage,
                added=(),
            )
            for index, usage in enumerate(usages)
        )
    )
