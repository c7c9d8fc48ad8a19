"""A folder analysed a session at a time says what the analysis of all its turns together says."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from copied_sessions import LOGS, copied_sessions

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import Assumptions
from tokenprof.commands.main import main
from tokenprof.facts.errors import InputError
from tokenprof.reading.files import find_logs, read
from tokenprof.reading.tag_filter import with_tags
from tokenprof.report.folders.folder_document import report_of_folder
from tokenprof.sessions import analyse_folder as analyse_folder_module
from tokenprof.sessions import size_of_logs
from tokenprof.sessions.analyse_folder import analyse_folder
from tokenprof.sessions.folder_analysis import FolderAnalysis
from tokenprof.sessions.kept_sums import KeptSums


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """Four sessions whose responses are all different, in two projects."""
    return copied_sessions(tmp_path, 4)


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


@pytest.fixture
def kept(tmp_path: Path) -> KeptSums:
    return KeptSums(tmp_path / "kept", Assumptions())


def with_kept(kept: KeptSums, folder: Path, monkeypatch: pytest.MonkeyPatch | None = None) -> FolderAnalysis:
    """Analyse a folder; with a monkeypatch, fail if a log is read."""
    if monkeypatch is not None:
        monkeypatch.setattr(analyse_folder_module, "whole_run", None)
        monkeypatch.setattr(analyse_folder_module, "try_changes", None)
    found = analyse_folder([folder], Assumptions(), jobs=1, kept=kept)
    if monkeypatch is not None:
        monkeypatch.undo()
    return found


@pytest.mark.parametrize("is_kept_whole", [True, False])
def test_logs_that_did_not_change_are_not_read_again(
    is_kept_whole: bool, sessions: Path, kept: KeptSums, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = with_kept(kept, sessions)
    if is_kept_whole:
        monkeypatch.setattr(analyse_folder_module, "find_logs", None)
    else:
        (whole,) = (tmp_path / "kept").glob("folder-*")
        whole.unlink()
    second = with_kept(kept, sessions, monkeypatch)
    assert second.rows == first.rows
    assert second.findings == first.findings
    assert second.largest == first.largest
    assert second.warnings == first.warnings
    assert second.sums.most_expensive_sessions(4) == first.sums.most_expensive_sessions(4)


def test_a_log_that_changed_is_read_again(sessions: Path, kept: KeptSums) -> None:
    before = with_kept(kept, sessions).rows.totals
    log = sessions / "project1" / "session1.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    for content in (b"".join(lines[:-4]), b"".join(lines)):
        log.write_bytes(content)
        same_bill(with_kept(kept, sessions), Analysis(read(sessions)))
    # A log in place of another, of the same size.
    other = log.with_name("other")
    other.write_bytes(log.read_bytes().replace(b"msg_1_", b"msg_9_"))
    other.replace(log)
    assert with_kept(kept, sessions).rows.totals == before
    log.unlink()
    assert with_kept(kept, sessions).rows.totals.turns == before.turns * 3 // 4


def test_a_folder_with_another_file_is_looked_at_again(sessions: Path, kept: KeptSums) -> None:
    before = with_kept(kept, sessions).rows.totals.turns
    copied = sessions / "project0" / "added.jsonl"
    log = (sessions / "project0" / "session0.jsonl").read_bytes()
    copied.write_bytes(log.replace(b"msg_0_", b"msg_8_").replace(b"req_0_", b"req_8_"))
    assert with_kept(kept, sessions).rows.totals.turns == before * 5 // 4
    (sessions / "unknown.jsonl").write_text('{"usage": {"input_tokens": 1}}\n')
    assert "unknown format" in " ".join(with_kept(kept, sessions).warnings)


def test_a_damaged_file_of_sums_is_not_used(sessions: Path, kept: KeptSums, tmp_path: Path) -> None:
    first = with_kept(kept, sessions)
    for number, file in enumerate(sorted((tmp_path / "kept").iterdir())):
        file.write_bytes((b"", b"\x00" * 50, file.read_bytes()[:-7], b"{}")[number % 4])
    assert with_kept(kept, sessions).rows == first.rows


def test_other_prices_need_other_sums(sessions: Path, kept: KeptSums, tmp_path: Path) -> None:
    with_kept(kept, sessions)
    other = KeptSums(tmp_path / "kept", Assumptions(seller="openrouter"))
    logs = find_logs([sessions], [])
    assert all(kept.find(log) is not None for log in logs)
    assert all(other.find(log) is None for log in logs)


def test_the_command_keeps_sums_of_what_was_ingested(
    sessions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(size_of_logs, "SUMMED_FROM_BYTES", 1000)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TOKENPROF_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("TOKENPROF_CACHE", raising=False)
    folder = tmp_path / "cache" / "tokenprof" / "sessions"
    assert main(["report", str(sessions)]) == 0
    first = capsys.readouterr().out
    assert not folder.exists()
    assert main(["ingest", str(sessions)]) == 0
    for said in ("", "4 of 4 logs did not change, so their figures come from an earlier report.\n"):
        capsys.readouterr()
        assert main(["report", str(sessions)]) == 0
        assert capsys.readouterr().out == first + said
    assert len(list(folder.iterdir())) == 6
    assert main(["ingest", "--forget-gone"]) == 0
    assert not folder.exists()


def tagged(folder: Path) -> None:
    """Put two recordings beside the sessions, of two teams."""
    recording = (LOGS.parent / "release_0_1" / "run.jsonl").read_text("utf-8")
    for team in ("search", "billing"):
        own = recording.replace("msg_", f"msg_{team}_").replace(
            'tokenprof.tag.demo","value":{"stringValue":"email"',
            f'tokenprof.tag.team","value":{{"stringValue":"{team}"',
        )
        (folder / f"{team}.jsonl").write_text(own, "utf-8")


def test_only_turns_with_a_tag_count_if_one_is_named(sessions: Path) -> None:
    tagged(sessions)
    found = analyse_folder([sessions], Assumptions(), jobs=1, tags=["team=search"])
    whole = Analysis(with_tags(read(sessions), ["team=search"]))
    assert found.rows.totals.turns == len(read(sessions / "search.jsonl").turns) > 0
    same_bill(found, whole)
    with pytest.raises(InputError, match="No turn carries 'team=sales'"):
        analyse_folder([sessions], Assumptions(), jobs=1, tags=["team=sales"])
