"""Totals of many sessions by block, and the page about them, from a store made for one command."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tokenprof.commands.console.output import put

if TYPE_CHECKING:
    from tokenprof.analysis.assumptions import Assumptions
    from tokenprof.store.queries.priced_store import PricedStore


@contextmanager
def totals_of_many(
    paths: Sequence[Path], assumptions: Assumptions, jobs: int | None
) -> Iterator[PricedStore]:
    """Read logs one at a time into a store in the folder for temporary files, and yield it with prices.

    Raises what `tokenprof.store.ingest.ingest` raises.
    """
    from tokenprof.analysis.assumptions import price_book
    from tokenprof.store.ingest.ingest import IngestOptions, ingest
    from tokenprof.store.queries.priced_store import priced_store

    with tempfile.TemporaryDirectory(prefix="tokenprof-") as folder:
        store = Path(folder)
        ingest(paths, store, IngestOptions(jobs=jobs or os.cpu_count() or 1))
        yield priced_store(store, price_book(assumptions), seller=assumptions.seller, paths=paths)


def put_fleet_page(output: Path | None, opened: PricedStore, where: str | None) -> None:
    """Write the page about many runs; `where` chooses turns, as `tokenprof totals --where` does."""
    from tokenprof.commands.console.totals_output import what_is_missing
    from tokenprof.pictures.page.fleet_page import fleet_page
    from tokenprof.pictures.views.fleet_data import fleet_data

    by = fleet_data(lambda chosen: opened.totals(chosen, where), what_is_missing, opened.tag_keys())
    put(output, fleet_page(by))
