"""Commits: rows written to partitions, then the state, then the manifest."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final
from zlib import crc32

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tokenprof.store.schema.arrow_tables import SCHEMAS, empty_table
from tokenprof.store.schema.columns import DATA_TABLES, STATE_TABLES, StoredTable
from tokenprof.store.writing.manifest import (
    STATE,
    DataFile,
    Manifest,
    committed_bytes,
    damaged_file,
    partition,
    write_manifest,
)
from tokenprof.store.writing.store_folder import AnyStore, StoreFolder, store_folder

COMPRESSION: Final = "zstd"
MOST_FILES_A_PARTITION: Final = 8
"""A partition with more files is written as one."""

Tables = Mapping[str, pa.Table]


def commit(
    store: AnyStore, manifest: Manifest, rows: Sequence[Tables], state: Tables, roots: Iterable[str] = ()
) -> Manifest:
    """Add rows to a store and replace its state. Returns the new commit, which readers see from then on.

    `rows` are tables of several logs, `state` the whole of `logs` and `repeats`. Raises OSError if the disk
    refuses; the store is then as it was.
    """
    store = store_folder(store)
    generation = manifest.generation + 1
    files = {table: list(manifest.files_of(table)) for table in manifest.files}
    for table in DATA_TABLES:
        parts = [each[table.name] for each in rows if table.name in each and each[table.name].num_rows]
        if parts:
            files.setdefault(table.name, []).extend(
                _write_partitions(store, table, pa.concat_tables(parts), generation)
            )
    for table in STATE_TABLES:
        path = f"{STATE}/{table.name}-{_file_name(store, generation)}"
        files[table.name] = [
            _write(store, path, state.get(table.name, empty_table(table.name)), (generation,))
        ]
    made = replace(
        manifest,
        generation=generation,
        roots=tuple(dict.fromkeys((*manifest.roots, *roots))),
        files={table: tuple(listed) for table, listed in files.items()},
    )
    write_manifest(store, made)
    return made


def _file_name(store: StoreFolder, generation: int) -> str:
    return f"{generation:08d}{store.unique}.parquet"


def _write_partitions(
    store: StoreFolder, table: StoredTable, rows: pa.Table, generation: int
) -> list[DataFile]:
    return [
        _write(store, f"{folder}/{_file_name(store, generation)}", part, (generation,))
        for folder, part in partitions_of(table, rows)
    ]


def partitions_of(table: StoredTable, rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Yield the folder of each partition below the store, with its rows, sorted."""
    keys = pa.table({"day": rows["day"], "project": rows["project"]})
    for key in keys.group_by(["day", "project"]).aggregate([]).to_pylist():
        chosen = rows.filter(
            pc.and_(pc.equal(rows["day"], key["day"]), pc.equal(rows["project"], key["project"]))
        )
        yield partition(table.name, key["day"].isoformat(), key["project"]), _sorted(table, chosen)


def _sorted(table: StoredTable, rows: pa.Table) -> pa.Table:
    return rows.sort_by([(name, "ascending") for name in table.sort_columns])


def _write(store: StoreFolder, path: str, rows: pa.Table, generations: tuple[int, ...]) -> DataFile:
    page = io.BytesIO()
    pq.write_table(rows, page, compression=COMPRESSION)
    data = page.getvalue()
    store.write(path, data)
    return DataFile(path, len(data), rows.num_rows, generations, crc32(data))


def read_rows(store: AnyStore, manifest: Manifest, table: str) -> pa.Table:
    """Return all rows of a table, those of replaced logs included.

    Raises InputError if a file is missing or damaged.
    """
    folder, schema = store_folder(store), SCHEMAS[table]
    found = [empty_table(table)]
    for each in manifest.files_of(table):
        data = committed_bytes(folder, each)
        try:
            found.append(_with_all_columns(pq.ParquetFile(pa.BufferReader(data)), schema))
        except (pa.ArrowException, OSError):
            raise damaged_file(folder.address_of(each.path)) from None
    return pa.concat_tables(found)


def _with_all_columns(file: pq.ParquetFile, schema: pa.Schema) -> pa.Table:
    """Return the rows of a file; columns that were added since it was written are empty."""
    there = set(file.schema_arrow.names)
    rows = file.read(columns=[name for name in schema.names if name in there])
    for field in schema:
        if field.name not in there:
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    return rows.select(schema.names).cast(schema)


def compacted(
    store: StoreFolder, manifest: Manifest, live: Iterable[int], *, force: bool = False
) -> Manifest:
    """Write partitions of many files, or of many rows that no longer count, as one file each; commit that.

    `live` are the numbers of the logs that still count. Returns the new commit, or the same one if there was
    nothing to do.
    """
    wanted = pa.array(sorted(live), pa.int64())
    generation = manifest.generation + 1
    files = dict(manifest.files)
    changed = False
    for table in DATA_TABLES:
        folders: dict[str, list[DataFile]] = defaultdict(list)
        for each in manifest.files_of(table.name):
            folders[each.path.rpartition("/")[0]].append(each)
        kept: list[DataFile] = []
        for folder, listed in folders.items():
            if not force and len(listed) <= MOST_FILES_A_PARTITION:
                kept += listed
                continue
            changed = True
            part = Manifest(files={table.name: tuple(listed)})
            rows = read_rows(store, part, table.name)
            rows = rows.filter(pc.is_in(rows["log_id"], value_set=wanted))
            if rows.num_rows:
                generations = tuple(sorted({number for each in listed for number in each.generations}))
                path = f"{folder}/{_file_name(store, generation)}"
                kept.append(_write(store, path, _sorted(table, rows), generations))
        files[table.name] = tuple(kept)
    if not changed:
        return manifest
    made = replace(manifest, generation=generation, files=files)
    write_manifest(store, made)
    return made
