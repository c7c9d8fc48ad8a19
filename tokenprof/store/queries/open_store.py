"""A store opened for questions: its last commit, as views that leave out what no longer counts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tokenprof.facts.errors import InputError
from tokenprof.store.queries.engine import (
    DuckDbEngine,
    quoted,
    reading_files_of,
    require_store_packages,
)
from tokenprof.store.schema.arrow_tables import empty_table
from tokenprof.store.schema.columns import ALL_TABLES, SCHEMA_VERSION
from tokenprof.store.writing.manifest import Manifest, committed_bytes, read_manifest
from tokenprof.store.writing.remote_folder import RemoteFolder
from tokenprof.store.writing.store_folder import AnyStore, StoreFolder, store_folder

MOST_CHECKED_BYTES: Final = 2**30
"""A question to a larger store reads only the partitions that it needs."""

FACTS: Final[Mapping[str, str]] = {
    "turns": "turn_facts",
    "fees": "fee_facts",
    "blocks": "block_facts",
    "calls": "call_facts",
    "ledger": "ledger_facts",
}
"""The views of the rows of each table."""


def committed(store: AnyStore) -> Manifest:
    """Return the last commit of a store. Raises InputError if there is none that this version reads."""
    manifest = read_manifest(store)
    if manifest is None:
        raise InputError(
            f"There is no store in {store}; make one with `tokenprof ingest PATHS… --store {store}`."
        )
    if manifest.schema != SCHEMA_VERSION:
        way_out = (
            "run `tokenprof ingest` once, which makes it again"
            if manifest.schema < SCHEMA_VERSION
            else "upgrade tokenprof"
        )
        raise InputError(
            f"The store {store} has schema {manifest.schema}, and this tokenprof reads {SCHEMA_VERSION}; "
            f"{way_out}."
        )
    return manifest


def open_store(store: AnyStore, paths: Sequence[Path] = ()) -> DuckDbEngine:
    """Return an engine with the facts of a store.

    `paths` restrict it to the logs below them. Raises InputError if there is no store, or no such log in it.
    """
    require_store_packages()
    folder = store_folder(store)
    engine = DuckDbEngine()
    with reading_files_of(f"the store {folder}"):
        see_tables(engine, folder, committed(folder), "all_")
        engine.run("CREATE TABLE logs AS SELECT * FROM all_logs")
        engine.run("CREATE TABLE repeats AS SELECT * FROM all_repeats")
    chosen = " OR ".join(_is_below(os.path.realpath(path)) for path in paths) or "true"
    make_facts(engine, chosen)
    if paths and not engine.rows("SELECT 1 FROM live LIMIT 1"):
        named = ", ".join(map(str, paths))
        raise InputError(f"The store {store} holds no log of {named}; run `tokenprof ingest {named}` first.")
    return engine


def see_tables(engine: DuckDbEngine, folder: StoreFolder, manifest: Manifest, prefix: str) -> None:
    """Make the tables of a commit views of an engine, whose names begin with `prefix`.

    Raises InputError if a file of a store on this machine is missing or damaged; the bytes of a store beyond
    `MOST_CHECKED_BYTES` are not looked at.
    """
    if not isinstance(folder, RemoteFolder):
        committed = [each for table in ALL_TABLES for each in manifest.files_of(table.name)]
        if sum(each.bytes for each in committed) <= MOST_CHECKED_BYTES:
            for each in committed:
                committed_bytes(folder, each)
    else:
        # A store in a folder does without fsspec.
        from tokenprof.store.queries.committed_files import CommittedFiles

        sizes = {folder.address_of(each.path): each.bytes for own in manifest.files.values() for each in own}
        engine.open(CommittedFiles(folder.system, sizes))
    for table in ALL_TABLES:
        files = [folder.address_of(each.path) for each in manifest.files_of(table.name)]
        engine.files(f"{prefix}{table.name}", files, empty_table(table.name))


def make_facts(engine: Any, chosen: str = "true") -> None:
    """Make `live`, the logs that count, `noticed`, those that warn, and the views of the rows.

    `chosen` is a condition on `logs`.
    """
    engine.view("live", f"SELECT * FROM logs WHERE state IN ('present', 'gone') AND ({chosen})")
    engine.view(
        "noticed",
        f"SELECT * FROM logs WHERE state IN ('present', 'gone', 'not_a_log') AND ({chosen})",
    )
    for table, view in FACTS.items():
        engine.view(view, f"SELECT * FROM all_{table} WHERE log_id IN (SELECT log_id FROM live)")


def _is_below(path: str) -> str:
    prefix = path.rstrip(os.sep) + os.sep
    return f"(source = {quoted(path)} OR substring(source, 1, {len(prefix)}) = {quoted(prefix)})"
