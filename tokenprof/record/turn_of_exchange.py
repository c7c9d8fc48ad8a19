"""From an exchange, the call that was read in it, and its place in a history to a turn."""

from __future__ import annotations

from collections.abc import Mapping

from tokenprof.facts.times import seconds_between, utc_from_ns
from tokenprof.facts.types import AnswerFacts, Turn, facts_of
from tokenprof.record.contexts import Placement
from tokenprof.record.exchange import Call, Exchange


def turn_of(
    exchange: Exchange, call: Call, place: Placement, base: int | None, tags: Mapping[str, str]
) -> Turn:
    """Return the turn of an exchange, as a reader of the recording will see it."""
    kept = place.kept if base is not None else 0
    return Turn(
        **facts_of(AnswerFacts, call),
        id=call.response_id or exchange.span_id,
        context=place.context,
        parent=place.parent,
        compacted=place.compacted,
        added=call.prompt[kept:],
        base=base,
        kept=kept,
        provider=exchange.provider,
        started_at=utc_from_ns(exchange.started_ns),
        duration_s=seconds_between(exchange.started_ns, exchange.ended_ns),
        ttft_s=seconds_between(exchange.started_ns, exchange.first_byte_ns),
        agent=exchange.agent,
        attempts=exchange.retries_taken + 1,
        tags=tags,
    )
