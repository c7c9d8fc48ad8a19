"""The tables of a store: what docs/store.md says, and what the files hold."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from stores import opened

from tokenprof.store.ingest.ingest import ingest
from tokenprof.store.schema.columns import ALL_TABLES

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
