"""Recorded files into samples. Heavy modules load when called, so that the plugin stays light."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tokenprof.gate.sample import RunSample

if TYPE_CHECKING:
    from tokenprof.analysis.assumptions import Assumptions


def samples_of_file(
    path: Path, *, hardware: bool = False, assumptions: Assumptions | None = None
) -> RunSample:
    """Return the sample of a recording or transcript; `hardware` also costs its compute (slower).

    Without `assumptions`, the shipped prices and the default deployments are used.

    Raises InputError for a file that cannot be read, or that holds no turn.
    """
    from tokenprof.analysis.assumptions import Assumptions, price_book
    from tokenprof.costing.compute import cost_to_compute
    from tokenprof.costing.ledger import build_ledger
    from tokenprof.facts.errors import InputError
    from tokenprof.gate.sample import sample_of
    from tokenprof.reading.files import read

    run = read([path])
    if not run.turns:
        raise InputError(f"{path} holds no billed turn, so there is nothing to check.")
    assumed = assumptions or Assumptions()
    ledger = build_ledger(run, price_book(assumed))
    if not hardware:
        return sample_of(ledger, None)
    computed = cost_to_compute(
        ledger,
        deployment=assumed.deployment,
        utilisation=assumed.utilisation,
        usd_per_gpu_hour=assumed.usd_per_gpu_hour,
    )
    return sample_of(ledger, computed)
