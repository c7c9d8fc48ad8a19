"""The words of the live view, the same in a terminal and on a page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Final

from tokenprof.pictures.live.live_state import LiveAgent, LiveState
from tokenprof.report import numbers

COLUMNS: Final = (
    "agent",
    "model",
    "turns",
    "context",
    "cached",
    "billed",
    "last call",
    "next call, cached",
    "next call, expired",
    "cache",
)

AGENTS_SHOWN: Final = 12


def headline(state: LiveState) -> str:
    """Return the bill so far, with the tokens in and out."""
    at_least = "" if state.is_complete else "at least "
    read = numbers.percent(numbers.fraction(state.read_tokens, state.prompt_tokens))
    return (
        f"{at_least}{numbers.usd(state.billed_usd)} billed in {numbers.count(state.turns, 'turn')} · "
        f"{state.prompt_tokens:,} tokens in, {read} read from cache · {state.output_tokens:,} out"
    )


def figures(state: LiveState, now: datetime) -> Iterator[tuple[str, str, str]]:
    """Yield what matters most, each as a label, a figure and a note: of the run, and of the newest agent."""
    billed = "billed" if state.is_complete else "billed at least"
    yield billed, numbers.usd(state.billed_usd), numbers.count(state.turns, "turn")
    agent = state.newest
    if agent is None:
        return
    yield "next call at least", _usd(agent.next_cached_usd), f"{_usd(agent.next_expired_usd)} once expired"
    yield "cache", cache_words(agent, now), f"of agent {agent.name}"
    read = numbers.percent(numbers.fraction(agent.read_tokens, agent.context_tokens))
    yield "context", numbers.tokens(agent.context_tokens), f"tokens, {read} read from the cache"


def rows(state: LiveState, now: datetime) -> Iterator[tuple[str, ...]]:
    """Yield a row for each agent, the one that called last first."""
    for agent in state.agents[:AGENTS_SHOWN]:
        yield (
            agent.name,
            agent.model,
            str(agent.turns),
            numbers.tokens(agent.context_tokens),
            numbers.percent(numbers.fraction(agent.read_tokens, agent.context_tokens)),
            numbers.usd(agent.billed_usd),
            _usd(agent.last_usd),
            _usd(agent.next_cached_usd),
            _usd(agent.next_expired_usd),
            cache_words(agent, now),
        )


def cache_words(agent: LiveAgent, now: datetime) -> str:
    """Return how long the cache of an agent lasts: `4:10 left`, `expired`, or unknown."""
    if agent.expires_at is None:
        return numbers.UNKNOWN
    left_s = int((agent.expires_at - now).total_seconds())
    return f"{left_s // 60}:{left_s % 60:02d} left" if left_s > 0 else "expired"


def _usd(amount: Decimal | None) -> str:
    return "unpriced" if amount is None else numbers.usd(amount)
