"""When hosting pays: limits worked by hand, and what has to move with what."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tokenprof.analysis.analysis import Analysis
from tokenprof.commands.main import main
from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run, Turn
from tokenprof.pricing.usage import Usage
from tokenprof.report.comparisons.break_even_text import render_break_even
from tokenprof.report.comparisons.what_if_text import as_text
from tokenprof.whatif.break_even import HOURS_A_MONTH, BreakEven
from tokenprof.whatif.day_shape import day_shape

START = datetime(2026, 9, 1, 8, tzinfo=UTC)
LOG = Path(__file__).parents[1] / "data" / "logs" / "session_log" / "session_2.1.330.jsonl"


def run(calls: int = 20, cached: int = 60_000, gap_s: float = 20) -> Analysis:
    """Return a run of calls that read most of their prompt from the cache: $0.045 each."""
    turns = tuple(
        Turn(
            id=f"m{number}",
            context="c",
            provider="anthropic",
            requested_model="claude-opus-4-8",
            model="claude-opus-4-8",
            started_at=START + timedelta(seconds=gap_s * number),
            duration_s=8.0,
            ttft_s=2.0,
            status="ok",
            usage=Usage(uncached_input_tokens=1500, cache_read_tokens=cached, output_tokens=300),
            added=(),
        )
        for number in range(calls)
    )
    return Analysis(Run(turns))


@pytest.fixture(scope="module")
def sheet() -> BreakEven:
    return run().break_even("deepseek-v3", [1, 100, 10_000])


def test_the_recorded_bill_is_one_way_to_buy(sheet: BreakEven) -> None:
    """20 calls of 60,000 tokens read at $0.50, 1,500 fresh at $5 and 300 written at $25 a million."""
    recorded = sheet.bought[0]
    assert recorded.is_recorded
    assert recorded.usd_per_run.mid == pytest.approx(20 * (0.03 + 0.0075 + 0.0075))
    assert recorded.usd_per_run.low == recorded.usd_per_run.high


def test_an_idle_node_costs_its_hours(sheet: BreakEven) -> None:
    """One run a day needs one node, which is paid for 730 hours a month whatever it does."""
    for node in sheet.hosted:
        month = next(each for each in sheet.months if (each.runs_per_day, each.name) == (1, node.name))
        assert month.nodes is not None
        assert month.nodes.low == month.nodes.high == 1
        for end in ("low", "mid", "high"):
            paid = getattr(node.usd_per_hour, end) * HOURS_A_MONTH
            assert getattr(month.usd, end) == pytest.approx(paid)


def test_a_month_of_buying_grows_with_the_runs(sheet: BreakEven) -> None:
    usd = {each.runs_per_day: each.usd.mid for each in sheet.months if each.name == sheet.bought[0].name}
    assert usd[10_000] == pytest.approx(100 * usd[100]) == pytest.approx(10_000 * usd[1])


def test_at_the_crossing_a_month_costs_the_same_either_way() -> None:
    first = run().break_even("deepseek-v3")
    crossing = next(each for each in first.crossings if each.bought == first.bought[0].name)
    assert crossing.runs_per_day is not None
    assert crossing.likely == 1
    there = run().break_even("deepseek-v3", [crossing.runs_per_day.mid])
    usd = {each.name: each.usd.mid for each in there.months}
    assert usd[crossing.hosted] == pytest.approx(usd[crossing.bought], rel=0.02)
    used = next(each.used for each in there.months if each.name == crossing.hosted)
    assert used is not None
    assert used.mid == pytest.approx(crossing.used.mid, rel=0.1)


def test_nodes_are_not_busier_than_the_day_allows(sheet: BreakEven) -> None:
    """At many runs a day the peak fills the nodes, so the mean hour fills what is left of them."""
    for month in sheet.months:
        if month.used is not None and month.runs_per_day == 10_000:
            assert month.used.high <= sheet.crossings[0].reachable.high


def test_longer_contexts_need_more_nodes() -> None:
    short, long = (run(cached=size).break_even("deepseek-v3", [10_000]) for size in (20_000, 120_000))
    for before, after in zip(short.hosted, long.hosted, strict=True):
        assert after.calls_per_hour.mid < before.calls_per_hour.mid


def test_smaller_runs_pay_for_the_same_node_by_their_number() -> None:
    """Calls billed a sixtieth, $0.00075 instead of $0.045, have to be sixty times as many."""
    full = run()
    small = Analysis(
        Run(
            tuple(
                replace(turn, usage=Usage(uncached_input_tokens=0, cache_read_tokens=500, output_tokens=20))
                for turn in full.run.turns
            )
        )
    )
    runs_a_day = []
    for analysis in (full, small):
        sheet = analysis.break_even("llama-3.1-405b")
        crossing = next(each for each in sheet.crossings if each.bought == sheet.bought[0].name)
        runs_a_day.append(crossing.runs_per_day.mid)
    assert runs_a_day[1] / runs_a_day[0] == pytest.approx(60.0, rel=0.05)


def test_hosts_of_the_model_are_found_in_the_price_book(sheet: BreakEven) -> None:
    assert any("a host of DeepSeek-V3" in each.name for each in sheet.bought)


def test_a_model_that_does_not_fit_is_said() -> None:
    found = run().break_even("kimi-k3")
    assert any(each.startswith("Own 8×H200: ") for each in found.impossible)
    assert [each.name for each in found.hosted] == ["Rented 8×GB200"] or not found.hosted


def test_closed_weights_cannot_be_hosted() -> None:
    with pytest.raises(InputError, match="Only open weights can be hosted"):
        run().break_even("claude-opus-4-8")


def test_the_shape_of_a_day_is_measured_over_days() -> None:
    """Three days of 100 calls each, two thirds of them in one hour: 16 times the mean hour."""
    times = [
        datetime(2026, 9, day, 9 if call % 3 else 15, tzinfo=UTC) for day in (1, 2, 3) for call in range(99)
    ]
    assert day_shape(times).peak_to_mean == (16.0, 16.0, 16.0)
    assert day_shape(times).source == "these calls, over 3 days"
    assert day_shape(times[:99]).peak_to_mean == (1.5, 3.0, 4.2)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_sheet_fits_the_terminal(sheet: BreakEven, width: int) -> None:
    shown = as_text(lambda console: render_break_even(sheet, console), width)
    assert max(map(len, shown.splitlines())) <= width
    assert shown.startswith("Hosting DeepSeek-V3 for these calls: 20 calls a run")
    assert "Own 8×H200 costs less than the recorded list price from" in " ".join(shown.split())


def test_the_command_writes_the_sheet_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["whatif", str(LOG), "--break-even", "glm-5", "--runs-per-day", "50"]
    assert main([*asked, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "tokenprof.break_even/1"
    assert {each["runs_per_day"] for each in found["months"]} == {50}
    assert main(["whatif", str(LOG), "--runs-per-day", "50", "--suggest"]) == 2
    assert "--runs-per-day needs --break-even MODEL." in capsys.readouterr().err
