"""Cache misses where results of tools were cleared from the context: what that cost, and that it was wanted.

claude-opus-4-8 per million tokens: 5 m write 6.25, read 0.50.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from cached_calls import made_block

from tokenprof.analysis.analysis import Analysis
from tokenprof.costing.cache_misses import explain_misses, is_of_a_compaction
from tokenprof.costing.ledger import build_ledger
from tokenprof.facts.types import Block, Breakpoint, Run, Turn
from tokenprof.pricing.book import default_book
from tokenprof.pricing.usage import Usage

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
MODEL = "claude-opus-4-8"


def result(number: int) -> Block:
    block = made_block(f"result {number}", 1_000 * number)
    return replace(block, kind="tool_result", link=f"call {number}", opens_message=True)


BLOCKS = [made_block("rules", 5_000), *(result(number) for number in range(1, 6)), made_block("question", 60)]
TOTALS = [5_000, 6_000, 8_000, 11_000, 15_000, 20_000]


def made_run(*, has_breakpoints: bool, told: int | None) -> Run:
    """A block a turn, each cached; at the last one the results of 1,000, 2,000 and 3,000 tokens are gone."""
    usages = [
        Usage(cache_read_tokens=read, cache_write_5m_tokens=total - read, output_tokens=10)
        for read, total in zip([0, *TOTALS[:-1], 5_000], [*TOTALS, 14_060], strict=True)
    ]
    return Run(
        tuple(
            Turn(
                id=f"r{number}",
                context="c",
                provider="anthropic",
                requested_model=MODEL,
                model=MODEL,
                started_at=START + timedelta(seconds=10 * number),
                status="ok",
                usage=usage,
                added=(BLOCKS[number],),
                base=number - 1 if number else None,
                kept=number,
                breakpoints=(Breakpoint(number, "5m"),) if has_breakpoints else (),
                cleared_tool_uses=told if number == 6 else None,
            )
            for number, usage in enumerate(usages)
        )
    )


@pytest.mark.parametrize("told", [None, 3])
@pytest.mark.parametrize("has_breakpoints", [False, True])
def test_what_clearing_cost_starts_at_the_first_cleared_result(
    has_breakpoints: bool, told: int | None
) -> None:
    run = made_run(has_breakpoints=has_breakpoints, told=told)
    ledger = build_ledger(run, default_book())
    ledger.check()
    *before, miss = explain_misses(ledger)
    assert {each.cause for each in before if each is not None} <= {"first_use"}
    assert miss is not None
    assert (miss.cause, miss.field) == ("changed", "cleared")
    assert ledger.attribution.blocks[miss.block or ""].block.name == "result 1"
    # 4,000 + 5,000 + 60 tokens written at 6.25 instead of read at 0.50.
    assert (miss.tokens, miss.usd) == (9_060, Decimal("0.052095"))
    assert is_of_a_compaction(miss, "tool_result")


def test_nothing_is_to_be_saved_by_not_clearing() -> None:
    analysis = Analysis(made_run(has_breakpoints=False, told=3))
    [finding] = [each for each in analysis.findings if each.code == "cache-miss-changed"]
    assert (finding.turns, finding.saves_usd) == ((6,), None)
