"""Findings that compare the bill with the cost of computing it."""

from __future__ import annotations

from collections.abc import Iterator

from tokenprof.analysis.findings.evidence import Evidence
from tokenprof.analysis.findings.finding import Finding
from tokenprof.analysis.findings.finding_figures import (
    MarginBeyondPublished,
    NamedMargin,
    PriceFarFromCompute,
)
from tokenprof.analysis.rows.compute_summary import PLAUSIBLE_COST_SHARE
from tokenprof.hw_model.estimate import Estimate


def price_far_from_compute(evidence: Evidence) -> Iterator[Finding]:
    """Find the class whose bill is the furthest from its compute, if the estimate's range excludes 1×."""
    found = [
        PriceFarFromCompute(row.cls, row.billed_usd, row.hardware_usd, row.price_to_cost)
        for row in evidence.rows.classes
        if row.billed_usd is not None
        and row.hardware_usd is not None
        and row.price_to_cost is not None
        and _excludes_one(row.price_to_cost)
    ]
    if found:
        yield Finding("price-far-from-compute", "info", max(found, key=_distance))


def _excludes_one(ratio: Estimate) -> bool:
    return ratio.low > 1 or 0 < ratio.high < 1


def _distance(figures: PriceFarFromCompute) -> float:
    return max(figures.price_to_cost.mid, 1 / figures.price_to_cost.mid)


def margin_beyond_published(evidence: Evidence) -> Iterator[Finding]:
    """Find estimates of closed models that imply another margin than published ones suggest."""
    compute = evidence.rows.compute
    if compute is None or compute.implied_gross_margin is None or compute.within_published_range is not False:
        return
    least_cost_share, most_cost_share = PLAUSIBLE_COST_SHARE
    figures = MarginBeyondPublished(
        implied_gross_margin=compute.implied_gross_margin,
        expected_low=round(1 - most_cost_share, 4),
        expected_high=round(1 - least_cost_share, 4),
        published=tuple(
            NamedMargin(margin.name, float(margin.value.low), float(margin.value.high))
            for margin in compute.published_gross_margins
            if margin.kind != "gross"
        ),
    )
    yield Finding("margin-beyond-published", "info", figures)
