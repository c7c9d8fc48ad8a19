"""Whether the latest day or week of many runs was more expensive than the one before."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.rows.latest_days import (
    DayBill,
    LatestPeriods,
    Period,
    latest_periods,
    periods_of_runs,
)
from tokenprof.commands.main import main
from tokenprof.facts.types import Run
from tokenprof.reading.files import read
from tokenprof.report.terminal.headline import than_last_time

MONDAY = date(2026, 11, 2)
LATER = date(2026, 12, 31)
"""A day on which everything is over."""


def days(**bills: str) -> dict[date, DayBill]:
    """Return days after Monday with their dollars, `d0` being Monday; each has two turns."""
    return {MONDAY + timedelta(days=int(day[1:])): DayBill(2, 2, Decimal(usd)) for day, usd in bills.items()}


def said(found: LatestPeriods | None) -> str:
    lines = than_last_time(Analysis(Run(())).rows.totals, found, Console(file=StringIO(), width=300))
    return " ".join(line.plain for line in lines)


def test_the_latest_day_is_compared_with_the_one_before_that_has_turns() -> None:
    """Friday and the Monday after, whatever else there was."""
    found = latest_periods(days(d0="9", d4="1.00", d7="1.50"), LATER)
    assert found == LatestPeriods(
        Period(date(2026, 11, 9), date(2026, 11, 9), 2, Decimal("1.50")),
        Period(date(2026, 11, 6), date(2026, 11, 6), 2, Decimal("1.00")),
    )
    assert said(found) == "2026-11-09: $1.50 in 2 turns, 50% more than 2026-11-06 ($1.00 in 2 turns)."


def test_weeks_are_compared_once_the_runs_span_more_than_two() -> None:
    """Days 8 to 14 against days 1 to 7; day 0 is in neither."""
    found = latest_periods(days(d0="100", d1="1", d7="2", d8="4", d14="5"), LATER)
    assert found is not None
    assert (found.latest.first_day, found.latest.last_day) == (date(2026, 11, 10), date(2026, 11, 16))
    assert (found.before.first_day, found.before.last_day) == (date(2026, 11, 3), date(2026, 11, 9))
    assert said(found) == (
        "The 7 days to 2026-11-16: $9.00 in 4 turns, 3.0 times as much as the 7 days before "
        "($3.00 in 4 turns)."
    )


def test_after_a_gap_the_latest_two_days_are_compared() -> None:
    found = latest_periods(days(d0="1", d30="2"), LATER)
    assert found is not None
    assert (found.latest.first_day, found.before.first_day) == (date(2026, 12, 2), MONDAY)


@pytest.mark.parametrize(
    ("usd", "sentence"),
    [
        ("0.40", "2026-11-03, so far: $0.40 in 2 turns; 2026-11-02: $1.00 in 2 turns."),
        ("1.25", "2026-11-03, so far: $1.25 in 2 turns, 25% more than 2026-11-02 ($1.00 in 2 turns)."),
    ],
)
def test_a_day_that_is_not_over_is_more_only_if_it_already_is(usd: str, sentence: str) -> None:
    assert said(latest_periods(days(d0="1.00", d1=usd), date(2026, 11, 3))) == sentence


@pytest.mark.parametrize(
    ("usd", "words"),
    [("1.005", "about the same as"), ("0.75", "25% less than"), ("2.5", "2.5 times as much as")],
)
def test_the_difference_in_words(usd: str, words: str) -> None:
    assert f", {words} 2026-11-02" in said(latest_periods(days(d0="1", d1=usd), LATER))


def test_nothing_is_said_of_one_day_or_of_a_bill_that_is_not_whole() -> None:
    two = days(d0="1", d1="2")
    assert latest_periods(days(d0="1"), LATER) is None
    assert latest_periods({}, LATER) is None
    assert latest_periods({**two, MONDAY: DayBill(2, 1, Decimal(1))}, LATER) is None
    assert latest_periods({**two, MONDAY: DayBill(2, 2)}, LATER) is None
    # A day of neither period may lack a bill.
    assert latest_periods({**two, MONDAY - timedelta(days=1): DayBill(1)}, LATER) is not None
    assert said(None) == ""


def session(folder: Path, name: str, day: str, tokens: int) -> None:
    """Write a Claude Code session of one call."""
    usage = {"input_tokens": tokens, "output_tokens": 0}
    answer = {"id": f"msg_{name}", "role": "assistant", "model": "claude-opus-4-8", "usage": usage}
    common = {"sessionId": name, "timestamp": f"{day}T09:00:00.000Z", "isSidechain": False}
    asked, answered = f"{name}-0", f"{name}-1"
    lines = [
        {"type": "user", "uuid": asked, "parentUuid": None, "message": {"role": "user", "content": "hi"}},
        {"type": "assistant", "uuid": answered, "parentUuid": asked, "message": {**answer, "content": []}},
    ]
    text = "".join(json.dumps({**line, **common, "requestId": f"req_{name}"}) + "\n" for line in lines)
    (folder / f"{name}.jsonl").write_text(text)


def test_missing_calls_or_times_leave_nothing_to_compare(tmp_path: Path) -> None:
    session(tmp_path, "a", "2026-11-02", 100_000)
    session(tmp_path, "b", "2026-11-03", 150_000)
    rows = Analysis(read([tmp_path])).rows
    found = periods_of_runs(rows, LATER)
    assert found is not None
    assert (found.latest.billed_usd, found.before.billed_usd) == (Decimal("0.75"), Decimal("0.5"))
    assert periods_of_runs(replace(rows, totals=replace(rows.totals, missing_calls=1)), LATER) is None
    timeless = (replace(rows.turns[0], at=None), *rows.turns[1:])
    assert periods_of_runs(replace(rows, turns=timeless), LATER) is None


def test_a_folder_says_it_in_text_and_in_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """100,000 tokens at $5 a million, and half as many more a day later; summed folders say the same."""
    session(tmp_path, "a", "2026-11-02", 100_000)
    session(tmp_path, "b", "2026-11-03", 150_000)
    line = "2026-11-03: $0.75 in 1 turn, 50% more than 2026-11-02 ($0.50 in 1 turn)."
    assert main(["report", str(tmp_path)]) == 0
    assert line in " ".join(capsys.readouterr().out.split())
    monkeypatch.setattr("tokenprof.sessions.size_of_logs.SUMMED_FROM_BYTES", 1)
    assert main(["report", str(tmp_path)]) == 0
    assert line in " ".join(capsys.readouterr().out.split())
    assert main(["report", str(tmp_path), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "last_time" not in found
    assert found["latest_days"] == {
        "first_day": "2026-11-03",
        "last_day": "2026-11-03",
        "turns": 1,
        "billed_usd": "0.75",
        "is_running": False,
        "before": {"first_day": "2026-11-02", "last_day": "2026-11-02", "turns": 1, "billed_usd": "0.5"},
    }
