"""Totals of files without a store: their turns in a database of one command, asked with the same SQL.

What is held at a time does not depend on how much there is: a process reads some logs and returns columns,
and the database moves what does not fit into its memory to disk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from tokenprof.facts.errors import InputError
from tokenprof.reading.files import LogFile, find_logs
from tokenprof.reading.parallel import read_in_groups
from tokenprof.reading.progress import Watcher, unwatched
from tokenprof.store.ingest.billed_logs import BILL_TABLES, BilledLogs, read_billed_logs
from tokenprof.store.ingest.known_logs import KnownLog, KnownLogs
from tokenprof.store.ingest.repeats import repeats_of, sharing_turns_sql
from tokenprof.store.queries.engine import DuckDbEngine
from tokenprof.store.queries.open_store import make_facts
from tokenprof.store.queries.priced_store import PricedStore, with_prices
from tokenprof.store.queries.stored_logs import take_unchanged
from tokenprof.store.queries.totals import FromStore
from tokenprof.store.schema.arrow_tables import empty_table, table_of
from tokenprof.store.schema.columns import ALL_TABLES, DATA_TABLES
from tokenprof.store.writing.ingested import IngestedPaths

if TYPE_CHECKING:
    from tokenprof.pricing.book import PriceBook

MOST_MEMORY_BYTES: Final = 128 * 2**20
"""What the database may hold in memory."""

ROWS_PUT_AT_ONCE: Final = 2**14
"""Putting a table costs as much as some thousands of its rows."""


@contextmanager
def priced_files(
    paths: Sequence[Path],
    book: PriceBook,
    *,
    with_blocks: bool = False,
    seller: str | None = None,
    known: IngestedPaths | None = None,
    jobs: int | None = 1,
    watch: Watcher = unwatched,
) -> Iterator[PricedStore]:
    """Read the bills of files, apply prices, and yield them to be asked.

    Parameters: `with_blocks` also reads what the bills are for, which totals by tool, kind and the like need;
    `seller`, who sold the calls that do not show it; `known`, a store whose rows are taken for the logs that
    did not change; `jobs` and `watch` are those of `tokenprof.reading.files.read`. Raises InputError for
    files that cannot be read.
    """
    engine = DuckDbEngine(MOST_MEMORY_BYTES)
    with closing(engine):
        for table in ALL_TABLES:
            engine.put(f"all_{table.name}", empty_table(table.name))
        from_store = _put_files(engine, paths, known, jobs, watch, with_blocks=with_blocks)
        found = priced_facts(engine, book, seller)
        found.from_store = from_store
        yield found


def _put_files(
    engine: DuckDbEngine,
    paths: Sequence[Path],
    ingested: IngestedPaths | None,
    jobs: int | None,
    watch: Watcher,
    *,
    with_blocks: bool,
) -> FromStore | None:
    """Put the rows of files into an engine, with what is known of each log and which turns repeat."""
    warnings: list[str] = []
    files = find_logs(paths, warnings)
    tables = [table.name for table in DATA_TABLES if with_blocks or table.name in BILL_TABLES]
    unchanged = {} if ingested is None else take_unchanged(engine, ingested, files, tables)
    known = KnownLogs()
    for log in unchanged.values():
        known.put(log)
    left = [
        (file.file, file.reader.FORMAT, place)
        for place, file in enumerate(files, 1)
        if place not in unchanged
    ]
    read = partial(read_billed_logs, with_blocks=with_blocks)
    _put_read(engine, read_in_groups(left, read, jobs, watch), files, known)
    known.put(KnownLog(0, ", ".join(map(str, paths)), state="not_a_log", warnings=tuple(warnings)))
    engine.append("all_repeats", repeats_of(engine.arrow(sharing_turns_sql("all_turns")), known))
    engine.append("all_logs", known.table())
    if ingested is None or not unchanged:
        return None
    return FromStore(str(ingested.store), len(unchanged), len(left))


def _put_read(
    engine: DuckDbEngine, found: Iterable[BilledLogs], files: Sequence[LogFile], known: KnownLogs
) -> None:
    """Put the rows of logs that were read into an engine, and what is known of each among the known logs."""
    rows = _WaitingRows(engine)
    for some in found:
        for log in some.logs:
            known.put(log)
            if log.state == "unreadable" and files[log.log_id - 1].is_named:
                raise InputError(log.error or "")
        for table, columns in some.tables.items():
            rows.put(table, table_of(table, columns))
    rows.flush()
    failed = sorted((log.log_id, log.error or "") for log in known if log.state == "unreadable")
    if failed and len(failed) == len(files):
        raise InputError(failed[0][1])


class _WaitingRows:
    """Tables that wait until there are enough rows to be worth putting."""

    def __init__(self, engine: DuckDbEngine) -> None:
        self._engine = engine
        self._waiting: dict[str, list[pa.Table]] = {}
        self._rows: Counter[str] = Counter()

    def put(self, name: str, table: pa.Table) -> None:
        """Add rows of a table."""
        self._waiting.setdefault(name, []).append(table)
        self._rows[name] += table.num_rows
        if self._rows[name] >= ROWS_PUT_AT_ONCE:
            self._put(name)

    def flush(self) -> None:
        """Put what waits."""
        for name in list(self._waiting):
            self._put(name)

    def _put(self, name: str) -> None:
        self._engine.append(f"all_{name}", pa.concat_tables(self._waiting.pop(name)))
        del self._rows[name]


def priced_facts(engine: DuckDbEngine, book: PriceBook, seller: str | None) -> PricedStore:
    """Apply prices to the tables `all_…` of an engine, which sees no file from then on."""
    engine.run("CREATE VIEW logs AS SELECT * FROM all_logs")
    engine.run("CREATE VIEW repeats AS SELECT * FROM all_repeats")
    make_facts(engine)
    found = with_prices(engine, book, seller)
    engine.shut(None)
    return found
