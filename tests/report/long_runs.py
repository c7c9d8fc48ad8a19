"""Runs of any length in which every turn sends one block more than the one before."""

from datetime import UTC, datetime, timedelta

from tokenprof.facts.types import Block, Breakpoint, Features, Run, Turn
from tokenprof.pricing.usage import Usage

TOKENS = 100
START = datetime(2026, 6, 1, tzinfo=UTC)


def long_run(turns: int) -> Run:
    """Return a run whose turn n sends n blocks of 100 tokens: it writes the newest and reads the others."""
    return Run(tuple(_turn(index) for index in range(turns)))


def _turn(index: int) -> Turn:
    return Turn(
        id=f"msg_{index}",
        context="c",
        provider="anthropic",
        requested_model="claude-opus-4-8",
        model="claude-opus-4-8",
        started_at=START + timedelta(seconds=10 * index),
        status="ok",
        usage=Usage(cache_read_tokens=TOKENS * index, cache_write_5m_tokens=TOKENS, output_tokens=7),
        added=(_block(index),),
        base=index - 1 if index else None,
        kept=index,
        breakpoints=(Breakpoint(index, "5m"),),
    )


def _block(number: int) -> Block:
    features = Features(version=1, bytes=4 * TOKENS, chars=4 * TOKENS, tokens={"o200k_base": TOKENS})
    return Block(
        kind="user",
        name="user",
        digest=f"text {number}",
        section="messages",
        role="user",
        opens_message=True,
        features=features,
    )
