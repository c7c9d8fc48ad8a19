"""Samples from recorded files. Heavy modules are loaded on call, so that the plugin stays light."""

from __future__ import annotations

from pathlib import Path

from tokenprof.gate.sample import RunSample


def samples_of_file(path: Path, *, hardware: bool = False) -> RunSample:
    """Return the sample of a recording or transcript; `hardware` adds its cost to compute (slower).

    Raises InputError if the file cannot be read or holds no billed turn.
    """
    from tokenprof.costing.compute import cost_to_compute
    from tokenprof.costing.ledger import build_ledger
    from tokenprof.facts.errors import InputError
    from tokenprof.gate.sample import sample_of
    from tokenprof.pricing.book import default_book
    from tokenprof.reading.files import read

    run = read([path])
    if not run.turns:
        raise InputError(f"{path} holds no billed turn, so there is nothing to check.")
    ledger = build_ledger(run, default_book())
    return sample_of(ledger, cost_to_compute(ledger) if hardware else None)
