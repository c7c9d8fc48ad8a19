"""The rows that a store has of logs that did not change since, so that these need not be read again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from tokenprof.facts.errors import InputError
from tokenprof.reading.files import LogFile, companions_of
from tokenprof.store.ingest.known_logs import KnownLog, known_logs
from tokenprof.store.queries.engine import DuckDbEngine, reading_files_of
from tokenprof.store.queries.open_store import see_tables
from tokenprof.store.writing.ingested import IngestedPaths
from tokenprof.store.writing.store_folder import store_folder


def take_unchanged(
    engine: DuckDbEngine, ingested: IngestedPaths, files: Sequence[LogFile], tables: Sequence[str]
) -> dict[int, KnownLog]:
    """Add the rows that a store has of unchanged files to the tables `all_…` of an engine.

    Returns the unchanged logs by their places among the files, from 1: none of a store that cannot be read.
    """
    try:
        with reading_files_of(f"the store {ingested.store}"):
            see_tables(engine, store_folder(ingested.store), ingested.manifest, "stored_")
            by_source = known_logs(engine.arrow("SELECT * FROM stored_logs").to_pylist()).by_source()
            found = {
                place: replace(log, source=str(file.file))
                for place, file in enumerate(files, 1)
                if (log := by_source.get(os.path.realpath(file.file))) is not None
                and _is_as_it_was(log, file)
            }
            numbers = pa.array([log.log_id for log in found.values()], pa.int64())
            engine.put("unchanged", pa.table({"log_id": numbers}))
            for table in tables:
                engine.run(
                    f"INSERT INTO all_{table} "
                    f"SELECT s.* FROM stored_{table} s JOIN unchanged u ON u.log_id = s.log_id"
                )
    except InputError:
        for table in tables:
            engine.run(f"DELETE FROM all_{table}")
        return {}
    return found


def _is_as_it_was(log: KnownLog, file: LogFile) -> bool:
    files = [os.path.realpath(each) for each in (file.file, *companions_of(file.reader, file.file))]
    return log.state == "present" and [each.file for each in log.files] == files and log.is_untouched()
