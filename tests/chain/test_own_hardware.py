"""A run on hardware of your own, whose calls nobody bills: everything stands by what it cost to compute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import resolve_assumptions
from tokenprof.facts.types import Run, Turn
from tokenprof.hw_model.catalogue.lookup import read_data
from tokenprof.pricing.usage import Usage
from tokenprof.report.document import report_of
from tokenprof.report.terminal.text import to_text

MODEL = "my-org/DeepSeek-V4-Pro-finetuned"


def turn(index: int, output_tokens: int) -> Turn:
    return Turn(
        id=f"call-{index}",
        context="main",
        provider="openai",
        requested_model=MODEL,
        model=MODEL,
        started_at=datetime(2026, 11, 2, 9, tzinfo=UTC) + timedelta(seconds=20 * index),
        duration_s=2.0,
        status="ok",
        usage=Usage(uncached_input_tokens=30_000, output_tokens=output_tokens),
        added=(),
    )


def analysis(**said: object) -> Analysis:
    settings = {"deployment": "deepseek-v4-pro@8xb200", "hours": "own", **said}
    named = {name.replace("_", "-"): value for name, value in settings.items()}
    run = Run((turn(0, 100), turn(1, 4_000), turn(2, 100)))
    return Analysis(run, resolve_assumptions(settings=named, environ={}))


def test_the_ends_are_those_of_the_models_own_error() -> None:
    found = analysis().totals.hardware_usd
    assert found is not None
    low, middle, high = read_data("constants.json")["service_spread"]["drawn"]["agentic sold"]
    # P10 and P90 lie 1.2816 of the 1.75 deviations between the middle and the 4th or 96th percentile away.
    assert found.high / found.mid == pytest.approx((middle / low) ** (1.2816 / 1.75), rel=0.01)
    assert found.mid / found.low == pytest.approx((high / middle) ** (1.2816 / 1.75), rel=0.01)


def test_the_line_under_the_figure_says_what_the_ends_leave_out() -> None:
    text = " ".join(to_text(report_of(analysis())).split())
    assert "P90 of this model's own error on 8 × B200, with 50% of its hours sold (assumed; say" in text
    said = " ".join(to_text(report_of(analysis(utilisation=0.8))).split())
    assert "with 80% of its hours sold." in said


def test_blocks_stand_by_compute_where_nothing_is_billed() -> None:
    text = to_text(report_of(analysis()))
    assert "Blocks, by what they cost to compute" in text
    assert "$0 " not in text
