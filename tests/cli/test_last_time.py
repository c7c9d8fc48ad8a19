"""Whether a run cost more than the one before it in the same folder."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import anthropic
import pytest

import tokenprof
from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import Assumptions
from tokenprof.analysis.earlier_run import last_time
from tokenprof.analysis.rows.last_time import LastTime
from tokenprof.commands.closing_report import report_recording
from tokenprof.commands.main import main
from tokenprof.pricing.book import default_book
from tokenprof.reading.files import read
from tokenprof.report.terminal.headline import than_last_time
from tokenprof.testing import LoopbackProvider, Reply


def record(path: Path, calls: int, written_s: int) -> Path:
    with (
        LoopbackProvider(lambda body, number: Reply.text("Hello there, friend.")) as provider,
        tokenprof.profile(path),
        anthropic.Anthropic(api_key="x", base_url=provider.url) as client,
    ):
        for _ in range(calls):
            client.messages.create(
                model="claude-opus-4-8", max_tokens=9, messages=[{"role": "user", "content": "hi " * 200}]
            )
    os.utime(path, (written_s, written_s))
    return path


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """Two runs in one folder; the later one makes twice as many calls."""
    return record(tmp_path / "monday.jsonl", 2, 1_000), record(tmp_path / "tuesday.jsonl", 4, 2_000)


def test_the_report_says_how_much_more_than_last_time(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    monday, tuesday = runs
    assert main(["report", str(tuesday)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Last time (monday.jsonl, " in shown
    assert "in 2 turns; this one is 100% more." in shown
    assert main(["report", str(monday)]) == 0
    assert "Last time" not in capsys.readouterr().out


def test_what_is_not_a_run_of_the_kind_is_passed_over(runs: tuple[Path, Path], tmp_path: Path) -> None:
    monday, tuesday = runs
    (tmp_path / "notes.jsonl").write_text(json.dumps({"a": 1}) + "\n")
    (tmp_path / "empty.jsonl").write_text("")
    for file in ("notes.jsonl", "empty.jsonl"):
        os.utime(tmp_path / file, (1_500, 1_500))
    analysis = Analysis(read([tuesday]), Assumptions())
    found = last_time(tuesday, analysis.run, analysis.book)
    assert found is not None
    assert (found.file, found.turns) == ("monday.jsonl", 2)
    assert found.billed_usd == Analysis(read([monday]), Assumptions()).totals.billed_usd
    monday.unlink()
    assert last_time(tuesday, analysis.run, analysis.book) is None


def test_a_run_before_without_a_whole_bill_is_passed_over(runs: tuple[Path, Path], tmp_path: Path) -> None:
    _, tuesday = runs
    prices = tmp_path / "no_output.toml"
    prices.write_text(
        '[[price]]\nprovider = "anthropic"\nmodel = "claude-opus-4-8"\nusd_per_mtok = {uncached_input = 5}\n'
        'source = "ours"\nchecked = 2026-11-01\n'
    )
    assert last_time(tuesday, read([tuesday]), default_book([prices])) is None


def test_a_recording_of_two_runs_is_not_compared(runs: tuple[Path, Path], tmp_path: Path) -> None:
    monday, tuesday = runs
    both = tmp_path / "wednesday.jsonl"
    both.write_bytes(monday.read_bytes() + tuesday.read_bytes())
    analysis = Analysis(read([both]), Assumptions())
    assert last_time(both, analysis.run, analysis.book) is None


@pytest.mark.parametrize(
    ("then_usd", "said"),
    [("1.00", "50% less"), ("0.502", "about the same"), ("0.40", "25% more"), ("0.10", "5.0 times as much")],
)
def test_the_difference_in_words(runs: tuple[Path, Path], then_usd: str, said: str) -> None:
    from io import StringIO

    from rich.console import Console

    totals = replace(Analysis(read([runs[0]]), Assumptions()).totals, billed_usd=Decimal("0.50"))
    before = LastTime("monday.jsonl", datetime(2026, 11, 20, 9, tzinfo=UTC), 3, Decimal(then_usd))
    console = Console(file=StringIO(), width=200)
    (line,) = than_last_time(totals, before, console)
    assert said in line.plain
    assert than_last_time(replace(totals, unpriced_turns=1), before, console) == []
    assert than_last_time(totals, None, console) == []


def test_json_holds_the_run_before(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    monday, tuesday = runs
    assert main(["report", str(tuesday), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["last_time"]["file"], found["last_time"]["turns"]) == ("monday.jsonl", 2)
    assert Decimal(found["last_time"]["billed_usd"]) * 2 == Decimal(found["totals"]["billed_usd"])
    assert main(["report", str(monday), "--format", "json"]) == 0
    assert "last_time" not in json.loads(capsys.readouterr().out)


def test_a_recording_that_just_ended_is_compared_too(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """What `tokenprof run` and `tokenprof proxy` print when they end."""
    _, tuesday = runs
    report_recording(tuesday, Assumptions(), recorded=True)
    shown = " ".join(capsys.readouterr().err.split())
    assert "Last time (monday.jsonl, " in shown
