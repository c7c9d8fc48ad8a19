"""One log read into rows; what a worker process does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import pyarrow as pa

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.reading.files import run_of
from tokenprof.reading.formats import reader_of
from tokenprof.reading.merge import merge
from tokenprof.store.ingest.file_identity import identify, number_of
from tokenprof.store.ingest.followed_logs import FollowedLogs, is_being_written
from tokenprof.store.ingest.known_logs import KnownLog, filled
from tokenprof.store.ingest.log_rows import columns_of_log
from tokenprof.store.ingest.scan import LogToRead
from tokenprof.store.schema.arrow_tables import table_of
from tokenprof.store.schema.columns import SCHEMA_VERSION


@frozen
class ReadOptions:
    """How logs are read: the commit that they will be part of, a project for all, and names of blocks."""

    generation: int = 0
    project: str | None = None
    with_names: bool = False


@frozen
class ReadLog:
    """A log that was read: what is known of it, and its rows. One that cannot be read has no rows.

    `read_bytes` is how much of its files was read.
    """

    job: LogToRead
    log: KnownLog
    tables: Mapping[str, pa.Table]
    read_bytes: int


def read_log(job: LogToRead, options: ReadOptions, followed: FollowedLogs | None = None) -> ReadLog:
    """Read a log. What makes it unreadable is in its `error`.

    One that grew is read on where it stopped, if it is in hand (`followed`) or was kept.
    """
    log = KnownLog(0, str(job.file), job.format, generation=options.generation)
    try:
        # Taken before reading: what is added meanwhile is seen as a change by the next ingest.
        files = tuple(identify(each) for each in (job.file, *job.companions))
        log = replace(log, files=files, log_id=number_of(SCHEMA_VERSION, options.generation, *files))
        reader = reader_of(job.file)
        if job.why == "grown" or (job.why == "new" and is_being_written(job.file)):
            followed = followed or FollowedLogs(most=0)
            run = merge([run_of(job.file, reader, partial(followed.read, reader=reader))])
            read_bytes = followed.read_bytes + sum(each.stat().st_size for each in job.companions)
        else:
            run, read_bytes = merge([run_of(job.file, reader)]), job.bytes
    except (InputError, OSError) as error:
        number = number_of(options.generation, job.file)
        failed = replace(log, log_id=log.log_id or number, state="unreadable", error=str(error))
        return ReadLog(job, failed, {}, job.bytes)
    log = filled(log, run, options.project)
    columns = columns_of_log(run, log.name, with_names=options.with_names)
    return ReadLog(job, log, {name: table_of(name, own) for name, own in columns.items()}, read_bytes)
