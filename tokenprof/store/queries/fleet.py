"""The report of many runs: the whole, and what it divides into, each exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from tokenprof.data_classes.frozen import frozen
from tokenprof.store.queries.dimensions import parse_dimensions
from tokenprof.store.queries.priced_store import PricedStore
from tokenprof.store.queries.totals import StoreTotals

if TYPE_CHECKING:
    from tokenprof.costing.served_hours import Serving

SECTIONS: Final = ("class", "month", "project", "model", "agent", "tool", "session")
"""What a fleet report divides the whole by."""


@frozen
class FleetReport:
    """The whole and its sections, in the order of `SECTIONS`, and the days that turns were made on.

    `first_day` and `last_day` are those of the first and last turn.
    """

    whole: StoreTotals
    sections: Sequence[StoreTotals]
    days: StoreTotals
    logs: int
    first_day: str | None
    last_day: str | None


def fleet_report(store: PricedStore, serving: Serving | None = None) -> FleetReport:
    """Return the report of what a store holds; with `serving`, also what it cost to compute."""
    ((logs, first, last),) = store.engine.rows(
        "SELECT count(DISTINCT log_id), CAST(min(day) AS VARCHAR(10)), CAST(max(day) AS VARCHAR(10)) "
        "FROM priced_turns"
    )
    sections = [store.totals(parse_dimensions([name]), serving=serving) for name in SECTIONS]
    days = store.totals(parse_dimensions(["day"]))
    return FleetReport(store.totals(serving=serving), sections, days, int(logs), first, last)
