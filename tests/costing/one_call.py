"""One call of a closed model, for tests that work its bill out by hand."""

from datetime import UTC, datetime

from tokenprof.facts.types import Turn
from tokenprof.pricing.usage import Usage


def one_call(usage: Usage) -> Turn:
    """A call of Opus 4.8 on 2026-09-01: a million tokens cost $5 fresh, $0.50 read and $25 written."""
    return Turn(
        id="m",
        context="c",
        provider="anthropic",
        requested_model="claude-opus-4-8",
        model="claude-opus-4-8",
        started_at=datetime(2026, 9, 1, tzinfo=UTC),
        duration_s=4.0,
        status="ok",
        usage=usage,
        added=(),
    )
