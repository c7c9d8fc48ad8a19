"""The way in for commands and exports: a store (or a run in memory) with prices applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from tokenprof.facts.errors import InputError
from tokenprof.store.queries.dimensions import Dimension
from tokenprof.store.queries.engine import DuckDbEngine, reading_files_of, sentence_of_sql_error
from tokenprof.store.queries.open_store import open_store
from tokenprof.store.queries.rates import apply_prices
from tokenprof.store.queries.totals import FromStore, StoreTotals, totals_by
from tokenprof.store.queries.views import make_plain_views, make_priced_views
from tokenprof.store.writing.store_folder import AnyStore, store_folder

if TYPE_CHECKING:
    from tokenprof.costing.served_hours import Serving
    from tokenprof.pricing.book import PriceBook
    from tokenprof.store.queries.compute import StoreCompute


TAG_KEYS: Final = (
    "SELECT key, count(*) AS calls FROM (SELECT unnest(map_keys(tags)) AS key FROM turns) "
    "GROUP BY key ORDER BY calls DESC, key"
)


@dataclass(slots=True)
class PricedStore:
    """Facts with prices applied: totals, the rows of a query, and tables as Arrow."""

    engine: DuckDbEngine
    unpriced: dict[str, int] = field(default_factory=dict)
    from_store: FromStore | None = None
    _compute: StoreCompute | None = None

    def totals(
        self, dimensions: Sequence[Dimension] = (), where: str | None = None, serving: Serving | None = None
    ) -> StoreTotals:
        """Return totals by some dimensions; with `serving`, also what they cost to compute.

        Raises InputError for a `where` that DuckDB cannot run, and what `cost_to_compute` raises.
        """
        import duckdb

        try:
            found = totals_by(self.engine, dimensions, where)
            if serving is not None:
                from tokenprof.store.queries.compute import StoreCompute

                if self._compute is None or self._compute.serving != serving:
                    self._compute = StoreCompute(self.engine, serving)
                self._compute.add_to(found, dimensions, where)
        except duckdb.Error as error:
            if where is None:
                with reading_files_of("the store"):
                    raise
            raise InputError(
                f"--where {where!r}: {sentence_of_sql_error(error)} Conditions are on the columns of turns "
                "(docs/store.md), such as model = 'gpt-5' or tags['team'] = 'search'."
            ) from error
        found.unpriced, found.from_store = self.unpriced, self.from_store
        return found

    def tag_keys(self) -> list[str]:
        """Return the keys of the tags that calls have, the one that most calls have first."""
        _, rows = self.select(TAG_KEYS)
        return [str(key) for key, _ in rows]

    def select(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the columns and rows that one SELECT finds. Raises InputError for other SQL."""
        return self.engine.selected(sql)

    def arrow(self, sql: str) -> Any:
        """Return what a query finds as an Arrow table."""
        return self.engine.arrow(sql)

    def to_frame(self, query: str, library: Literal["pandas", "polars", "pyarrow"] = "pandas") -> Any:
        """Return a view of the store (`turns`, `blocks`, …) or what a SELECT finds as a data frame.

        Money stays exact: `DECIMAL` columns become objects of `Decimal` in pandas. Raises InputError for
        another library than pandas, polars or pyarrow, and if it is not installed.
        """
        sql = f"SELECT * FROM {query}" if query.isidentifier() else query
        table = self.engine.arrow(sql)
        try:
            if library == "pyarrow":
                return table
            if library == "polars":
                import polars

                return polars.from_arrow(table)
            if library == "pandas":
                return table.to_pandas()
        except ImportError as error:
            raise InputError(
                f"to_frame needs {library}, which is not installed: pip install {library}"
            ) from error
        raise InputError(f"to_frame knows pandas, polars and pyarrow, not {library!r}.")


def priced_store(
    store: AnyStore, book: PriceBook, *, seller: str | None = None, paths: Sequence[Path] = ()
) -> PricedStore:
    """Open a store and apply prices.

    Parameters: `store`, its folder or address; `book`, the prices; `seller`, who sold the calls that do not
    show it; `paths`, to look only at the logs below them. Raises InputError if there is no store, or no such
    log.
    """
    engine = open_store(store, paths)
    with reading_files_of(f"the store {store}"):
        found = with_prices(engine, book, seller)
    engine.shut(store_folder(store).address_of(""))
    return found


def with_prices(engine: DuckDbEngine, book: PriceBook, seller: str | None = None) -> PricedStore:
    """Apply prices to facts that an engine already has."""
    unpriced = apply_prices(engine, book, seller)
    make_priced_views(engine)
    make_plain_views(engine)
    return PricedStore(engine, unpriced)
