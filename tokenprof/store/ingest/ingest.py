"""`ingest`: logs that are new or changed, read over all cores into a store, commit by commit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.store.ingest.file_identity import FileIdentity, identify, number_of
from tokenprof.store.ingest.followed_logs import FollowedLogs
from tokenprof.store.ingest.known_logs import KnownLog, KnownLogs, known_logs
from tokenprof.store.ingest.read_log import ReadLog, ReadOptions, read_log
from tokenprof.store.ingest.repair import opened_store, require_place_for_store
from tokenprof.store.ingest.repeats import COLUMNS, repeats_of, sharing_turns
from tokenprof.store.ingest.scan import LogToRead, Scan, scan
from tokenprof.store.schema.without_pandas import keep_pandas_out
from tokenprof.store.writing.commits import Tables, commit, compacted
from tokenprof.store.writing.manifest import Manifest
from tokenprof.store.writing.store_folder import AnyStore, StoreFolder, store_folder
from tokenprof.store.writing.writer_lock import Renew, writer_lock

COMMIT_BYTES: Final = 256 * 2**20
"""How many bytes of logs are read between two commits; what was committed survives an interruption."""

WORTH_A_POOL_BYTES: Final = 16 * 2**20
"""Starting worker processes takes about a second, in which one process reads this much."""

Progress = Callable[[int, int, int], None]
"""Called with logs done, bytes done and bytes in all."""


@frozen
class IngestOptions:
    """How to ingest.

    `again` reads logs that did not change too; `forget_gone` drops the turns of logs whose file is gone.
    """

    jobs: int = 1
    project: str | None = None
    with_names: bool = False
    again: bool = False
    forget_gone: bool = False


@dataclass(slots=True)
class Ingested:
    """What an ingest did: logs by why they were read, turns and bytes read, and what it found wrong."""

    read: dict[str, int] = field(default_factory=dict)
    turns: int = 0
    bytes: int = 0
    unchanged: int = 0
    gone: int = 0
    forgotten: int = 0
    repeated: int = 0
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def ingest(
    paths: Sequence[Path],
    store: AnyStore,
    options: IngestOptions | None = None,
    progress: Progress | None = None,
    followed: FollowedLogs | None = None,
) -> Ingested:
    """Bring a store up to date with the logs below some paths (none: all that it was made from).

    `store` is a folder, or an address that fsspec opens, such as `s3://bucket/store`. An ingest that looks
    again and again gives the same `followed` each time, and reads logs that grew on where they stopped.
    Raises InputError if there is nothing to read, a named file cannot be read, or somebody else is writing.
    """
    options = options or IngestOptions()
    done = Ingested()
    store = store_folder(store)
    require_place_for_store(store)
    with writer_lock(store) as renew:
        opened = opened_store(store)
        done.notes += opened.notes
        manifest, known = opened.manifest, known_logs(opened.logs)
        if options.with_names and not manifest.with_names and manifest.generation:
            raise InputError(
                f"The store {store} was made without --names, so its blocks have none; name another --store."
            )
        manifest = replace(manifest, with_names=options.with_names or manifest.with_names)
        known_roots = [Path(root) for root in manifest.roots]
        roots = list(paths) or known_roots
        if opened.lost_logs:
            roots += [root for root in known_roots if root not in map(Path.absolute, roots)]
        if not roots:
            raise InputError("There is nothing to ingest yet; name files or folders: tokenprof ingest PATHS…")
        missing = [root for root in roots if root not in paths and not root.exists()]
        found = scan([root for root in roots if root not in missing], known, again=options.again)
        _Writer(store, manifest, known, options, done, opened.read_turns, followed, renew).write(
            found, roots, progress
        )
    return done


class _Writer:
    """Reads what a scan found and commits it."""

    def __init__(
        self,
        store: StoreFolder,
        manifest: Manifest,
        known: KnownLogs,
        options: IngestOptions,
        done: Ingested,
        read_turns: Callable[[], pa.Table],
        followed: FollowedLogs | None,
        renew: Renew,
    ) -> None:
        self._store, self._manifest, self._known = store, manifest, known
        self._options, self._done = options, done
        self._read_turns = read_turns
        self._turns: pa.Table | None = None
        self._new_turns: list[pa.Table] = []
        self._followed = followed
        self._renew_lock = renew
        self._before = known.by_source()

    def write(self, found: Scan, roots: Sequence[Path], progress: Progress | None) -> None:
        is_changed = self._note(found)
        names = [os.path.abspath(root) for root in roots]
        total = sum(job.bytes for job in found.to_read)
        waiting: list[Tables] = []
        waiting_bytes = 0
        reads = _read_all(found.to_read, self._read_options(), self._options.jobs, total, self._followed)
        for logs, read in enumerate(reads, 1):
            self._take(read)
            waiting.append(read.tables)
            waiting_bytes += read.job.bytes
            self._done.bytes += read.read_bytes
            is_changed = True
            if progress is not None:
                progress(logs, self._done.bytes, total)
            if waiting_bytes >= COMMIT_BYTES:
                self._commit(waiting, names)
                waiting, waiting_bytes = [], 0
        if is_changed or set(names) - set(self._manifest.roots) or self._done.notes:
            self._commit(waiting, names)
            self._manifest = compacted(self._store, self._manifest, [log.log_id for log in self._known])
        self._done.warnings += [warning for log in self._known for warning in log.warnings]
        self._done.warnings += [
            f"{log.error} It was left out." for log in self._known if log.state == "unreadable"
        ]

    def _read_options(self) -> ReadOptions:
        given = self._options
        return ReadOptions(self._manifest.generation + 1, given.project, self._manifest.with_names)

    def _note(self, found: Scan) -> bool:
        """Note what needs no reading. Returns whether the state of the store changes by it."""
        self._done.unchanged = len(found.unchanged)
        before = dict(self._known.by_id)
        by_source = self._known.by_source()
        for file in found.not_logs:
            may_hold_a_bill = file in found.may_hold_bills
            warnings = (f"{file} has an unknown format and was left out.",) if may_hold_a_bill else ()
            passed_over = KnownLog(0, str(file), state="not_a_log", warnings=warnings)
            self._remember(file, by_source.get(str(file)), passed_over)
        for file, error in found.unreadable.items():
            failed = KnownLog(0, str(file), state="unreadable", error=error)
            self._remember(file, by_source.get(str(file)), failed)
        moved = {job.file.stat().st_ino for job in found.to_read if job.why == "new" and job.file.exists()}
        for log in found.gone:
            self._known.drop(log)
            renamed = bool(log.files) and log.files[0].inode in moved
            if log.state == "present" and not renamed and not self._options.forget_gone:
                self._known.put(replace(log, state="gone"))
                self._done.gone += 1
            elif log.state == "present" and not renamed:
                self._done.forgotten += 1
        if self._options.forget_gone:
            for log in [log for log in self._known if log.state == "gone"]:
                self._known.drop(log)
                self._done.forgotten += 1
        return before != self._known.by_id

    def _remember(self, file: Path, before: KnownLog | None, log: KnownLog) -> None:
        files: tuple[FileIdentity, ...] = ()
        with suppress(OSError):
            files = (identify(file),)
        if before is not None and before.state == log.state and before.files == files and files:
            return
        if before is not None and before.state in ("not_a_log", "unreadable"):
            self._known.drop(before)
        self._known.put(replace(log, log_id=number_of(log.state, file, *files), files=files))

    def _take(self, read: ReadLog) -> None:
        job, log, before = read.job, read.log, read.job.before
        self._done.read[job.why] = self._done.read.get(job.why, 0) + 1
        if log.state == "unreadable":
            if before is not None and before.counts:
                # What was read before stays, as the bill was real.
                self._known.put(replace(before, state="gone"))
            self._known.put(log)
            return
        if before is not None and job.why == "replaced" and not self._is_renamed(before):
            self._known.put(replace(before, state="gone"))
            self._done.gone += 1
        elif before is not None:
            self._known.drop(before)
        for other in job.companions:
            # A file that was read by itself may since have become part of another log.
            if (alone := self._before.get(str(other))) is not None:
                self._known.drop(alone)
        self._known.put(log)
        self._done.turns += log.turns
        self._new_turns.append(read.tables["turns"].select(COLUMNS))

    def _is_renamed(self, before: KnownLog) -> bool:
        inode = before.files[0].device, before.files[0].inode
        return any(
            log.files and (log.files[0].device, log.files[0].inode) == inode
            for log in self._known
            if log.log_id != before.log_id
        )

    def _commit(self, rows: Sequence[Tables], roots: Sequence[str]) -> None:
        counted = pa.array(sorted(log.log_id for log in self._known if log.counts), pa.int64())
        before = self._read_turns() if self._turns is None else self._turns
        turns = pa.concat_tables([before, *self._new_turns])
        self._new_turns = []
        self._turns = turns.filter(pc.is_in(turns["log_id"], value_set=counted))
        repeats = repeats_of(sharing_turns(self._turns), self._known)
        self._done.repeated = repeats.num_rows
        state = {"logs": self._known.table(), "repeats": repeats}
        self._manifest = commit(self._store, self._manifest, rows, state, roots)
        self._renew_lock()


def _read_all(
    jobs: Sequence[LogToRead],
    options: ReadOptions,
    workers: int,
    total_bytes: int,
    followed: FollowedLogs | None,
) -> Iterator[ReadLog]:
    """Yield logs as they are read, large ones first, so that no worker is left with one at the end."""
    ordered = sorted(jobs, key=lambda job: job.bytes, reverse=True)
    if workers <= 1 or len(jobs) < 2 or total_bytes < WORTH_A_POOL_BYTES:
        yield from (read_log(job, options, followed) for job in ordered)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=keep_pandas_out) as pool:
        waiting = iter(ordered)
        running: set[Future[ReadLog]] = set()
        try:
            while True:
                for job in waiting:
                    running.add(pool.submit(read_log, job, options))
                    # As many as keep the workers busy: results that wait would fill the memory.
                    if len(running) >= 2 * workers:
                        break
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (each.result() for each in done)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
