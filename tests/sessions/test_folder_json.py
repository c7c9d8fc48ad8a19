"""The JSON of a folder is written in parts, and says what the JSON of all sessions in memory says."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from copied_sessions import LOGS, copied_sessions

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import Assumptions
from tokenprof.commands.folders import summed_report
from tokenprof.commands.main import main
from tokenprof.facts.errors import InputError
from tokenprof.reading.files import read
from tokenprof.reading.parallel import read_each
from tokenprof.report.check import check
from tokenprof.report.folders.folder_document import report_of_folder
from tokenprof.report.folders.folder_json import folder_json
from tokenprof.report.report_json import json_report, schema_path
from tokenprof.sessions import look_again, size_of_logs
from tokenprof.sessions.analyse_folder import analyse_folder

Json = dict[str, Any]


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """Three sessions that run at the same time, with contexts of three names and turns at the same times."""
    return copied_sessions(tmp_path, 3)


def in_parts(*paths: Path, jobs: int = 1, tags: list[str] | None = None, with_entries: bool = False) -> Json:
    found = analyse_folder(paths, Assumptions(), jobs=jobs, tags=tags or [])
    parts = folder_json(report_of_folder(found), found, jobs=jobs, with_entries=with_entries)
    made: Json = json.loads(b"".join(parts))
    return made


OF_A_TURN = (
    "context",
    "at",
    "usage",
    "billed_usd",
    "hardware_usd",
    "hardware_owned_usd",
    "price_to_cost",
    "status",
)
OF_AN_ENTRY = ("block", "class", "tokens", "billed_usd", "state")


def chosen(rows: list[Json], keys: tuple[str, ...]) -> list[list[Any]]:
    return [[row[key] for key in keys] for row in rows]


@pytest.mark.parametrize("jobs", [1, 2])
def test_turns_are_those_of_all_sessions_and_entries_those_of_each_alone(sessions: Path, jobs: int) -> None:
    found, whole = in_parts(sessions, jobs=jobs), json_report(Analysis(read(sessions)))
    whole = json.loads(json.dumps(whole))
    check(found)
    jsonschema.validate(found, json.loads(schema_path().read_text("utf-8")))
    assert list(found) == list(whole)
    assert [turn["index"] for turn in found["turns"]] == list(range(len(whole["turns"])))
    ours, theirs = ({turn["id"]: turn for turn in each["turns"]} for each in (found, whole))
    assert ours.keys() == theirs.keys()
    assert chosen([ours[key] for key in ours], OF_A_TURN) == chosen([theirs[key] for key in ours], OF_A_TURN)
    assert Decimal(found["totals"].pop("billed_usd")) == Decimal(whole["totals"].pop("billed_usd"))
    assert found["totals"] == whole["totals"]
    assert {source["file"] for source in found["sources"]} == {source["file"] for source in whole["sources"]}
    # How many tokens a block has follows from the bills of its own session.
    log = sessions / "project1" / "session1.jsonl"
    alone = json.loads(json.dumps(json_report(Analysis(read(log)))))
    for turn in alone["turns"]:
        entries = chosen(ours[turn["id"]]["entries"], OF_AN_ENTRY)
        assert entries == chosen(turn["entries"], OF_AN_ENTRY)
    begun = {turn["index"]: turn["context"] for turn in found["turns"]}
    assert all(begun[block["born_turn"]] == block["context"] for block in found["blocks"])


def test_every_kind_of_log_adds_up(tmp_path: Path) -> None:
    shutil.copytree(LOGS, tmp_path / "logs")
    found, whole = in_parts(tmp_path / "logs"), Analysis(read(tmp_path / "logs"))
    check(found)
    assert len(found["turns"]) == len(whole.turns)
    assert found["totals"]["turns"] == whole.totals.turns


def test_contexts_of_one_name_in_two_logs_stay_apart(sessions: Path) -> None:
    copy_and_edit(sessions)
    found = in_parts(sessions)
    check(found)
    ids = [block["id"] for block in found["blocks"]]
    assert len(set(ids)) == len(ids)


def copy_and_edit(sessions: Path) -> None:
    """Add a log that was copied by hand and edited: other responses under the same name."""
    text = (sessions / "project0" / "session0.jsonl").read_text("utf-8")
    (sessions / "project1" / "session0.jsonl").write_text(text.replace("msg_0_", "msg_9_"), "utf-8")


def test_which_session_is_read_first_changes_nothing(sessions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that read at once end in any order."""
    copy_and_edit(sessions)
    in_order = in_parts(sessions)
    monkeypatch.setattr(look_again, "read_each", lambda *task: reversed([*read_each(*task)]))
    assert in_parts(sessions) == in_order


def test_long_folders_leave_entries_out_unless_asked(sessions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokenprof.report.folders.folder_json.MOST_TURNS_WITH_ENTRIES", 5)
    all_entries = in_parts(sessions, with_entries=True)
    check(all_entries)
    assert "entries_omitted" not in all_entries
    found = in_parts(sessions)
    check(found)
    assert {turn["entries"] for turn in found["turns"]} == {None}
    listed = sum(len(turn["entries"]) for turn in all_entries["turns"])
    assert found["entries_omitted"]["entries"] == listed


def test_only_tagged_turns_are_listed(sessions: Path) -> None:
    with pytest.raises(InputError, match="No turn carries"):
        in_parts(sessions, tags=["team=sales"])


def test_a_log_that_changes_while_it_is_read_is_said(sessions: Path) -> None:
    found = analyse_folder([sessions], Assumptions(), jobs=1)
    log = sessions / "project0" / "session0.jsonl"
    log.write_text("".join(log.read_text("utf-8").splitlines(keepends=True)[:10]), "utf-8")
    with pytest.raises(InputError, match=r"session0\.jsonl changed while the folder was read"):
        list(folder_json(report_of_folder(found), found, jobs=1))


def test_the_command_writes_it_and_the_page_about_many_runs(
    sessions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(size_of_logs, "SUMMED_FROM_BYTES", 1000)
    assert main(["report", str(sessions), "-o", str(tmp_path / "all.json"), "--jobs", "1"]) == 0
    assert capsys.readouterr().err == ""
    check(json.loads((tmp_path / "all.json").read_text("utf-8")))
    assert main(["report", str(sessions), "-o", str(tmp_path / "all.html"), "--jobs", "1"]) == 0
    assert "this is the page about many runs" in capsys.readouterr().err
    assert "project1" in (tmp_path / "all.html").read_text("utf-8")


def test_what_needs_all_turns_at_once_is_refused_above_a_size(
    sessions: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(size_of_logs, "SUMMED_FROM_BYTES", 1000)
    for asked in (["--turns", "4"], ["--format", "markdown"]):
        assert main(["report", str(sessions), *asked]) == 0
        assert "so all sessions are held in memory" in capsys.readouterr().err
    monkeypatch.setattr(summed_report, "MOST_HELD_BYTES", 2000)
    for asked in (["--turns", "4"], ["--format", "markdown"]):
        assert main(["report", str(sessions), *asked]) == 2
        assert "Name fewer of them" in capsys.readouterr().err
