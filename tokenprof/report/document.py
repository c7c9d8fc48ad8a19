"""The report as a typed object: the rows of an analysis, with findings and warnings put into words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.rows.row_types import RunRows
from tokenprof.chain.section import ChainSection
from tokenprof.costing.disclosure import Disclosure
from tokenprof.facts.types import Source
from tokenprof.hw_model.description import DeploymentDescription
from tokenprof.pricing.price_source import PriceSource
from tokenprof.report.finding_wording import written
from tokenprof.report.warning_wording import warnings_of
from tokenprof.report.written_finding import WrittenFinding

SCHEMA: Final = "tokenprof.report/1"


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a report says, ready to be drawn or written.

    `deployments` are those that the run's models were costed on, the most expensive model's first.
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


def report_of(analysis: Analysis) -> Report:
    """Return the whole report of a run.

    Raises `InputError` for prices or a deployment that cannot be used.
    """
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
    )
