"""What the report says of compute beyond dollars, by hand where a run's clock alone decides it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import Assumptions
from tokenprof.costing.compute import cost_to_compute
from tokenprof.costing.ledger import build_ledger
from tokenprof.costing.served_hours import Serving
from tokenprof.facts.types import Run, Turn
from tokenprof.hw_model.cost import ServingSettings
from tokenprof.hw_model.equations.features import Feature
from tokenprof.pricing.book import default_book
from tokenprof.pricing.usage import Usage
from tokenprof.report.report_json import json_report

START = datetime(2026, 9, 1, tzinfo=UTC)
BOOK = default_book()


def turn(index: int, at_s: float, duration_s: float, usage: Usage) -> Turn:
    return Turn(
        id=f"m{index}",
        context="c",
        provider="anthropic",
        requested_model="claude-opus-4-8",
        model="claude-opus-4-8",
        started_at=START + timedelta(seconds=at_s),
        duration_s=duration_s,
        status="ok",
        usage=usage,
        added=(),
    )


def report(turns: int = 2, deployment: str | None = None, step: int = 8000, lasts_s: float = 4) -> dict:
    """Calls that begin 6 s after the one before has ended, each with `step` tokens more of context."""
    usages = [
        Usage(0, cache_read_tokens=step * i, cache_write_5m_tokens=step, output_tokens=400)
        for i in range(turns)
    ]
    made = [turn(i, (lasts_s + 6) * i, lasts_s, usage) for i, usage in enumerate(usages)]
    return json_report(Analysis(Run(tuple(made)), Assumptions(deployment=deployment)))


def test_kv_6_byte_seconds_in_use_and_in_gaps_follow_from_the_run_s_clock() -> None:
    kv = report()["compute"]["kv"]
    assert kv["active_token_seconds"] == 4 * 8400 + 4 * 16400
    assert kv["idle_token_seconds"] == 6 * 8400
    assert kv["idle_share"] == pytest.approx(50400 / (50400 + 99200), abs=1e-4)


def test_kv_7_a_second_of_tool_latency_has_a_price_where_memory_limits_the_batch() -> None:
    def a_second(turns: int) -> float:
        found = report(turns, "kimi-k2.5@8xh200:tp=8,kv=bf16", step=50_000, lasts_s=40)
        return float(found["compute"]["kv"]["gap_usd_per_s_at_longest_context"]["mid"])

    assert 0 < a_second(2) < a_second(4) < 0.01


def test_ratios_are_tighter_than_the_dollars_they_are_of() -> None:
    found = report(6)
    dollars = found["totals"]["hardware_usd"]
    trend = found["compute"]["ratios"][-1]
    assert trend["name"].startswith("a turn of the run's last third")
    spread = float(dollars["high"]) / float(dollars["low"])
    assert float(trend["compute"]["high"]) / float(trend["compute"]["low"]) < spread / 2
    assert float(trend["billed"]) > 1


def test_the_implied_margin_is_what_the_bill_leaves_and_stands_beside_published_ones() -> None:
    found = report(6)
    margin, ratio = found["compute"]["implied_gross_margin"], found["totals"]["price_to_cost"]
    assert margin["mid"] == pytest.approx(1 - 1 / float(ratio["mid"]), abs=2e-4)
    assert margin["low"] < margin["mid"] < margin["high"] < 1
    assert any(row["name"].startswith("Anthropic") for row in found["compute"]["published_gross_margins"])
    assert sum(row["share_of_variance"] > 0 for row in found["compute"]["drivers"]) >= 3


def test_the_later_half_of_a_prompt_costs_more_to_compute_than_the_earlier() -> None:
    half = 50_000
    usage = Usage(half, cache_write_5m_tokens=half, output_tokens=1)
    ledger = build_ledger(Run((turn(0, 0, 4, usage),)), BOOK)
    hardware = cost_to_compute(ledger, serving=Serving(ServingSettings("llama-3.1-70b@8xh200")))
    earlier, later, _ = (cost for _, cost in hardware.of_entries(ledger, 0))
    assert [entry.tokens for entry in ledger.entries[0]] == [half, half, 1]
    assert earlier is not None
    assert later is not None
    # Each half costs its own tokens. Of the pairs of new tokens, 50,000² / 2 end in the earlier half, and
    # (100,000² - 50,000²) / 2 in the later one: three times as many.
    (scenario,) = hardware.scenarios.values()
    table = scenario.rates.by_basis["resource_share"]
    row = table[round((len(table) - 1) / 2)]
    token_usd, pair_usd = row[Feature.PREFILL_TOKENS], row[Feature.PREFILL_PAIRS]
    assert earlier.mid == pytest.approx(token_usd * half + pair_usd * 1.25e9)
    assert later.mid == pytest.approx(token_usd * half + pair_usd * 3.75e9)
    assert later.mid > 1.2 * earlier.mid
