"""The report as a typed object: the rows of an analysis, with findings and warnings put into words."""

from __future__ import annotations

from typing import Final

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.rows.row_types import RunRows
from tokenprof.chain.section import ChainSection
from tokenprof.costing.disclosure import Disclosure
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import Source
from tokenprof.hw_model.description import DeploymentDescription
from tokenprof.pricing.price_source import PriceSource
from tokenprof.report.finding_wording import written
from tokenprof.report.suggested_change import SuggestedChange, suggested_change
from tokenprof.report.warning_wording import warnings_of
from tokenprof.report.written_finding import WrittenFinding

SCHEMA: Final = "tokenprof.report/2"

MOST_TURNS_WITH_ENTRIES: Final = 500
"""Reports of longer runs leave the pairs of turn and block out unless they are asked for: there are as many
as turns times blocks, and at this length they are nine tenths of the report."""


@frozen
class EntriesOmitted:
    """Why a report does not list the pairs of turn and block, and how many there are."""

    entries: int
    reason: str


@frozen
class Report:
    """Everything that a report says, ready to be drawn or written.

    `deployments` are those that the run's models were costed on, the most expensive model's first.
    `entries_omitted` says that the entries of turns are not part of the report; None if they are.
    `changes` are those that would have saved most; None in a report that was written without them.
    `changes_untried` counts the levers that were not tried on a run of this length.
    """

    schema: str
    sources: tuple[Source, ...]
    prices: PriceSource
    deployments: tuple[DeploymentDescription, ...]
    rows: RunRows
    findings: tuple[WrittenFinding, ...]
    warnings: tuple[str, ...]
    chain: ChainSection | None
    disclosure: Disclosure | None
    entries_omitted: EntriesOmitted | None = None
    changes: tuple[SuggestedChange, ...] | None = None
    changes_untried: int = 0


def report_of(analysis: Analysis, *, with_entries: bool = False) -> Report:
    """Return the whole report of a run. `with_entries` keeps the entries of every turn, however long the run.

    Raises `InputError` for prices or a deployment that cannot be used.
    """
    suggested = analysis.first_suggestions
    return Report(
        schema=SCHEMA,
        sources=analysis.run.sources,
        prices=analysis.prices,
        deployments=analysis.deployments,
        rows=analysis.rows,
        findings=tuple(written(finding) for finding in analysis.findings),
        warnings=warnings_of(analysis),
        chain=analysis.chain,
        disclosure=analysis.disclosure,
        entries_omitted=None if with_entries else _entries_omitted(analysis),
        changes=tuple(suggested_change(found) for found in suggested.found),
        changes_untried=len(suggested.untried),
    )


def _entries_omitted(analysis: Analysis) -> EntriesOmitted | None:
    turns = len(analysis.run.turns)
    if turns <= MOST_TURNS_WITH_ENTRIES:
        return None
    reason = (
        f"The run has {turns:,} turns; above {MOST_TURNS_WITH_ENTRIES}, the tokens of each block in each "
        "turn are left out. All sums are complete. --entries writes them, and so does "
        "save(..., with_entries=True)."
    )
    return EntriesOmitted(analysis.ledger.spans.shares.entry_count, reason)
