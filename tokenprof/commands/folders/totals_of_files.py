"""Totals of files, and the page about many runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tokenprof.commands.console.output import put

if TYPE_CHECKING:
    from tokenprof.analysis.assumptions import Assumptions
    from tokenprof.store.queries.priced_store import PricedStore


@contextmanager
def totals_of_files(
    paths: Sequence[Path], assumptions: Assumptions, jobs: int | None, *, with_blocks: bool
) -> Iterator[PricedStore]:
    """Read files, or take the rows that the default store has, and yield their turns with prices.

    `with_blocks` also reads what the bills are for. Raises what `priced_files` raises.
    """
    from tokenprof.analysis.assumptions import price_book
    from tokenprof.commands.console.progress_line import ProgressLine
    from tokenprof.store.queries.priced_files import priced_files
    from tokenprof.store.writing.ingested import ingested

    book, line = price_book(assumptions), ProgressLine()
    try:
        with priced_files(
            paths,
            book,
            with_blocks=with_blocks,
            seller=assumptions.seller,
            known=ingested(paths),
            jobs=jobs,
            watch=line,
        ) as found:
            line.end()
            yield found
    finally:
        line.end()


def put_fleet_page(output: Path | None, opened: PricedStore, where: str | None) -> None:
    """Write the page about many runs; `where` chooses turns, as `tokenprof totals --where` does."""
    from tokenprof.commands.console.totals_output import what_is_missing
    from tokenprof.pictures.page.fleet_page import fleet_page
    from tokenprof.pictures.views.fleet_data import fleet_data

    by = fleet_data(lambda chosen: opened.totals(chosen, where), what_is_missing, opened.tag_keys())
    put(output, fleet_page(by))
