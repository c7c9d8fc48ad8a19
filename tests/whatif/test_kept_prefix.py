"""`prefix=kept` and the limits of suggestions, on runs made by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tokenprof.analysis.analysis import Analysis
from tokenprof.facts.types import Block, Breakpoint, Features, Run, Turn
from tokenprof.pricing.usage import Usage
from tokenprof.whatif.suggestions import LEAST_TRIED, suggest

START = datetime(2026, 6, 1, tzinfo=UTC)
RULES_TOKENS, QUESTION_TOKENS = 6000, 40


def block(kind: str, text: str, tokens: int) -> Block:
    section = "system" if kind == "system" else "messages"
    return Block(
        kind=kind,  # type: ignore[arg-type]
        name=kind,
        digest=text,
        section=section,  # type: ignore[arg-type]
        role=kind,
        opens_message=kind != "system",
        features=Features(version=1, bytes=4 * tokens, chars=4 * tokens, tokens={"o200k_base": tokens}),
    )


def turn(number: int, rules: str, usage: Usage) -> Turn:
    return Turn(
        id=f"msg_{number}",
        context="c",
        provider="anthropic",
        requested_model="claude-opus-4-8",
        model="claude-opus-4-8",
        started_at=START + timedelta(seconds=20 * number),
        status="ok",
        usage=usage,
        added=(block("system", rules, RULES_TOKENS), block("user", "question", QUESTION_TOKENS)),
        base=number - 1 if number else None,
        kept=0,
        breakpoints=(Breakpoint(0, "5m"),),
    )


def changing_rules() -> Analysis:
    """Return two calls; the second has other rules, so that it writes them again."""
    written = Usage(
        cache_write_5m_tokens=RULES_TOKENS, uncached_input_tokens=QUESTION_TOKENS, output_tokens=10
    )
    return Analysis(Run((turn(0, "rules of 9:00", written), turn(1, "rules of 9:01", written))))


def test_a_kept_prefix_is_read_and_not_written() -> None:
    """6,000 tokens at the price of a read, $0.50, and not of a write, $6.25 a million."""
    found = changing_rules().what_if("prefix=kept")
    assert found.saves_usd == RULES_TOKENS * (Decimal("6.25") - Decimal("0.50")) / 1_000_000
    assert found.is_exact
    assert found.saving_kind == "real"


def test_it_is_what_the_misses_cost() -> None:
    analysis = changing_rules()
    (miss,) = [each for each in analysis.misses if each is not None and each.cause == "changed"]
    assert analysis.what_if("prefix=kept").saves_usd == miss.usd
    assert analysis.suggestions[0].lever == "prefix=kept"


def test_it_adds_up_with_other_levers() -> None:
    both = changing_rules().what_if("prefix=kept", "tier=batch")
    alone = changing_rules().what_if("prefix=kept")
    assert alone.after_usd is not None
    assert both.after_usd == alone.after_usd / 2


def test_levers_beyond_the_limit_are_named() -> None:
    analysis = changing_rules()
    everything = suggest(analysis._what_ifs)
    limited = suggest(analysis._what_ifs, most=1, most_replayed=1)
    assert not everything.untried
    assert len(limited.found) == 1
    assert limited.found[0].lever == everything.found[0].lever
    assert len(limited.untried) == max(0, tried_in_all(analysis) - LEAST_TRIED)


def tried_in_all(analysis: Analysis) -> int:
    from tokenprof.whatif.suggestions import candidates

    ask = analysis._what_ifs
    return len(list(candidates(ask.geometry, has_rules=bool(ask.explained))))
