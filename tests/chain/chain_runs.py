"""Runs and exact hand-made figures for the tests of the chain."""

from datetime import UTC, datetime, timedelta

from tokenprof.chain.claims.example_runs import growing_run, task_run
from tokenprof.costing.compute import cost_to_compute
from tokenprof.costing.ledger import build_ledger
from tokenprof.costing.served_hours import Serving
from tokenprof.facts.types import Run, Turn
from tokenprof.hw_model.cost import ServingSettings
from tokenprof.pricing.book import default_book
from tokenprof.pricing.chain.chain_file import load_chain_data
from tokenprof.pricing.usage import Usage

BOOK = default_book()
DATA = load_chain_data()
START = datetime(2026, 11, 2, 9, tzinfo=UTC)


def run_of(*calls: tuple[str, str, Usage], gap_s: float = 20.0) -> Run:
    """A run of (provider, model, usage), all of one context, one after another."""
    return Run(
        tuple(
            Turn(
                id=f"call-{index}",
                context="main",
                provider=provider,
                requested_model=model,
                model=model,
                started_at=START + timedelta(seconds=gap_s * index),
                duration_s=2.0,
                status="ok",
                usage=usage,
                added=(),
            )
            for index, (provider, model, usage) in enumerate(calls)
        )
    )


def costed(run: Run, deployment: str | None = None, **said):
    """The ledger of a run and its compute; `said` are fields of `Serving`."""
    ledger = build_ledger(run, BOOK)
    ledger.check()
    return ledger, cost_to_compute(ledger, serving=Serving(ServingSettings(deployment), **said))


def task(**said):
    """The 50 calls of the published task, served as is said."""
    return costed(task_run(), **said)


TASK = costed(task_run())
GROWING = costed(growing_run())
