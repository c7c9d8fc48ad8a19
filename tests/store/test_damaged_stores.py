"""Files of a store that something else changed: a question says so, and a way out makes the store whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from stores import everything

from tokenprof.facts.errors import InputError
from tokenprof.store.ingest.ingest import ingest
from tokenprof.store.queries import open_store
from tokenprof.store.writing.manifest import MANIFEST, read_manifest


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _never_written(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _one_byte_changed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _column_renamed_in_place(path: Path) -> None:
    data = path.read_bytes()
    assert b"log_id" in data
    path.write_bytes(data.replace(b"log_id", b"log_ix"))


def _without_a_column(path: Path) -> None:
    rows = pq.read_table(path, partitioning=None)
    pq.write_table(rows.drop_columns(["log_id"]), path)


def _counts_as_text(path: Path) -> None:
    rows = pq.read_table(path, partitioning=None)
    place = rows.column_names.index("log_id")
    pq.write_table(rows.set_column(place, "log_id", pa.array(["x"] * rows.num_rows)), path)


def _rows_twice(path: Path) -> None:
    rows = pq.read_table(path, partitioning=None)
    pq.write_table(pa.concat_tables([rows, rows]), path)


DAMAGE = (
    *(_emptied, _never_written, _one_byte_changed, _column_renamed_in_place),
    *(_without_a_column, _counts_as_text, _rows_twice),
)


@pytest.mark.parametrize("table", ["turns", "ledger", "state/logs"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named_and_made_again_once_it_is_removed(
    damage: Callable[[Path], None], table: str, sessions: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    ingest([sessions], store)
    sound = everything(store)
    folder, _, name = table.partition("/")
    path = min((store / folder).rglob(f"{name}*.parquet"))
    damage(path)
    with pytest.raises(InputError, match=r"is damaged\. Remove it and run `tokenprof ingest`") as told:
        everything(store)
    assert str(path) in str(told.value)
    path.unlink()
    assert "missing or damaged" in ingest([sessions], store).notes[0]
    assert everything(store) == sound


def test_a_question_to_a_very_large_store_does_not_read_it_whole(
    sessions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    ingest([sessions], store)
    sound, looked_at = everything(store), []
    monkeypatch.setattr(open_store, "committed_bytes", lambda _, file: looked_at.append(file))
    assert everything(store) == sound
    assert looked_at
    looked_at.clear()
    monkeypatch.setattr(open_store, "MOST_CHECKED_BYTES", 0)
    assert everything(store) == sound
    assert looked_at == []


def test_a_writer_never_builds_on_a_damaged_list_of_logs(sessions: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ingest([sessions], store)
    _never_written(min((store / "state").glob("logs-*")))
    with pytest.raises(InputError, match="is damaged"):
        ingest([sessions], store)


def test_files_of_a_store_without_checksums_are_read(sessions: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ingest([sessions], store)
    sound = everything(store)
    manifest = store / MANIFEST
    manifest.write_text(manifest.read_text().replace('"crc32":', '"unknown":'))
    assert everything(store) == sound
    _never_written(min((store / "state").glob("logs-*")))
    with pytest.raises(InputError, match="is damaged"):
        ingest([sessions], store)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"format": "tokenprof-store", "schema": 1, "generation": "x"}', "{}", "1", "\x00"],
)
def test_a_damaged_manifest_is_a_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(InputError, match="is not the manifest of a store"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("name", ["thesis.txt", "turns/notes.txt", "state/production.sqlite"])
def test_a_folder_with_other_files_is_not_made_a_store(name: str, sessions: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text("work of years")
    with pytest.raises(InputError, match=f"is not a store, and it holds other files, such as {name}"):
        ingest([sessions], folder)
    assert [path for path in folder.rglob("*") if path.is_file()] == [folder / name]
    assert (folder / name).read_text() == "work of years"


def test_a_folder_that_a_killed_first_ingest_left_is_taken(sessions: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ingest([sessions], store)
    sound = everything(store)
    (store / MANIFEST).unlink()
    (store / ".DS_Store").touch()
    unfinished = min((store / "turns").rglob("*.parquet"))
    unfinished.rename(unfinished.with_name(f"{unfinished.name}.unfinished"))
    ingest([sessions], store)
    assert everything(store) == sound
