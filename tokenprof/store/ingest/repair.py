"""A store as a writer finds it: left-over files removed, damage and another schema made good."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import pyarrow as pa

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.store.ingest.repeats import COLUMNS
from tokenprof.store.schema.arrow_tables import empty_table
from tokenprof.store.schema.columns import DATA_TABLES, SCHEMA_VERSION, STATE_TABLES
from tokenprof.store.writing.commits import read_rows
from tokenprof.store.writing.durable_files import UNFINISHED
from tokenprof.store.writing.manifest import (
    COMMITS,
    MANIFEST,
    STATE,
    DataFile,
    Manifest,
    damaged,
    files_there,
    newest_manifest,
    read_manifest,
    sweep,
)
from tokenprof.store.writing.store_folder import StoreFolder
from tokenprof.store.writing.writer_lock import LOCK_FILE

SET_ASIDE: Final = "older"


@frozen
class OpenedStore:
    """A store that can be written to: its last commit, its logs, and what was repaired.

    `read_turns` reads the columns of its turns that tell which responses are the same.
    `lost_logs` says that logs are no longer known, so that everything must be looked at again.
    """

    manifest: Manifest
    logs: Sequence[Mapping[str, Any]]
    read_turns: Callable[[], pa.Table]
    notes: Sequence[str]
    lost_logs: bool = False


def require_place_for_store(store: StoreFolder) -> None:
    """Raise InputError for a folder that is not a store and holds files of somebody else.

    A first ingest that was killed leaves files of ours and no manifest. Names that begin with a point are
    those of the system and of tools.
    """
    if read_manifest(store) is not None:
        return
    try:
        names = store.names()
    except OSError as error:
        raise InputError.unreadable(str(store), error) from None
    others = {name for name in names - _OWN_NAMES if not name.startswith(".")}
    others |= {path for path in files_there(store) if not _OWN_FILE.fullmatch(path)}
    if others:
        raise InputError(
            f"{store} is not a store, and it holds other files, such as {min(others)}; name an empty folder, "
            "or one that does not exist."
        )


_OWN_NAMES: Final = frozenset(
    (*(table.name for table in DATA_TABLES), STATE, COMMITS, SET_ASIDE, LOCK_FILE, f"{MANIFEST}{UNFINISHED}")
)
_OWN_FILE: Final = re.compile(
    rf"\A(state/[a-z]+-|[a-z]+/day=[^/]+/project=[^/]+/)\d{{8,}}(-[0-9a-f]+)?\.parquet({re.escape(UNFINISHED)})?"
)


def opened_store(store: StoreFolder) -> OpenedStore:
    """Open a store for its writer. Raises InputError for one of a newer version of tokenprof."""
    manifest, there = newest_manifest(store), files_there(store)
    if manifest is None:
        sweep(store, Manifest(), there)
        return OpenedStore(Manifest(), (), _no_turns, ())
    if manifest.schema > SCHEMA_VERSION:
        raise InputError(
            f"The store {store} has schema {manifest.schema}, and this tokenprof knows {SCHEMA_VERSION}. "
            "Upgrade tokenprof, or name another --store."
        )
    if manifest.schema < SCHEMA_VERSION:
        return _rebuilt(store, manifest)
    notes = []
    if broken := damaged(manifest, there):
        manifest, again = _without(manifest, broken)
        notes.append(
            f"{len(broken)} files of the store {store} were missing or damaged; the logs that they held are "
            "read again. What came from logs that no longer exist is lost."
        )
    else:
        again = frozenset()
    sweep(store, manifest, there)
    logs = [
        row
        for row in read_rows(store, manifest, "logs").to_pylist()
        if row["generation"] not in again or row["state"] == "not_a_log"
    ]

    def turns() -> pa.Table:
        return read_rows(store, manifest, "turns").select(COLUMNS)

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
    return OpenedStore(Manifest(roots=manifest.roots), (), _no_turns, (note,), lost_logs=True)
