"""DuckDB, in memory, over the files of a store: the embedded engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Protocol

from tokenprof.facts.errors import InputError

if TYPE_CHECKING:
    import duckdb

NEEDED: Final = ("pyarrow", "duckdb")
BOUNDED_THREADS: Final = 2
INSTALL: Final = "pip install 'agent-tokenprof[store]'"


class SqlEngine(Protocol):
    """What the queries need of an engine; DuckDB, Spark and ClickHouse all have it, in a few lines."""

    def run(self, sql: str) -> None:
        """Run a statement."""

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows that a query finds."""

    def put(self, name: str, table: Any) -> None:
        """Make an Arrow table a table of this name."""

    def view(self, name: str, sql: str) -> None:
        """Make a query a view of this name."""

    def keep(self, name: str, sql: str) -> None:
        """Make what a query finds a table of this name, so that it is worked out once."""


def require_store_packages() -> None:
    """Raise InputError, with the way out, if a package that a store needs is not installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise InputError(f"A store needs {' and '.join(missing)}, which {are} not installed: {INSTALL}")


class DuckDbEngine:
    """A database in memory that sees some files and nothing else of the machine.

    With `most_memory_bytes`, what does not fit goes to a folder for temporary files that only this user can
    read, until the engine is closed.
    """

    def __init__(self, most_memory_bytes: int | None = None) -> None:
        require_store_packages()
        import duckdb

        self._connection: duckdb.DuckDBPyConnection = duckdb.connect(":memory:")
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET preserve_insertion_order = false")
        self._spilled: TemporaryDirectory[str] | None = None
        if most_memory_bytes is not None:
            self._spilled = TemporaryDirectory(prefix="tokenprof-", ignore_cleanup_errors=True)
            self.run(f"SET memory_limit = '{most_memory_bytes}B'")
            self.run(f"SET temp_directory = {quoted(self._spilled.name)}")
            # Each thread holds memory of its own.
            self.run(f"SET threads = {BOUNDED_THREADS}")

    def close(self) -> None:
        """Let go of the database, and delete what it put on disk."""
        self._connection.close()
        if self._spilled is not None:
            self._spilled.cleanup()

    def open(self, system: Any) -> None:
        """Let files be read from a file system of fsspec."""
        self._connection.register_filesystem(system)

    def files(self, name: str, paths: Sequence[str], empty: Any) -> None:
        """Make Parquet files a view of this name, with the columns of an empty Arrow table.

        A column that a file lacks is null.
        """
        self.put(f"no_{name}", empty)
        sql = f"SELECT * FROM no_{name}"
        if paths:
            listed = ", ".join(quoted(path) for path in paths)
            names = ", ".join(f'"{column}"' for column in empty.column_names)
            sql = (
                f"SELECT {names} FROM ({sql} UNION ALL BY NAME SELECT * FROM "
                f"read_parquet([{listed}], hive_partitioning = false, union_by_name = true))"
            )
        self.run(f"CREATE VIEW {name} AS {sql}")

    def shut(self, folder: str | None) -> None:
        """Let later statements read this folder and nothing else: no other file, no network."""
        if folder is not None:
            self.run(f"SET allowed_directories = [{quoted(folder)}]")
        self.run("SET enable_external_access = false")
        self.run("SET lock_configuration = true")

    def run(self, sql: str) -> None:
        """Run a statement."""
        self._connection.execute(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows that a query finds."""
        return self._connection.execute(sql).fetchall()

    def put(self, name: str, table: Any) -> None:
        """Make an Arrow table a table of this name."""
        self._connection.register("_handed_over", table)
        self._connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM _handed_over")
        self._connection.unregister("_handed_over")

    def append(self, name: str, table: Any) -> None:
        """Add the rows of an Arrow table to a table that has the same columns."""
        self._connection.register("_handed_over", table)
        self._connection.execute(f"INSERT INTO {name} SELECT * FROM _handed_over")
        self._connection.unregister("_handed_over")

    def view(self, name: str, sql: str) -> None:
        """Make a query a view of this name."""
        self._connection.execute(f"CREATE OR REPLACE TEMPORARY VIEW {name} AS {sql}")

    def keep(self, name: str, sql: str) -> None:
        """Make what a query finds a table of this name, so that it is worked out once."""
        self._connection.execute(f"CREATE OR REPLACE TEMPORARY TABLE {name} AS {sql}")

    def arrow(self, sql: str) -> Any:
        """Return what a query finds as an Arrow table."""
        return self._connection.sql(sql).to_arrow_table()

    def selected(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the columns and rows of a query of the user's.

        Raises InputError if it is not one SELECT, or if DuckDB cannot run it.
        """
        import duckdb

        try:
            statements = self._connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise InputError("query runs one SELECT and nothing else; nothing in a store can be changed.")
            found = self._connection.execute(statements[0])
            return [column[0] for column in found.description or ()], found.fetchall()
        except duckdb.Error as error:
            raise InputError(sentence_of_sql_error(error)) from error


@contextmanager
def reading_files_of(store: object) -> Iterator[None]:
    """Turn what an engine says about queries of ours into an InputError: a file cannot be read."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise InputError(
            f"The files of {store} cannot be read ({_gist(error).rstrip('.')}). `tokenprof ingest` reads "
            "again what is missing; if one is running, ask again."
        ) from error


def sentence_of_sql_error(error: Exception) -> str:
    """Return what an engine says about a query as one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip().startswith("Candidate")]
    return f"The SQL cannot be run: {' '.join([_gist(error), *lines])}"


def _gist(error: Exception) -> str:
    """Return the line of an error that says what is wrong, and not where in a program."""
    lines = (line for line in str(error).splitlines() if line and not line.startswith((" ", "Traceback")))
    return next(lines, type(error).__name__)


def quoted(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
