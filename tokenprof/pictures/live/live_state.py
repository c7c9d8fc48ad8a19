"""A run that is still growing: its bill so far, each agent's context, and what the next call costs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import Run, Turn
from tokenprof.pictures.views.names import agent_label, shown
from tokenprof.pricing.book import PriceBook, UnknownTierError
from tokenprof.pricing.cache.cache_rules import TTL_S
from tokenprof.pricing.usage import Usage


@frozen
class LiveAgent:
    """One context of an agent: how full it is, what it cost, and what its next call costs at least.

    `next_cached_usd` is the price of reading the prompt and its answer from the cache, `next_expired_usd`
    that of writing them again, both without new input and output. `expires_at` is when the cache entry runs
    out, unless it is used. None is unknown.
    """

    name: str
    model: str
    turns: int
    context_tokens: int | None
    read_tokens: int | None
    billed_usd: Decimal
    last_usd: Decimal | None
    next_cached_usd: Decimal | None
    next_expired_usd: Decimal | None
    expires_at: datetime | None


@frozen
class LiveState:
    """A run up to now. `is_complete` says that every turn is measured to its end and priced."""

    turns: int
    billed_usd: Decimal
    is_complete: bool
    prompt_tokens: int
    read_tokens: int
    output_tokens: int
    agents: tuple[LiveAgent, ...]
    turn_usd: tuple[Decimal | None, ...]
    context_tokens: tuple[int | None, ...]

    @property
    def newest(self) -> LiveAgent | None:
        """The agent that called last."""
        return self.agents[0] if self.agents else None


def live_state(run: Run, book: PriceBook) -> LiveState:
    """Return what is known about a run so far; the agent that called last comes first."""
    amounts = [turn_usd(turn, book) for turn in run.turns]
    usages = [turn.usage for turn in run.turns if turn.usage is not None]
    contexts: dict[str, list[int]] = {}
    for index, turn in enumerate(run.turns):
        own = contexts.pop(turn.context, [])
        own.append(index)
        contexts[turn.context] = own
    agents = [_agent(run.turns, indices, amounts, book) for indices in reversed(contexts.values())]
    return LiveState(
        turns=len(run.turns),
        billed_usd=sum((amount for amount in amounts if amount is not None), Decimal(0)),
        is_complete=all(map(_is_whole, run.turns, amounts)),
        prompt_tokens=sum(usage.input_tokens for usage in usages),
        read_tokens=sum(usage.cache_read_tokens for usage in usages),
        output_tokens=sum(usage.all_output_tokens for usage in usages),
        agents=tuple(agents),
        turn_usd=tuple(amounts),
        context_tokens=tuple(None if turn.usage is None else turn.usage.input_tokens for turn in run.turns),
    )


def _is_whole(turn: Turn, amount: Decimal | None) -> bool:
    return amount is not None and turn.status != "partial" and not turn.output_incomplete


def turn_usd(turn: Turn, book: PriceBook, usage: Usage | None = None) -> Decimal | None:
    """Return what a turn is billed, or would be with another usage; None if unmeasured or unpriced."""
    usage = usage or turn.usage
    if usage is None:
        return None
    try:
        return book.price(turn.sold_by, turn.model, turn.started_at, usage, turn.selectors).usd(usage)
    except UnknownTierError:
        return None


def _agent(
    turns: Sequence[Turn], indices: Sequence[int], amounts: Sequence[Decimal | None], book: PriceBook
) -> LiveAgent:
    last = turns[indices[-1]]
    usage = last.usage
    ttl = _ttl(turns, indices)
    cached = expired = None
    if usage is not None:
        held = usage.input_tokens + usage.all_output_tokens
        cached = turn_usd(last, book, Usage(cache_read_tokens=held))
        written = {"1h": Usage(cache_write_1h_tokens=held)}.get(ttl or "", Usage(cache_write_5m_tokens=held))
        expired = turn_usd(last, book, written) or turn_usd(last, book, Usage(uncached_input_tokens=held))
    return LiveAgent(
        name=agent_label(last.agent),
        model=shown(last.model),
        turns=len(indices),
        context_tokens=None if usage is None else usage.input_tokens,
        read_tokens=None if usage is None else usage.cache_read_tokens,
        billed_usd=sum((amounts[index] or Decimal(0) for index in indices), Decimal(0)),
        last_usd=amounts[indices[-1]],
        next_cached_usd=cached,
        next_expired_usd=expired,
        expires_at=None if ttl is None else _expiry(last, ttl),
    )


def _ttl(turns: Sequence[Turn], indices: Sequence[int]) -> str | None:
    """Return the longest time to live that the newest writing call of a context wrote with."""
    for index in reversed(indices):
        usage = turns[index].usage
        written = {} if usage is None else usage.by_class()
        found = [ttl for ttl in TTL_S if written.get(f"cache_write_{ttl}")]
        if found:
            return max(found, key=lambda ttl: TTL_S[ttl])
    return None


def _expiry(turn: Turn, ttl: str) -> datetime:
    at = turn.started_at
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return datetime.fromtimestamp(at.timestamp() + (turn.duration_s or 0.0) + TTL_S[ttl], UTC)
