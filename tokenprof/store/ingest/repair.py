"""A store as a writer finds it: left-over files removed, damage and another schema made good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

from tokenprof.facts.errors import InputError
from tokenprof.store.ingest.repeats import COLUMNS
from tokenprof.store.schema.arrow_tables import empty_table
from tokenprof.store.schema.columns import DATA_TABLES, SCHEMA_VERSION, STATE_TABLES
from tokenprof.store.writing.commits import read_rows
from tokenprof.store.writing.manifest import (
    COMMITS,
    MANIFEST,
    STATE,
    DataFile,
    Manifest,
    damaged,
    newest_manifest,
    sweep,
)
from tokenprof.store.writing.store_folder import StoreFolder

SET_ASIDE: Final = "older"


@dataclass(frozen=True, slots=True)
class OpenedStore:
    """A store that can be written to: its last commit, its logs and turns, and what was repaired.

    `lost_logs` says that logs are no longer known, so that everything must be looked at again.
    """

    manifest: Manifest
    logs: Sequence[Mapping[str, Any]]
    turns: pa.Table
    notes: Sequence[str]
    lost_logs: bool = False


def opened_store(store: StoreFolder) -> OpenedStore:
    """Open a store for its writer. Raises InputError for one of a newer version of tokenprof."""
    manifest = newest_manifest(store)
    if manifest is None:
        sweep(store, Manifest())
        return OpenedStore(Manifest(), (), _no_turns(), ())
    if manifest.schema > SCHEMA_VERSION:
        raise InputError(
            f"The store {store} has schema {manifest.schema}, and this tokenprof knows {SCHEMA_VERSION}. "
            "Upgrade tokenprof, or name another --store."
        )
    if manifest.schema < SCHEMA_VERSION:
        return _rebuilt(store, manifest)
    notes = []
    if broken := damaged(store, manifest):
        manifest, again = _without(manifest, broken)
        notes.append(
            f"{len(broken)} files of the store {store} were missing or damaged; the logs that they held are "
            "read again. What came from logs that no longer exist is lost."
        )
    else:
        again = frozenset()
    sweep(store, manifest)
    logs = [
        row
        for row in read_rows(store, manifest, "logs").to_pylist()
        if row["generation"] not in again or row["state"] == "not_a_log"
    ]
    turns = read_rows(store, manifest, "turns").select(COLUMNS)
    return OpenedStore(manifest, logs, turns, notes, lost_logs=bool(notes))


def _no_turns() -> pa.Table:
    return empty_table("turns").select(COLUMNS)


def _without(manifest: Manifest, broken: Sequence[tuple[str, DataFile]]) -> tuple[Manifest, frozenset[int]]:
    """Return a commit without damaged files, and the commits whose logs must be read again."""
    if any(table in {each.name for each in STATE_TABLES} for table, _ in broken):
        # Without the list of logs nothing is known of the rows; all of them are made again.
        return Manifest(
            manifest.generation, with_names=manifest.with_names, roots=manifest.roots
        ), frozenset()
    paths = {each.path for _, each in broken}
    files = {
        table: tuple(each for each in listed if each.path not in paths)
        for table, listed in manifest.files.items()
    }
    again = frozenset(number for _, each in broken for number in each.generations)
    return replace(manifest, files=files), again


def _rebuilt(store: StoreFolder, manifest: Manifest) -> OpenedStore:
    """Set an older store aside; its logs are read again into a new one."""
    aside = f"{SET_ASIDE}/schema-{manifest.schema}"
    for name in (*(table.name for table in DATA_TABLES), STATE, COMMITS, MANIFEST):
        store.move(name, f"{aside}/{name}")
    note = (
        f"The store {store} has schema {manifest.schema}; it is made again with schema {SCHEMA_VERSION} from "
        f"its logs. The earlier files are in {store.address_of(aside)}. They may hold what came from logs "
        "that no longer exist; remove them if you do not need that."
    )
    return OpenedStore(Manifest(roots=manifest.roots), (), _no_turns(), (note,), lost_logs=True)
