"""A folder analysed a session at a time says what the analysis of all its turns together says."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import Assumptions
from tokenprof.commands.main import main
from tokenprof.facts.errors import InputError
from tokenprof.reading.files import read
from tokenprof.report.folders.folder_document import report_of_folder
from tokenprof.sessions import size_of_logs
from tokenprof.sessions.analyse_folder import analyse_folder
from tokenprof.sessions.folder_analysis import FolderAnalysis

LOGS = Path(__file__).parents[1] / "data" / "logs"


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """Four sessions whose responses are all different, in two projects."""
    text = (LOGS / "session_log" / "session_2.1.330.jsonl").read_text("utf-8")
    for number in range(4):
        folder = tmp_path / "sessions" / f"project{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        own = text.replace("msg_", f"msg_{number}_").replace("req_", f"req_{number}_")
        (folder / f"session{number}.jsonl").write_text(own, "utf-8")
    return tmp_path / "sessions"


def analysed(*paths: Path, jobs: int = 1) -> FolderAnalysis:
    return analyse_folder(paths, Assumptions(), jobs=jobs)


def same_bill(found: FolderAnalysis, whole: Analysis) -> None:
    """Assert what is exact: turns, counts, money, by class too; and compute, to the last digits."""
    assert found.rows.totals.turns == whole.totals.turns
    assert found.rows.totals.usage == whole.totals.usage
    assert found.rows.totals.billed_usd == whole.totals.billed_usd
    assert found.rows.totals.incomplete == whole.totals.incomplete
    for own, theirs in zip(found.rows.classes, whole.classes, strict=True):
        assert (own.cls, own.tokens, own.count) == (theirs.cls, theirs.tokens, theirs.count)
        assert (own.billed_usd, own.at_least_usd) == (theirs.billed_usd, theirs.at_least_usd)
    ours, theirs_usd = found.rows.totals.hardware_usd, whole.totals.hardware_usd
    assert (ours is None) == (theirs_usd is None)
    if ours is not None and theirs_usd is not None:
        assert (ours.low, ours.mid, ours.high) == pytest.approx(
            (theirs_usd.low, theirs_usd.mid, theirs_usd.high), rel=1e-9
        )


def test_sums_are_those_of_all_turns_together(sessions: Path) -> None:
    found, whole = analysed(sessions), Analysis(read(sessions))
    same_bill(found, whole)
    assert found.sums.logs == 4
    billed = sum((block.billed_usd or Decimal(0) for block in found.rows.blocks), found.sums.other_usd)
    assert billed == whole.totals.billed_usd
    by_project = {key.project: total.turns for key, total in found.sums.slices.items()}
    assert by_project == {"project0": whole.totals.turns // 2, "project1": whole.totals.turns // 2}
    assert found.deployments == whole.deployments
    tools = {row.name: row.billed_tokens for row in found.rows.groups if row.kind == "tool"}
    assert tools == {row.name: row.billed_tokens for row in whole.groups if row.kind == "tool"}


def test_every_format_has_the_same_bill(tmp_path: Path) -> None:
    shutil.copytree(LOGS, tmp_path / "logs")
    same_bill(analysed(tmp_path / "logs"), Analysis(read(tmp_path / "logs")))


def test_a_response_in_two_logs_counts_once(sessions: Path) -> None:
    first = sessions / "project0" / "session0.jsonl"
    shutil.copy(first, sessions / "project1" / "resumed.jsonl")
    found, whole = analysed(sessions), Analysis(read(sessions))
    assert found.rows.totals.turns == whole.totals.turns
    same_bill(found, whole)
    assert "each is counted once" in " ".join(report_of_folder(found).report.warnings)


def test_processes_do_not_change_what_is_found(sessions: Path) -> None:
    one, two = analysed(sessions), analysed(sessions, jobs=2)
    assert one.rows == two.rows
    assert one.findings == two.findings
    assert one.chain == two.chain
    assert one.sums.slices == two.sums.slices


def test_a_log_that_cannot_be_read_is_left_out_and_named(sessions: Path) -> None:
    broken = sessions / "project0" / "session2.jsonl"
    broken.write_bytes(broken.read_bytes()[:400] + b"\n\x00\x00" + b"{" * 100)
    found = analysed(sessions)
    assert found.sums.logs in (3, 4)
    assert any("session2.jsonl" in warning for warning in report_of_folder(found).report.warnings)


def test_a_folder_without_logs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no file that tokenprof can read"):
        analysed(tmp_path)


def test_the_command_sums_many_sessions_and_lists_the_turns_of_few(
    sessions: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["report", str(sessions)]) == 0
    few = capsys.readouterr().out
    assert "\nTurns\n" in few
    monkeypatch.setattr(size_of_logs, "SUMMED_FROM_BYTES", 1000)
    assert main(["report", str(sessions)]) == 0
    many = capsys.readouterr().out
    assert "\nTurns\n" not in many
    assert "By project" in many
    assert "The most expensive sessions" in many
    assert many.splitlines()[0] == few.splitlines()[0]
    assert main(["report", str(sessions), "-o", str(sessions / "report.txt")]) == 0
    assert (sessions / "report.txt").read_text("utf-8").startswith(many.splitlines()[0][:40])


def test_one_log_is_reported_turn_by_turn_whatever_its_size(
    sessions: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(size_of_logs, "SUMMED_FROM_BYTES", 1000)
    assert main(["report", str(sessions / "project0" / "session0.jsonl")]) == 0
    assert "\nTurns\n" in capsys.readouterr().out
