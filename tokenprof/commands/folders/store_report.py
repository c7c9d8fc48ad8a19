"""`report --store` and `totals --store`: answers about a store.

The figures follow from the last commit of the store, the prices and the assumptions. They are remembered, so
a second answer about what did not change opens neither the logs nor the tables.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.kept_objects import NotKeptError, packed, unpacked
from tokenprof.facts.remembered import remembered
from tokenprof.sessions.kept_sums import made_with
from tokenprof.store.queries.dimensions import Dimension
from tokenprof.store.queries.fleet import FleetReport
from tokenprof.store.queries.totals import StoreTotals

if TYPE_CHECKING:
    from tokenprof.analysis.assumptions import Assumptions
    from tokenprof.store.queries.priced_store import PricedStore


Found = TypeVar("Found", FleetReport, StoreTotals)


@frozen
class Asked:
    """A store, the paths whose logs are asked about (none: all), and the assumptions."""

    store: Path | str
    paths: tuple[Path, ...]
    assumptions: Assumptions


def report_of_store(
    store: Path | str, paths: Sequence[Path], assumptions: Assumptions, jobs: int | None
) -> FleetReport:
    """Return the report of the logs below some paths (none: of the whole store), which are ingested first.

    Raises InputError as `tokenprof.store.ingest.ingest` does, and if there is no store.
    """
    from tokenprof.store.ingest.ingest import IngestOptions, ingest

    if paths:
        ingest(paths, store, IngestOptions(jobs=jobs or os.cpu_count() or 1))
    asked = Asked(store, tuple(paths), assumptions)
    return _remembered(asked, "report", FleetReport, lambda: _report(asked))


def totals_of_store(asked: Asked, dimensions: Sequence[Dimension], *, with_compute: bool) -> StoreTotals:
    """Return the totals of what a store holds. Raises InputError if there is no store, or no such log."""

    def sums() -> StoreTotals:
        from tokenprof.analysis.scenario import serving_of

        serving = serving_of(asked.assumptions) if with_compute else None
        return opened_store(asked).totals(dimensions, serving=serving)

    return _remembered(asked, repr((tuple(dimensions), with_compute)), StoreTotals, sums)


def opened_store(asked: Asked) -> PricedStore:
    """Return a store with prices. Raises InputError if there is no store, or no such log."""
    from tokenprof.analysis.assumptions import price_book
    from tokenprof.store.queries.priced_store import priced_store

    given = asked.assumptions
    return priced_store(asked.store, price_book(given), seller=given.seller, paths=asked.paths)


def _report(asked: Asked) -> FleetReport:
    from tokenprof.analysis.scenario import serving_of
    from tokenprof.store.queries.fleet import fleet_report

    return fleet_report(opened_store(asked), serving_of(asked.assumptions))


def _remembered(asked: Asked, what: str, kind: type[Found], find: Callable[[], Found]) -> Found:
    """Return what `find` finds, or what it found for the same commit, prices and assumptions."""
    from tokenprof.store.queries.open_store import committed

    real = tuple(os.path.realpath(path) for path in asked.paths)
    commit = committed(asked.store)
    question = repr((what, made_with(asked.assumptions), str(asked.store), commit, real))
    found: list[Found] = []

    def make() -> bytes:
        found.append(find())
        return packed(found[0])

    known = remembered("store", question, make)
    try:
        return found[0] if found else unpacked(known, kind)
    except NotKeptError:
        return find()
