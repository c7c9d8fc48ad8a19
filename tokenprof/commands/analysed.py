"""A run and its assumptions into a ledger, a compute estimate and a report, for every command alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenprof.analysis.assumptions import Assumptions
    from tokenprof.costing.compute import Hardware
    from tokenprof.costing.ledger import Ledger
    from tokenprof.facts.types import Run


def ledger_of(run: Run, assumptions: Assumptions, counts: Mapping[str, int] | None = None) -> Ledger:
    """Return the run attributed and priced; `counts` are sizes of blocks from `tokenprof count`."""
    from tokenprof.analysis.assumptions import price_book
    from tokenprof.costing.ledger import build_ledger

    return build_ledger(run, price_book(assumptions), counts)


def hardware_of(ledger: Ledger, assumptions: Assumptions) -> Hardware:
    """Return what the work of a ledger cost to compute."""
    from tokenprof.costing.compute import cost_to_compute

    return cost_to_compute(
        ledger,
        deployment=assumptions.deployment,
        utilisation=assumptions.utilisation,
        usd_per_gpu_hour=assumptions.usd_per_gpu_hour,
    )


def report_json(
    run: Run, assumptions: Assumptions, counts: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Return the report of a run as the JSON object `tokenprof.report/1`."""
    from tokenprof.analysis.assumptions import price_book
    from tokenprof.report.build import build

    ledger = ledger_of(run, assumptions, counts)
    return build(ledger, hardware_of(ledger, assumptions), price_book(assumptions))
