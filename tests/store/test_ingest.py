"""An ingest reads what changed and nothing else, and the store says what a fresh reading would say."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from stores import LOGS, billed, everything, reported, session_file, totals

from tokenprof.facts.errors import InputError
from tokenprof.store.ingest.ingest import IngestOptions, ingest
from tokenprof.store.writing.manifest import MANIFEST, Manifest, read_manifest, write_manifest
from tokenprof.store.writing.writer_lock import StoreIsLockedError, writer_lock


def same_as_fresh(store: Path, folder: Path, tmp_path: Path) -> bool:
    """Whether a store says what one that was just made from the same files says."""
    fresh = tmp_path / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    ingest([folder], fresh)
    return everything(store) == everything(fresh)


def test_what_did_not_change_is_not_read(sessions: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert ingest([sessions], store).read == {"new": 5}
    before = read_manifest(store)
    done = ingest([sessions], store)
    assert (done.read, done.unchanged) == ({}, 5)
    assert read_manifest(store) == before, "nothing was committed"
    assert ingest([], store).unchanged == 5, "without paths, those that the store was made from"


def test_files_that_did_not_change_are_not_opened(sessions: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ingest([sessions], store)
    for file in sessions.rglob("*.jsonl"):
        status = file.stat()
        file.write_bytes(b"x" * status.st_size)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert ingest([sessions], store).unchanged == 5


def test_a_log_that_grew_is_read_again_and_counts_once(sessions: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    file = sessions / "project0" / "session0.jsonl"
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    file.write_bytes(b"".join(lines[: len(lines) // 2]))
    ingest([sessions], store)
    first = billed(store)
    file.write_bytes(whole)
    done = ingest([sessions], store)
    assert (done.read, done.unchanged) == ({"grown": 1}, 4)
    assert billed(store) > first
    assert same_as_fresh(store, sessions, tmp_path)


def test_a_log_that_was_cut_short(sessions: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ingest([sessions], store)
    file = sessions / "project1" / "session1.jsonl"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    done = ingest([sessions], store)
    assert done.read == {"cut_short": 1}
    assert same_as_fresh(store, sessions, tmp_path)


def test_a_log_that_was_rewritten_in_place(sessions: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ingest([sessions], store)
    file = sessions / "project1" / "session1.jsonl"
    text = file.read_text("utf-8").replace("msg_1_", "msg_other_")
    file.write_text(text, "utf-8")
    assert ingest([sessions], store).read == {"rewritten": 1}
    assert same_as_fresh(store, sessions, tmp_path)


def test_a_log_that_was_rotated_is_kept_and_its_successor_added(sessions: Path, tmp_path: Path) -> None:
    store, elsewhere = tmp_path / "store", tmp_path / "elsewhere"
    ingest([sessions], store)
    file = sessions / "project1" / "session1.jsonl"
    elsewhere.mkdir()
    file.rename(elsewhere / "session1.jsonl.1")
    # Files are told apart by their first 4 kB, too.
    line = json.dumps({"type": "summary", "leafUuid": "x" * 5000, "summary": "another"})
    other = (sessions / "project0" / "session0.jsonl").read_text("utf-8").replace("msg_0_", "msg_new_")
    file.write_text(f"{line}\n{other}", "utf-8")
    before = totals(store).whole
    done = ingest([sessions], store)
    assert (done.read, done.gone) == ({"replaced": 1}, 1)
    assert totals(store).whole.turns == (before.turns or 0) + 4


def test_a_log_that_was_renamed_counts_once(sessions: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ingest([sessions], store)
    (sessions / "project1" / "session1.jsonl").rename(sessions / "project0" / "renamed.jsonl")
    done = ingest([sessions], store)
    assert (done.read, done.gone) == ({"new": 1}, 0)
    assert same_as_fresh(store, sessions, tmp_path)


def test_what_a_deleted_log_held_stays_until_it_is_to_be_forgotten(sessions: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ingest([sessions], store)
    whole = everything(store)
    (sessions / "project1" / "session1.jsonl").unlink()
    assert ingest([sessions], store).gone == 1
    assert everything(store) == whole
    assert ingest([sessions], store, IngestOptions(forget_gone=True)).forgotten == 1
    assert same_as_fresh(store, sessions, tmp_path)


def test_a_subagent_that_appears_later_is_read_with_its_session(tmp_path: Path) -> None:
    folder, store = tmp_path / "logs", tmp_path / "store"
    shutil.copytree(LOGS / "session_log", folder)
    agents = folder / "8463c716-a2ea-4c14-9efa-87158ebd9f20"
    agents.rename(tmp_path / "agents")
    ingest([folder], store)
    alone = billed(store)
    (tmp_path / "agents").rename(agents)
    done = ingest([folder], store)
    assert done.read == {"grown": 1}
    assert billed(store) > alone
    assert billed(store) == reported(folder).totals.billed_usd


def test_responses_in_two_logs_count_once_whichever_came_first(sessions: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    copy = sessions / "project0" / "a-copy.jsonl"
    shutil.copy(sessions / "project1" / "session1.jsonl", copy)
    ingest([sessions], store)
    assert billed(store) == reported(sessions).totals.billed_usd
    copy.unlink()
    ingest([sessions], store, IngestOptions(forget_gone=True))
    assert billed(store) == reported(sessions).totals.billed_usd
    shutil.copy(sessions / "project1" / "session1.jsonl", copy)
    assert ingest([sessions], store).repeated == 4
    assert billed(store) == reported(sessions).totals.billed_usd


def test_a_damaged_log_is_left_out_and_named_until_it_is_whole(sessions: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    file = sessions / "run.jsonl"
    recording = Path(__file__).parents[1] / "data" / "release_0_1" / "run.jsonl"
    lines = recording.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([lines[0], b"{broken\n", *lines[1:]]))
    done = ingest([sessions], store)
    assert any("run.jsonl:2" in warning for warning in done.warnings)
    assert totals(store).unreadable_logs == 1
    assert totals(store).is_lower_bound
    assert ingest([sessions], store).read == {}, "it is not tried again before it changes"
    shutil.copy(recording, file)
    ingest([sessions], store)
    assert (totals(store).unreadable_logs, billed(store)) == (0, reported(sessions).totals.billed_usd)


def test_a_file_of_an_unknown_format_is_named_and_not_opened_again(sessions: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    (sessions / "other.jsonl").write_text('{"input_tokens": 5}\n', "utf-8")
    for _ in range(2):
        done = ingest([sessions], store)
        assert [warning for warning in done.warnings if "other.jsonl has an unknown format" in warning]
    assert done.read == {}


def test_two_writers_do_not_meet(sessions: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ingest([sessions], store)
    with writer_lock(store), pytest.raises(StoreIsLockedError, match=rf"written by process {os.getpid()} on"):
        ingest([sessions], store)
    assert billed(store) == reported(sessions).totals.billed_usd, "and reading is possible meanwhile"
    assert ingest([sessions], store).unchanged == 5


def test_a_store_of_an_older_schema_is_made_again_and_says_so(sessions: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ingest([sessions], store)
    whole = everything(store)
    manifest = json.loads((store / MANIFEST).read_text("utf-8"))
    (store / MANIFEST).write_text(json.dumps({**manifest, "schema": 0}), "utf-8")
    with pytest.raises(InputError, match=r"schema 0.*run `tokenprof ingest` once"):
        billed(store)
    done = ingest([], store)
    assert done.read == {"new": 5}
    assert "made again with schema 1" in done.notes[0]
    assert everything(store) == whole
    assert (store / "older" / "schema-0" / MANIFEST).is_file()


def test_a_store_of_a_newer_schema_is_left_alone(sessions: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    write_manifest(store, Manifest(generation=3, schema=99))
    with pytest.raises(InputError, match="Upgrade tokenprof"):
        ingest([sessions], store)
    with pytest.raises(InputError, match="upgrade tokenprof"):
        billed(store)


@pytest.mark.parametrize("table", ["turns", "ledger", "state"])
def test_missing_and_damaged_files_are_made_good(sessions: Path, tmp_path: Path, table: str) -> None:
    store = tmp_path / "store"
    ingest([sessions], store)
    whole = everything(store)
    files = sorted((store / table).rglob("*.parquet"))
    files[0].unlink()
    files[-1].write_bytes(files[-1].read_bytes()[:-7]) if files[-1].exists() else None
    done = ingest([sessions], store)
    assert "missing or damaged" in done.notes[0]
    assert everything(store) == whole


def test_left_over_files_are_removed(sessions: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ingest([sessions], store)
    whole = everything(store)
    part = next((store / "turns").rglob("*.parquet"))
    (part.parent / "00000099.parquet").write_bytes(part.read_bytes())
    (part.parent / "00000100.parquet.unfinished").write_bytes(b"half")
    assert everything(store) == whole
    ingest([sessions], store)
    assert {path.name for path in part.parent.iterdir()} == {part.name}


def test_many_small_commits_are_written_as_one_file_a_partition(tmp_path: Path) -> None:
    folder, store = tmp_path / "sessions", tmp_path / "store"
    for number in range(12):
        session_file(folder, number)
        ingest([folder], store)
    assert len(list((store / "turns").rglob("*.parquet"))) <= 9
    ingest([folder], store)
    assert same_as_fresh(store, folder, tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_others_cannot_look_into_a_store(sessions: Path, tmp_path: Path) -> None:
    ingest([sessions], tmp_path / "store")
    assert (tmp_path / "store").stat().st_mode & 0o077 == 0


def test_no_content_and_no_names_are_stored(tmp_path: Path) -> None:
    folder, store, named = tmp_path / "logs", tmp_path / "store", tmp_path / "named"
    shutil.copytree(LOGS / "session_log", folder)
    ingest([folder], store)
    ingest([folder], named, IngestOptions(with_names=True))
    words = {
        word
        for file in folder.rglob("*.jsonl")
        for line in file.read_text("utf-8").splitlines()
        for word in _texts(json.loads(line).get("message"))
    }
    held = b"".join(_cells(path) for path in store.rglob("*.parquet"))
    assert words
    assert not [word for word in words if word.encode() in held]
    assert _names(store) == {None}
    assert len(_names(named)) > 10


def _texts(value: object) -> set[str]:
    """The longer texts of a message."""
    if isinstance(value, str):
        return {value[:60]} if len(value) >= 60 and " " in value[:60] else set()
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {text for item in items for text in _texts(item)}


def _cells(path: Path) -> bytes:
    import pyarrow.parquet as pq

    return json.dumps(pq.ParquetFile(path).read().to_pylist(), default=str).encode()


def _names(store: Path) -> set[str | None]:
    from stores import opened

    return {name for (name,) in opened(store).select("SELECT DISTINCT name FROM blocks")[1]}
