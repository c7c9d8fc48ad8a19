"""`ingest`, `totals` and `query` as a user calls them."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path

import pytest
from stores import reported

from tokenprof.commands.main import main
from tokenprof.store.queries import priced_store


def test_ingest_totals_and_query(sessions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = str(tmp_path / "store")
    assert main(["ingest", str(sessions), "--store", store]) == 0
    assert capsys.readouterr().out.startswith("5 logs read (5 new): 20 turns, 0.2 MB; 0 did not change.\n")
    assert main(["ingest", "--store", store]) == 0
    assert capsys.readouterr().out.startswith("Nothing to read: 5 logs did not change.\n")
    assert main(["totals", "--store", store, "--by", "project", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(group["project"], group["turns"]) for group in found["groups"]] == [
        ("project0", 12),
        ("project1", 8),
    ]
    assert float(found["total"]["billed_usd"]) == float(reported(sessions).totals.billed_usd or 0)
    sql = "SELECT project, count(*) AS n FROM turns GROUP BY project ORDER BY project"
    assert main(["query", sql, "--store", store, "--format", "csv"]) == 0
    assert list(csv.reader(capsys.readouterr().out.splitlines())) == [
        ["project", "n"],
        ["project0", "12"],
        ["project1", "8"],
    ]


def test_a_store_can_be_asked_about_some_paths(
    sessions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(tmp_path / "store")
    main(["ingest", str(sessions), "--store", store])
    capsys.readouterr()
    assert main(["totals", str(sessions / "project1"), "--store", store, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["total"]["turns"] == 8
    assert main(["totals", str(tmp_path / "other"), "--store", store]) == 2
    assert "holds no log of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["totals"], "There is no store in"),
        (["query", "DROP TABLE logs"], "runs one SELECT and nothing else"),
        (["query", "SELECT 1; SELECT 2"], "runs one SELECT and nothing else"),
        (["query", "SELECT * FROM read_text('/etc/hostname')"], "Cannot access file"),
        (["query", "SELECT nothing FROM turns"], "Referenced column"),
        (["ingest", "--every", "5"], "--every says how often --watch looks"),
        (["totals", "--by", "modle"], "Did you mean model?"),
    ],
)
def test_mistakes_are_sentences(
    sessions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    store = tmp_path / "store"
    if arguments != ["totals"]:
        main(["ingest", str(sessions), "--store", str(store)])
    capsys.readouterr()
    assert main([*arguments, "--store", str(store)]) == 2
    assert sentence in capsys.readouterr().err


def test_what_is_missing_is_said(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["totals", str(logs), "--by", "model"]) == 0
    shown = capsys.readouterr().out
    assert "at least" in shown.splitlines()[-4]
    assert "turns ended before the final count of the output; the bill is at least" in shown


def test_the_report_of_a_store(sessions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["report", str(sessions), "--store", str(tmp_path / "store")]
    assert main([*words, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    whole = reported(sessions).totals
    assert (found["schema"], found["logs"], found["total"]["turns"]) == ("tokenprof.fleet/1", 5, 20)
    assert Decimal(found["total"]["billed_usd"]) == whole.billed_usd
    for groups in found["sections"].values():
        assert sum(Decimal(group["billed_usd"]) for group in groups) == whole.billed_usd
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("20 turns in 5 logs, 2026-11-22 to 2026-11-22\n")
    assert "By price class" in shown
    assert "By tool: schema, calls and results" in shown
    assert main([*words, "--turns", "3"]) == 2
    assert "--turns has no effect on a report from a store" in capsys.readouterr().err


def two_days(folder: Path) -> Path:
    """Sessions of two days in a row; those of the second day are three of five."""
    for number, file in enumerate(sorted(folder.rglob("*.jsonl"))):
        if number < 2:
            file.write_text(file.read_text("utf-8").replace("2026-11-22T", "2026-11-21T"), "utf-8")
    return folder


def test_the_latest_days_are_those_of_the_report_of_the_folder(
    sessions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["report", str(two_days(sessions)), "--format", "json"]
    assert main(words) == 0
    of_folder = json.loads(capsys.readouterr().out)["latest_days"]
    assert (of_folder["last_day"], of_folder["before"]["last_day"]) == ("2026-11-22", "2026-11-21")
    assert (of_folder["turns"], of_folder["before"]["turns"]) == (12, 8)
    assert main([*words, "--store", str(tmp_path / "store")]) == 0
    assert json.loads(capsys.readouterr().out)["latest_days"] == of_folder
    assert main([*words[:2], "--store", str(tmp_path / "store")]) == 0
    said = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("2026-11-22"))
    assert "in 12 turns, 50% more than 2026-11-21 (" in said


def test_a_second_answer_about_the_same_commit_does_not_open_the_tables(
    sessions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENPROF_CACHE", "on")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    report = ["report", str(sessions), "--store", str(tmp_path / "store")]
    totals = ["totals", "--store", str(tmp_path / "store"), "--by", "project"]

    def said(words: list[str]) -> str:
        assert main(words) == 0
        return capsys.readouterr().out

    first = [said(report), said(totals), said([*totals, "--compute"])]
    with monkeypatch.context() as patched:
        patched.setattr(priced_store, "open_store", None)
        assert [said(report), said(totals), said([*totals, "--compute"])] == first
    log = sessions / "project1" / "session1.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"output_tokens":', b'"output_tokens":9'))
    assert said(report) != first[0]
    assert said(totals) != first[1]
    before = said(totals)
    log.unlink()
    assert said(report) != first[0]
    assert main(["ingest", "--store", str(tmp_path / "store"), "--forget-gone"]) == 0
    capsys.readouterr()
    assert said(totals) != before
