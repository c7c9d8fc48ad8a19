"""`tokenprof diff`: what it prints, its JSON, and its mistakes."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import anthropic
import diff_goldens
import pytest

import tokenprof
from tokenprof.commands.main import main
from tokenprof.report.comparisons.difference_text import to_text
from tokenprof.report.next_steps.difference_json import difference_json
from tokenprof.report.next_steps.difference_wording import signed_usd
from tokenprof.testing import LoopbackProvider
from tokenprof.testing.loop import Workload, run_loop, workload


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings of the same loop, of which the second has one result of ten times the size."""
    found = tmp_path_factory.mktemp("runs")
    work = workload(turns=6)
    record(found / "before.jsonl", work, "old")
    work.results[2] = [10 * text for text in work.results[2]]
    record(found / "now.jsonl", work, "new")
    return found


def record(path: Path, work: Workload, version: str) -> None:
    with (
        LoopbackProvider(list(work.replies)) as server,
        tokenprof.profile(path, tags={"version": version}),
        anthropic.Anthropic(api_key="unused", base_url=server.url) as client,
    ):
        run_loop(client, work)


@pytest.mark.parametrize("width", diff_goldens.WIDTHS)
def test_the_text_is_as_kept(width: int) -> None:
    text = to_text(diff_goldens.compared(), width)
    assert text == diff_goldens.path(width).read_text("utf-8")
    assert max(map(len, text.splitlines())) <= width


def test_compute_is_shown_if_it_was_asked_for() -> None:
    lines = to_text(diff_goldens.compared(compute=True), 60).splitlines()
    assert lines[1].startswith("Compute est.: $0.0")
    assert max(map(len, lines)) <= 60


def test_a_larger_result_is_found_in_a_recording(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", str(folder / "before.jsonl"), str(folder / "now.jsonl")]) == 0
    lines = capsys.readouterr().out.splitlines()
    first = next(line for line in lines if line.startswith("  1. "))
    grown = tool_of_the_third_turn(folder)
    assert f"result of {grown} grew" in first
    assert first.startswith("  1. +$0.0")


def tool_of_the_third_turn(folder: Path) -> str:
    """Return the tool that was called in the third turn."""
    turns = tokenprof.load(folder / "now.jsonl").turns
    return next(
        block.name for block in turns[2].output if block.kind in ("tool_call", "output") and block.link
    )


def test_two_tags_are_compared_as_two_files_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(folder / "before.jsonl"), str(folder / "now.jsonl")]
    assert main(["diff", *files, "--format", "json"]) == 0
    by_file = json.loads(capsys.readouterr().out)
    assert (
        main(["diff", str(folder), "--tag", "version=old", "--tag", "version=new", "--format", "json"]) == 0
    )
    by_tag = json.loads(capsys.readouterr().out)
    assert by_tag["difference_usd"] == by_file["difference_usd"]
    assert by_tag["causes"] == by_file["causes"]


def test_the_json_adds_up_as_decimals(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", str(folder / "before.jsonl"), str(folder / "now.jsonl"), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "tokenprof.diff/1"
    whole = Decimal(found["now"]["billed_usd"]) - Decimal(found["before"]["billed_usd"])
    assert Decimal(found["difference_usd"]) == whole > 0
    assert sum(map(Decimal, found["parts"].values())) == whole
    assert sum(Decimal(cause["usd"]) for cause in found["causes"]) == whole
    assert found["before"]["calls"] == found["now"]["calls"] == 6


def test_python_compares_two_analyses(folder: Path) -> None:
    before, now = (tokenprof.load(folder / name).analyze() for name in ("before.jsonl", "now.jsonl"))
    found = tokenprof.diff(before, now)
    assert found.usd == (now.totals.billed_usd or 0) - (before.totals.billed_usd or 0)
    assert found.compute_usd == (None, None)
    assert difference_json(found)["before"]["hardware_usd"] is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a.jsonl"], "1 file or folder is named, and two sides are compared: tokenprof diff BEFORE NOW."),
        (["a.jsonl", "b.jsonl", "c.jsonl"], "3 files are named"),
        (["a.jsonl", "--tag", "x=1"], "Give --tag twice"),
        (["a.jsonl", "b.jsonl", "--full", "--format", "json"], "JSON always holds everything"),
        (["a.jsonl", "b.jsonl", "--utilisation", "0.5"], "add --compute or leave it out"),
        (["a.jsonl", "b.jsonl"], "a.jsonl"),
    ],
)
def test_mistakes_name_the_way_out(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["diff", *arguments]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("amount", "text"), [("0.038", "+$0.038"), ("-0.0021", "−$0.0021"), ("0", "$0"), ("12.5", "+$12.50")]
)
def test_dollars_carry_their_sign(amount: str, text: str) -> None:
    assert signed_usd(Decimal(amount)) == text
