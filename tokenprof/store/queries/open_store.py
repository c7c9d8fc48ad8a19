"""A store opened for questions: its last commit, as views that leave out what no longer counts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tokenprof.facts.errors import InputError
from tokenprof.store.queries.engine import DuckDbEngine, quoted, require_store_packages
from tokenprof.store.schema.arrow_tables import empty_table
from tokenprof.store.schema.columns import ALL_TABLES, SCHEMA_VERSION
from tokenprof.store.writing.manifest import Manifest, read_manifest
from tokenprof.store.writing.store_folder import AnyStore, RemoteFolder, is_remote, store_folder

STORE_VARIABLE: Final = "TOKENPROF_STORE"

FACTS: Final[Mapping[str, str]] = {
    "turns": "turn_facts",
    "fees": "fee_facts",
    "blocks": "block_facts",
    "calls": "call_facts",
    "ledger": "ledger_facts",
}
"""The views of the rows of each table."""


def default_store() -> Path | str:
    """Return where a store is if nobody says: TOKENPROF_STORE, else the user's folder for data."""
    if given := os.environ.get(STORE_VARIABLE, "").strip():
        return given if is_remote(given) else Path(given).expanduser()
    data = os.environ.get("XDG_DATA_HOME", "").strip() or "~/.local/share"
    return Path(data).expanduser() / "tokenprof" / "store"


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
    manifest = committed(folder)
    engine = DuckDbEngine()
    if isinstance(folder, RemoteFolder):
        engine.open(folder.system)
    for table in ALL_TABLES:
        files = [folder.address_of(each.path) for each in manifest.files_of(table.name)]
        engine.files(f"all_{table.name}", files, empty_table(table.name))
    engine.run("CREATE TABLE logs AS SELECT * FROM all_logs")
    engine.run("CREATE TABLE repeats AS SELECT * FROM all_repeats")
    chosen = " OR ".join(_is_below(os.path.realpath(path)) for path in paths) or "true"
    make_facts(engine, chosen)
    if paths and not engine.rows("SELECT 1 FROM live LIMIT 1"):
        named = ", ".join(map(str, paths))
        raise InputError(f"The store {store} holds no log of {named}; run `tokenprof ingest {named}` first.")
    return engine


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
