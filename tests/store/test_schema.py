"""The tables of a store: what docs/store.md says, and what the files hold."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from zlib import crc32

import pyarrow.parquet as pq
import pytest
from stores import billed, opened, totals

from tokenprof.pricing.usage import TOKEN_CLASSES
from tokenprof.store.ingest.file_identity import FileIdentity
from tokenprof.store.ingest.ingest import ingest
from tokenprof.store.ingest.known_logs import KnownLog
from tokenprof.store.ingest.repeats import COLUMNS
from tokenprof.store.schema.arrow_tables import SCHEMAS
from tokenprof.store.schema.columns import ALL_TABLES, LOGS, TURNS
from tokenprof.store.writing.commits import read_rows
from tokenprof.store.writing.manifest import read_manifest, write_manifest

ROOT = Path(__file__).parents[2]


def test_the_page_lists_the_columns_that_the_code_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import generate_store_columns

    page = (ROOT / "docs" / "store.md").read_text("utf-8")
    assert generate_store_columns.columns_page() == page, "run python docs/generate_store_columns.py"


def test_files_are_in_partitions_sorted_and_carry_the_version(sessions: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ingest([sessions], store)
    for table in ALL_TABLES[:5]:
        for path in (store / table.name).rglob("*.parquet"):
            file = pq.ParquetFile(path)
            assert file.schema_arrow.metadata[b"tokenprof.schema"] == b"1"
            assert file.schema_arrow.names == [column.name for column in table.columns]
            rows = file.read().to_pylist()
            day, project = path.parent.parent.name, path.parent.name
            assert {(f"day={row['day']}", f"project={row['project']}") for row in rows} == {(day, project)}
            keys = [tuple(row[name] for name in table.sort_columns) for row in rows]
            assert keys == sorted(keys)


def test_a_project_with_any_name_has_a_folder(sessions: Path, tmp_path: Path) -> None:
    from tokenprof.store.ingest.ingest import IngestOptions

    store = tmp_path / "store"
    ingest([sessions], store, IngestOptions(project="../a=b/ü %2F"))
    assert {path.parent.parent.parent.parent for path in (store / "turns").rglob("*.parquet")} == {store}
    assert opened(store).select("SELECT DISTINCT project FROM turns")[1] == [("../a=b/ü %2F",)]


def test_what_names_columns_in_the_code_names_those_of_the_tables() -> None:
    files = next(column for column in LOGS.columns if column.name == "files")
    struct = SCHEMAS["logs"].field(files.name).type.value_type
    assert [field.name for field in fields(FileIdentity)] == [field.name for field in struct]
    assert {field.name for field in fields(KnownLog)} == {column.name for column in LOGS.columns}
    turns = {column.name for column in TURNS.columns}
    assert set(COLUMNS) <= turns
    assert {f"{cls}_tokens" for cls in TOKEN_CLASSES} <= turns


def test_quantities_have_units() -> None:
    numbers = [
        column
        for table in ALL_TABLES
        for column in table.columns
        if column.type in ("int64", "double") and not column.unit
    ]
    counted = {"log_id", "pieces", "fees", "units", "turns", "missing_calls", "generation"}
    assert {column.name for column in numbers} <= counted


def test_a_file_from_before_a_column_was_added_is_read(sessions: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ingest([sessions], store)
    before = billed(store)
    manifest = read_manifest(store)
    assert manifest is not None
    earlier = []
    for each in manifest.files_of("ledger"):
        rows = pq.ParquetFile(store / each.path).read().drop_columns(["start_tokens"])
        pq.write_table(rows, store / each.path)
        data = (store / each.path).read_bytes()
        earlier.append(replace(each, bytes=len(data), crc32=crc32(data)))
    manifest = replace(manifest, files={**manifest.files, "ledger": tuple(earlier)})
    write_manifest(store, manifest)
    assert billed(store) == before
    assert totals(store, "tool").rows
    assert opened(store).select("SELECT count(start_tokens) FROM ledger")[1] == [(0,)]
    rows = read_rows(store, manifest, "ledger")
    assert rows["start_tokens"].null_count == rows.num_rows > 0
