"""One log read into rows; what a worker process does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run
from tokenprof.reading.files import run_of
from tokenprof.reading.formats import reader_of
from tokenprof.reading.log_bytes import log_stem
from tokenprof.reading.merge import merge
from tokenprof.store.ingest.file_identity import identify, number_of
from tokenprof.store.ingest.followed_logs import FollowedLogs
from tokenprof.store.ingest.known_logs import KnownLog
from tokenprof.store.ingest.log_rows import LogName, Tables, project_of, tables_of_log
from tokenprof.store.ingest.scan import LogToRead
from tokenprof.store.schema.columns import SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How logs are read: the commit that they will be part of, a project for all, and names of blocks."""

    generation: int = 0
    project: str | None = None
    with_names: bool = False


@dataclass(frozen=True, slots=True)
class ReadLog:
    """A log that was read: what is known of it, and its rows. One that cannot be read has no rows.

    `read_bytes` is how much of its files was read.
    """

    job: LogToRead
    log: KnownLog
    tables: Tables
    read_bytes: int


def read_log(job: LogToRead, options: ReadOptions, followed: FollowedLogs | None = None) -> ReadLog:
    """Read a log. What makes it unreadable is in its `error`.

    With `followed`, one that grew is read on where it stopped, if it is in hand.
    """
    log = KnownLog(0, str(job.file), job.format, generation=options.generation)
    try:
        # Taken before reading: what is added meanwhile is seen as a change by the next ingest.
        files = tuple(identify(each) for each in (job.file, *job.companions))
        log = replace(log, files=files, log_id=number_of(SCHEMA_VERSION, options.generation, *files))
        reader = reader_of(job.file)
        if followed is None or job.why != "grown" or job.companions:
            run, read_bytes = merge([run_of(job.file, reader)]), job.bytes
        else:
            run = merge([run_of(job.file, reader, partial(followed.read, reader=reader))])
            read_bytes = followed.read_bytes
    except (InputError, OSError) as error:
        number = number_of(options.generation, job.file)
        failed = replace(log, log_id=log.log_id or number, state="unreadable", error=str(error))
        return ReadLog(job, failed, {}, job.bytes)
    project = options.project or project_of(run, _folder_of(job.file))
    log = _filled(log, run, project)
    name = LogName(log.log_id, project, log.session, log.format)
    return ReadLog(job, log, tables_of_log(run, name, with_names=options.with_names), read_bytes)


def _filled(log: KnownLog, run: Run, project: str) -> KnownLog:
    return replace(
        log,
        format=run.sources[0].format if run.sources else log.format,
        project=project,
        session=f"{project}/{log_stem(Path(log.source))}",
        turns=len(run.turns),
        missing_calls=sum(problem.calls for problem in run.problems),
        warnings=run.warnings,
        first_at=min((turn.started_at for turn in run.turns), default=None),
        last_at=max((turn.started_at for turn in run.turns), default=None),
    )


def _folder_of(file: Path) -> str:
    return file.parent.name or "files"
