"""Totals of files without a store: what they say about the logs, and what stays on disk."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from stores import session_file, totals

from tokenprof.analysis.assumptions import Assumptions, price_book
from tokenprof.commands.main import main
from tokenprof.facts.errors import InputError
from tokenprof.store.ingest.ingest import ingest
from tokenprof.store.queries import priced_files as priced_files_module
from tokenprof.store.queries.dimensions import parse_dimensions
from tokenprof.store.queries.engine import DuckDbEngine
from tokenprof.store.queries.priced_files import priced_files
from tokenprof.store.queries.totals import FromStore, StoreTotals, level_of
from tokenprof.store.writing.ingested import STORE_VARIABLE, IngestedPaths, ingested


def totals_of_files(
    *paths: Path, by: str = "", jobs: int = 1, known: IngestedPaths | None = None
) -> StoreTotals:
    dimensions = parse_dimensions([by])
    with_blocks = level_of(dimensions) == "block"
    book = price_book(Assumptions())
    with priced_files(paths, book, with_blocks=with_blocks, known=known, jobs=jobs) as files:
        return files.totals(dimensions)


def test_the_whole_is_that_of_a_store(logs: Path, tmp_path: Path) -> None:
    ingest([logs], tmp_path / "store")
    of_files, of_store = totals_of_files(logs), totals(tmp_path / "store")
    assert of_files.whole == of_store.whole
    assert of_files.repeated_responses == of_store.repeated_responses > 0
    assert of_files.missing_calls == of_store.missing_calls


@pytest.mark.parametrize("by", ["tool,kind", "block", "mcp_server,class,project"])
def test_what_bills_are_for_is_that_of_a_store(logs: Path, tmp_path: Path, by: str) -> None:
    ingest([logs], tmp_path / "store")
    of_files, of_store = totals_of_files(logs, by=by, jobs=2), totals(tmp_path / "store", by)
    assert (of_files.rows, of_files.whole) == (of_store.rows, of_store.whole)


@pytest.fixture
def known(sessions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> IngestedPaths:
    """The default store, into which the sessions were ingested."""
    monkeypatch.setenv(STORE_VARIABLE, str(tmp_path / "store"))
    # A response in two logs is told apart by what the store says and by what is read.
    shutil.copy(sessions / "project1" / "session1.jsonl", sessions / "project0" / "a-copy.jsonl")
    ingest([sessions], tmp_path / "store")
    found = ingested([sessions])
    assert found is not None
    return found


@pytest.mark.parametrize("by", ["project,session,model", "tool,kind"])
def test_only_logs_that_changed_since_they_were_ingested_are_read(
    sessions: Path, known: IngestedPaths, by: str
) -> None:
    found = totals_of_files(sessions, by=by, known=known)
    assert found.from_store == FromStore(str(known.store), 6, 0)
    assert replace(found, from_store=None) == totals_of_files(sessions, by=by)
    (sessions / "project0" / "session0.jsonl").unlink()
    session_file(sessions / "project0", 9)
    rewritten = sessions / "project1" / "session1.jsonl"
    rewritten.write_text(rewritten.read_text("utf-8").replace("claude-opus", "claude-sonnet"), "utf-8")
    found = totals_of_files(sessions, by=by, known=known)
    assert found.from_store == FromStore(str(known.store), 4, 2)
    assert replace(found, from_store=None) == totals_of_files(sessions, by=by)
    assert totals_of_files(sessions / "project1", by=by, known=known).whole == (
        totals_of_files(sessions / "project1", by=by).whole
    )


def test_a_store_that_cannot_be_read_is_not_asked(sessions: Path, known: IngestedPaths) -> None:
    for file in (Path(known.store) / "fees", Path(known.store) / "ledger", Path(known.store) / "turns"):
        shutil.rmtree(file, ignore_errors=True)
    found = totals_of_files(sessions, by="tool", known=known)
    assert found.from_store is None
    assert found == totals_of_files(sessions, by="tool")


def test_only_a_store_made_from_these_files_is_asked(
    sessions: Path, known: IngestedPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ingested([sessions / "project0"]) == known
    assert ingested([sessions, tmp_path]) is None
    monkeypatch.setenv(STORE_VARIABLE, str(tmp_path / "another"))
    assert ingested([sessions]) is None


def test_totals_say_where_they_come_from(
    sessions: Path, known: IngestedPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["totals", str(sessions)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"6 of 6 logs did not change, so their figures come from the store {known.store}."
    assert main(["totals", str(sessions), "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["from_store"] == {"store": str(known.store), "logs": 6, "read": 0}


def test_a_report_of_many_sessions_needs_no_package_of_stores(sessions: Path, tmp_path: Path) -> None:
    script = """
import sys
for name in ("pyarrow", "duckdb", "fsspec"):
    sys.modules[name] = None
from tokenprof.commands.main import main
from tokenprof.sessions import size_of_logs
size_of_logs.SUMMED_FROM_BYTES = 1
sys.exit(main(["report", sys.argv[1], "--jobs", "1"]))
"""
    done = subprocess.run([sys.executable, "-c", script, str(sessions)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "5 runs" in done.stdout


def test_a_response_in_two_logs_is_counted_once(tmp_path: Path) -> None:
    session = session_file(tmp_path, 1)
    once = totals_of_files(session)
    (tmp_path / "resumed.jsonl").write_bytes(session.read_bytes())
    twice = totals_of_files(tmp_path)
    assert (once.repeated_responses, twice.repeated_responses) == (0, once.whole.turns)
    assert twice.whole == once.whole


def test_the_number_of_processes_changes_nothing(sessions: Path) -> None:
    found = [totals_of_files(sessions, by="project,session,model", jobs=jobs) for jobs in (1, 2)]
    assert found[0] == found[1]
    assert [row.key[0] for row in found[0].rows].count("project1") == 2


def test_a_log_that_cannot_be_read_is_in_no_total(sessions: Path) -> None:
    whole = totals_of_files(sessions)
    damaged = sessions / "project0" / "damaged.jsonl.gz"
    damaged.write_bytes(b"\x1f\x8b\x08\x00not a gzip file")
    with_damaged = totals_of_files(sessions)
    assert with_damaged.whole == whole.whole
    assert with_damaged.is_lower_bound
    with pytest.raises(InputError, match="damaged"):
        totals_of_files(damaged)


def test_what_does_not_fit_into_memory_is_on_disk_until_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    engine = DuckDbEngine(16 * 2**20)
    rows = pa.table({"number": range(100_000), "name": [f"row {number}" * 8 for number in range(100_000)]})
    engine.put("held", rows)
    for _ in range(9):
        engine.append("held", rows)
    engine.shut(None)
    (folder,) = tmp_path.iterdir()
    assert any(folder.iterdir())
    assert folder.stat().st_mode & 0o077 == 0
    assert engine.rows("SELECT count(*), sum(number) FROM held") == [(1_000_000, 10 * 99_999 * 50_000)]
    engine.close()
    assert not list(tmp_path.iterdir())


def test_a_folder_whose_last_log_completes_what_is_put_at_once(
    sessions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = totals_of_files(sessions, by="session")
    monkeypatch.setattr(priced_files_module, "ROWS_PUT_AT_ONCE", 1)
    assert totals_of_files(sessions, by="session") == whole
