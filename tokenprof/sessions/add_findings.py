"""Findings of many sessions as those of all of them: what is of one sort is added up."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from tokenprof.analysis.findings.finding import Finding
from tokenprof.analysis.findings.finding_figures import (
    CacheMisses,
    CacheUnlikeRules,
    CarriedBlock,
    FindingFigures,
)
from tokenprof.analysis.findings.severity import HIGH_SHARE, severity_of, share_of
from tokenprof.facts.adding import added, exact_sum_usd, what_parts_share

NAMED_BLOCKS: Final = 8
"""How many of the blocks at which misses began are kept; a sentence names fewer."""


def sort_of(finding: Finding) -> Hashable:
    """Return what findings must have in common to be added up: their code and what is not a sum."""
    figures = finding.figures
    is_unknown = isinstance(figures, CacheMisses) and finding.saves_usd is None
    return finding.code, is_unknown, what_parts_share(figures)


def add_two(one: Finding, other: Finding) -> Finding:
    """Return the sum of two findings of the same sort."""
    is_exact = one.state == other.state == "exact"
    saves_usd = exact_sum_usd([one.saves_usd, other.saves_usd])
    return replace(
        one,
        figures=_add(one.figures, other.figures),
        saves_usd=saves_usd,
        state=None if saves_usd is None else "exact" if is_exact else "estimated",
    )


def weighed(found: Iterable[Finding], billed_usd: Decimal | None, compared_turns: int) -> list[Finding]:
    """Return findings with their severity beside the whole bill, and without blocks that are little of it."""
    kept = []
    for finding in found:
        figures = finding.figures
        if isinstance(figures, CarriedBlock) and share_of(figures.billed_usd, billed_usd) < HIGH_SHARE:
            continue
        if isinstance(figures, CacheUnlikeRules):
            finding = replace(finding, figures=replace(figures, turns_compared=compared_turns))
        amount = figures.extra_usd if isinstance(figures, CacheMisses) else finding.saves_usd
        if finding.severity != "info" and amount is not None:
            finding = replace(finding, severity=severity_of(amount, billed_usd))
        kept.append(finding)
    return kept


def _add(one: FindingFigures, other: FindingFigures) -> FindingFigures:
    both = added(one, other)
    if isinstance(both, CacheMisses) and isinstance(one, CacheMisses) and isinstance(other, CacheMisses):
        is_partly_known = (one.extra_usd is None) != (other.extra_usd is None)
        return replace(
            both,
            first_blocks=both.first_blocks[:NAMED_BLOCKS],
            is_lower_bound=both.is_lower_bound or is_partly_known,
        )
    return both
