"""StoreTotals of files without a store: their turns in memory, asked with the same SQL."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tokenprof.facts.types import Run
from tokenprof.reading.files import read
from tokenprof.reading.progress import Watcher, unwatched
from tokenprof.reading.usage_only import read_usage
from tokenprof.store.ingest.known_logs import KnownLog, logs_table
from tokenprof.store.ingest.log_rows import LogName, project_of, tables_of_log, tables_of_turns
from tokenprof.store.queries.engine import DuckDbEngine
from tokenprof.store.queries.open_store import make_facts
from tokenprof.store.queries.priced_store import PricedStore, with_prices
from tokenprof.store.schema.arrow_tables import empty_table
from tokenprof.store.schema.columns import ALL_TABLES

if TYPE_CHECKING:
    from tokenprof.pricing.book import PriceBook


def priced_files(
    paths: Sequence[Path],
    book: PriceBook,
    *,
    seller: str | None = None,
    with_blocks: bool = False,
    jobs: int | None = 1,
    watch: Watcher = unwatched,
) -> PricedStore:
    """Read files and apply prices.

    `with_blocks` also puts what was billed on blocks, which takes longer. `jobs` and `watch` are those of
    `tokenprof.reading.files.read`. Raises InputError for files that cannot be read.
    """
    read_them = read if with_blocks else read_usage
    run = read_them(paths, jobs=jobs, watch=watch)
    return priced_run(run, book, _label(paths), seller=seller, with_blocks=with_blocks)


def priced_run(
    run: Run, book: PriceBook, label: str, *, seller: str | None = None, with_blocks: bool = False
) -> PricedStore:
    """Apply prices to a run in memory, as one log."""
    engine = DuckDbEngine()
    project = project_of(run, label)
    formats = ", ".join(dict.fromkeys(source.format for source in run.sources))
    name = LogName(1, project, label, formats)
    tables = tables_of_log(run, name) if with_blocks else tables_of_turns(run, name)
    log = KnownLog(
        1,
        label,
        format=formats,
        project=project,
        session=label,
        turns=len(run.turns),
        missing_calls=sum(problem.calls for problem in run.problems),
        warnings=run.warnings,
    )
    tables["logs"] = logs_table([log])
    for table in ALL_TABLES:
        engine.put(f"all_{table.name}", tables.get(table.name, empty_table(table.name)))
    engine.run("CREATE TABLE logs AS SELECT * FROM all_logs")
    engine.run("CREATE TABLE repeats AS SELECT * FROM all_repeats")
    make_facts(engine)
    found = with_prices(engine, book, seller)
    engine.shut(None)
    return found


def _label(paths: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in paths)
