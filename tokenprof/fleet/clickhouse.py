"""ClickHouse, in this process (chdb), over the files of a store: the SQL that DuckDB and Spark run too.

    from pathlib import Path
    from tokenprof.fleet.clickhouse import priced_engine

    engine = priced_engine(Path("STORE"))
    engine.rows("SELECT project, sum(billed_usd) FROM turns GROUP BY project")

On a server, read the same files with `s3(...)` and the settings below.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from tokenprof.facts.errors import InputError
from tokenprof.store.queries.engine import quoted
from tokenprof.store.queries.open_store import FACTS, committed, make_facts
from tokenprof.store.queries.rates import apply_prices
from tokenprof.store.queries.views import make_plain_views, make_priced_views
from tokenprof.store.schema.arrow_tables import SCHEMAS

if TYPE_CHECKING:
    from tokenprof.pricing.book import PriceBook

SETTINGS: Final = {
    "join_use_nulls": "1",
    "cast_keep_nullable": "1",
    "session_timezone": "'UTC'",
    "prefer_column_name_to_alias": "1",
    "schema_inference_make_columns_nullable": "1",
}
"""What makes ClickHouse follow standard SQL: a row without a match has nulls, a cast keeps them, and a name
means a column before it means a result."""


class ClickHouseEngine:
    """A ClickHouse session that answers the queries of `tokenprof.store.queries`."""

    def __init__(self) -> None:
        try:
            from chdb import session
        except ImportError as error:
            raise InputError("ClickHouse needs chdb, which is not installed: pip install chdb") from error
        self._folder = tempfile.TemporaryDirectory(prefix="tokenprof-")
        self._session: Any = session.Session()
        for name, value in SETTINGS.items():
            self.run(f"SET {name} = {value}")

    def close(self) -> None:
        """End the session; a process has one at a time."""
        self._session.close()
        self._folder.cleanup()

    def files(self, name: str, paths: Sequence[Path], schema: pa.Schema) -> None:
        """Make Parquet files a view of this name; without any, an empty one with these columns."""
        chosen = paths or [self._written(f"no_{name}", schema.empty_table())]
        self.view(name, " UNION ALL ".join(_select(path, schema) for path in chosen))

    def run(self, sql: str) -> None:
        """Run a statement."""
        self._session.query(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows that a query finds."""
        found = self._session.query(sql, "ArrowTable")
        return [tuple(row.values()) for row in found.to_pylist()]

    def put(self, name: str, table: Any) -> None:
        """Make an Arrow table a table of this name."""
        self.keep(name, f"SELECT * FROM file({quoted(str(self._written(name, table)))}, Parquet)")

    def view(self, name: str, sql: str) -> None:
        """Make a query a view of this name."""
        self.run(f"CREATE OR REPLACE VIEW {name} AS {sql}")

    def keep(self, name: str, sql: str) -> None:
        """Make what a query finds a table of this name, so that it is worked out once."""
        self.run(f"CREATE OR REPLACE TABLE {name} ENGINE = MergeTree ORDER BY tuple() AS {sql}")

    def _written(self, name: str, table: pa.Table) -> Path:
        path = Path(self._folder.name) / f"{name}.parquet"
        pq.write_table(table, path)
        return path


def _select(path: Path, schema: pa.Schema) -> str:
    """Return the query of a file's rows; columns that were added since it was written are null."""
    there = set(pq.read_schema(path).names)
    columns = [f'"{name}"' if name in there else f'NULL AS "{name}"' for name in schema.names]
    return f"SELECT {', '.join(columns)} FROM file({quoted(str(path))}, Parquet)"


def priced_engine(store: Path, book: PriceBook | None = None, seller: str | None = None) -> ClickHouseEngine:
    """Return an engine with the views of a store (`turns`, `blocks`, `sessions`, …), at some prices.

    Parameters: `store`, its folder; `book`, the prices (default: list prices); `seller`, who sold the calls
    that do not show it. Raises InputError if there is no store, or chdb is not installed.
    """
    from tokenprof.pricing.book import default_book

    manifest = committed(store)
    engine = ClickHouseEngine()
    for table in [*FACTS, "logs", "repeats"]:
        name = table if table in ("logs", "repeats") else f"all_{table}"
        engine.files(name, [store / each.path for each in manifest.files_of(table)], SCHEMAS[table])
    make_facts(engine)
    apply_prices(engine, book or default_book(), seller)
    make_priced_views(engine)
    make_plain_views(engine)
    return engine
