"""The store of a company: logs read by Spark's executors into the same Parquet files.

    from pyspark.sql import SparkSession
    from tokenprof.fleet.spark import ingest, totals

    spark = SparkSession.builder.getOrCreate()
    ingest(spark, ["s3://logs/claude"], "s3://lake/tokenprof")
    totals(spark, "s3://lake/tokenprof", by="month,project")

A task reads whole logs, a session with the files of its subagents, so that no context is split. It writes its
Parquet files itself and returns their names; only the keys that tell repeated responses are shuffled. The
manifest comes last: what a failed or doubled task wrote is named by nobody. Spark reads the store itself
where Hadoop knows the kind of address, and through fsspec otherwise. docs/past-one-machine.md has the sizes.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.fleet.file_systems import RemoteLog, fetch, remote_logs
from tokenprof.fleet.spark_engine import SparkEngine
from tokenprof.reading.formats import suffixes
from tokenprof.store.ingest.known_logs import KnownLogs, known_logs
from tokenprof.store.ingest.read_log import ReadLog, ReadOptions, read_log
from tokenprof.store.ingest.repeats import COLUMNS, repeats_of, sharing_turns_sql
from tokenprof.store.ingest.scan import scan
from tokenprof.store.queries.dimensions import parse_dimensions
from tokenprof.store.queries.open_store import FACTS, make_facts
from tokenprof.store.queries.rates import apply_prices
from tokenprof.store.queries.totals import StoreTotals, totals_by
from tokenprof.store.queries.views import make_plain_views, make_priced_views
from tokenprof.store.schema.arrow_tables import SCHEMAS
from tokenprof.store.schema.columns import DATA_TABLES, SCHEMA_VERSION
from tokenprof.store.writing.commits import COMPRESSION, partitions_of
from tokenprof.store.writing.manifest import (
    MANIFEST,
    STATE,
    DataFile,
    Manifest,
    manifest_of_json,
    manifest_to_json,
)
from tokenprof.store.writing.remote_folder import is_remote, remote_folder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from tokenprof.pricing.book import PriceBook

TASK_BYTES: Final = 128 * 2**20
"""About how many bytes of logs a task reads: a few seconds of work, and a few hundred MB of memory."""

_WRITTEN: Final = "kind string, table string, path string, bytes long, rows long, payload binary"


@frozen
class SparkIngest:
    """What a job did: logs and turns read, responses in several logs, and why logs were left out."""

    logs: int
    turns: int
    repeated: int
    unreadable: tuple[str, ...]


def ingest(
    spark: SparkSession,
    paths: Sequence[str],
    store: str,
    *,
    project: str | None = None,
    with_names: bool = False,
    task_bytes: int = TASK_BYTES,
) -> SparkIngest:
    """Read all logs below some addresses into a new store.

    Parameters: `paths` and `store` are paths or fsspec addresses that every executor reaches; `project`,
    one for all logs; `with_names` keeps the names of blocks; `task_bytes`, how much one task reads.

    Raises InputError if the store exists, or nothing is there to read.
    """
    folder = remote_folder(store)
    if folder.read(MANIFEST) is not None:
        raise InputError(f"{store} is a store already; a Spark job makes a new one. Name another folder.")
    logs = [log for path in paths for log in _logs_below(path)]
    if not logs:
        raise InputError(f"{', '.join(paths)}: no file has a name that a log has.")
    options = ReadOptions(1, project, with_names)
    tasks = _tasks(logs, task_bytes)
    # One row a task; nothing of the logs goes through the driver.
    rows = [
        (number, json.dumps([[each.files, each.bytes] for each in task])) for number, task in enumerate(tasks)
    ]
    frame = spark.createDataFrame(rows, "task int, logs string").repartition(len(rows))
    written = frame.mapInArrow(_TaskReader(store, options), _WRITTEN).collect()
    files: dict[str, list[DataFile]] = {}
    known = KnownLogs()
    for row in written:
        if row.kind == "file":
            files.setdefault(row.table, []).append(DataFile(row.path, row.bytes, row.rows, (1,)))
        else:
            for log in known_logs(pa.ipc.open_stream(bytes(row.payload)).read_all().to_pylist()):
                known.put(log)
    manifest = Manifest(1, SCHEMA_VERSION, with_names, tuple(paths), {t: tuple(f) for t, f in files.items()})
    repeats = repeats_of(_sharing_turns(spark, store, manifest), known)
    state = {}
    for name, table in (("logs", known.table()), ("repeats", repeats)):
        state[name] = (_write(store, f"{STATE}/{name}-00000001.parquet", table),)
    whole = replace(manifest, files={**manifest.files, **state})
    folder.write(MANIFEST, manifest_to_json(whole))
    failed = tuple(log.error or "" for log in known if log.state == "unreadable")
    turns = sum(log.turns for log in known)
    return SparkIngest(len(known.by_id) - len(failed), turns, repeats.num_rows, failed)


def totals(
    spark: SparkSession,
    store: str,
    *,
    by: str = "",
    where: str | None = None,
    book: PriceBook | None = None,
    seller: str | None = None,
) -> StoreTotals:
    """Return totals of a store, worked out by Spark with the SQL that DuckDB runs for `tokenprof totals`.

    `by` names dimensions (docs/store.md), `where` is a condition on turns, `book` the prices (default: list
    prices), `seller` who sold the calls that do not show it.
    """
    engine = priced_engine(spark, store, book=book, seller=seller)
    return totals_by(engine, parse_dimensions([by]), where)


def priced_engine(
    spark: SparkSession, store: str, *, book: PriceBook | None = None, seller: str | None = None
) -> SparkEngine:
    """Make the views of a store (`turns`, `blocks`, `sessions`, …) temporary views of a Spark session."""
    from tokenprof.pricing.book import default_book

    data = remote_folder(store).read(MANIFEST)
    if data is None:
        raise InputError(f"There is no store in {store}.")
    manifest = manifest_of_json(data, f"{store}/{MANIFEST}")
    engine = SparkEngine(spark)
    for table in [*FACTS, "logs", "repeats"]:
        name = table if table in ("logs", "repeats") else f"all_{table}"
        _rows(spark, store, manifest, table).createOrReplaceTempView(name)
    make_facts(engine)
    apply_prices(engine, book or default_book(), seller)
    make_priced_views(engine)
    make_plain_views(engine)
    return engine


def _rows(spark: SparkSession, store: str, manifest: Manifest, table: str) -> DataFrame:
    files = manifest.files_of(table)
    empty = spark.createDataFrame(SCHEMAS[table].empty_table())
    if not files:
        return empty
    try:
        return spark.read.parquet(*(f"{store}/{each.path}" for each in files))
    except Exception as error:
        # Spark without Hadoop's library for this kind of address, such as hadoop-aws for `s3a://`.
        if "No FileSystem for scheme" not in str(error):
            raise
    paths = spark.createDataFrame([(each.path,) for each in files], "path string").repartition(len(files))
    return paths.mapInArrow(_FileReader(store), empty.schema)


def _logs_below(path: str) -> Iterator[RemoteLog]:
    if is_remote(path):
        yield from remote_logs(path, sorted(suffixes()))
        return
    for job in scan([Path(path)], KnownLogs()).to_read:
        yield RemoteLog(tuple(str(each) for each in (job.file, *job.companions)), job.bytes)


def _tasks(logs: Iterable[RemoteLog], task_bytes: int) -> list[list[RemoteLog]]:
    """Return logs in groups of about equal size, the largest logs first."""
    tasks: list[list[RemoteLog]] = [[]]
    filled = 0
    for log in sorted(logs, key=lambda each: (-each.bytes, each.files)):
        if tasks[-1] and filled + log.bytes > task_bytes:
            tasks.append([])
            filled = 0
        tasks[-1].append(log)
        filled += log.bytes
    return tasks


@frozen
class _TaskReader:
    """What an executor does with a task: reads its logs, writes their rows, returns the files' names."""

    store: str
    options: ReadOptions

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for row in batch.to_pylist():
                logs = [RemoteLog(tuple(files), size) for files, size in json.loads(row["logs"])]
                yield from self._task(row["task"], logs).to_batches()

    def _task(self, number: int, logs: Sequence[RemoteLog]) -> pa.Table:
        from pyspark import TaskContext

        context = TaskContext.get()
        # Another attempt at the same task writes other files; those of one attempt are named by the manifest.
        attempt = context.taskAttemptId() if context is not None else 0
        read = [one for log in logs for one in read_remote(log, self.options)]
        found: list[Mapping[str, Any]] = []
        for table in DATA_TABLES:
            parts = [one.tables[table.name] for one in read if table.name in one.tables]
            if not parts:
                continue
            for folder, rows in partitions_of(table, pa.concat_tables(parts)):
                file = _write(self.store, f"{folder}/00000001-{number}-{attempt}.parquet", rows)
                found.append(
                    _row(kind="file", table=table.name, path=file.path, bytes=file.bytes, rows=file.rows)
                )
        state = KnownLogs()
        for one in read:
            state.put(one.log)
        sink = io.BytesIO()
        table = state.table()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        found.append(_row(kind="logs", payload=sink.getvalue()))
        return pa.Table.from_pylist(found, _schema())


@frozen
class _FileReader:
    """What an executor does with the paths of Parquet files: reads their rows, through fsspec."""

    store: str

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        folder = remote_folder(self.store)
        for batch in batches:
            for path in batch.column("path").to_pylist():
                data = folder.read(path)
                if data is None:
                    raise InputError(f"{folder.address_of(path)}, which the manifest names, does not exist.")
                yield from pq.read_table(io.BytesIO(data)).to_batches()


def _row(**cells: object) -> Mapping[str, Any]:
    return {"kind": "", "table": "", "path": "", "bytes": 0, "rows": 0, "payload": b"", **cells}


def _schema() -> pa.Schema:
    kinds = {"string": pa.string(), "long": pa.int64(), "binary": pa.binary()}
    pairs = (part.strip().split() for part in _WRITTEN.split(","))
    return pa.schema([(name, kinds[kind]) for name, kind in pairs])


def read_remote(log: RemoteLog, options: ReadOptions) -> Iterator[ReadLog]:
    """Read a log where it is, or from a copy of its files if it is elsewhere."""
    if not is_remote(log.files[0]):
        (job,) = scan([Path(log.files[0])], KnownLogs()).to_read
        yield read_log(replace(job, companions=tuple(map(Path, log.files[1:]))), options)
        return
    with tempfile.TemporaryDirectory() as folder:
        main = fetch(log, Path(folder))
        for job in scan([Path(folder)], KnownLogs()).to_read:
            if job.file.name == main.name:
                one = read_log(job, options)
                yield replace(one, log=replace(one.log, source=log.files[0]))


def _write(store: str, path: str, rows: pa.Table) -> DataFile:
    sink = io.BytesIO()
    pq.write_table(rows, sink, compression=COMPRESSION)
    remote_folder(store).write(path, sink.getvalue())
    return DataFile(path, sink.tell(), rows.num_rows, (1,))


def _sharing_turns(spark: SparkSession, store: str, manifest: Manifest) -> pa.Table:
    """Return the turns of the logs that may share responses with others; Spark finds them by their keys."""
    _rows(spark, store, manifest, "turns").createOrReplaceTempView("tokenprof_turns")
    found = spark.sql(sharing_turns_sql("tokenprof_turns")).toArrow()
    return found.cast(pa.schema([SCHEMAS["turns"].field(name) for name in COLUMNS]))
