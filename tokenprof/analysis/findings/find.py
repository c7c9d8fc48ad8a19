"""Every finding that there is, and the search for them.

A finding states only what the rows show. A bill cannot tell whether a model *used* a result, so nothing here
guesses it. A saving is an amount that was billed and would not have been without the cause; where that cannot
be said, `saves_usd` is None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

from tokenprof.analysis.findings.cache_use import cache_misses, cached_context, low_hit_rate
from tokenprof.analysis.findings.evidence import Evidence
from tokenprof.analysis.findings.finding import SEVERITIES, Finding
from tokenprof.analysis.findings.loading_on_demand import late_skills, loads_on_demand
from tokenprof.analysis.findings.missing_figures import (
    cache_unlike_rules,
    incomplete_output,
    unmeasured_turns,
    unplaced_tokens,
    unpriced_turns,
)
from tokenprof.analysis.findings.needless_blocks import (
    carried_blocks,
    duplicate_texts,
    skills_untouched,
    unused_skills_index,
    unused_tools,
)
from tokenprof.analysis.findings.price_and_compute import margin_beyond_published, price_far_from_compute
from tokenprof.analysis.findings.repeated_work import repeated_calls, repeated_results
from tokenprof.analysis.rows.row_types import RunRows
from tokenprof.costing.disclosure import Disclosure

FINDINGS: Final[tuple[Callable[[Evidence], Iterator[Finding]], ...]] = (
    unmeasured_turns,
    unpriced_turns,
    incomplete_output,
    cache_misses,
    low_hit_rate,
    unused_tools,
    unused_skills_index,
    skills_untouched,
    duplicate_texts,
    repeated_results,
    carried_blocks,
    repeated_calls,
    cached_context,
    price_far_from_compute,
    margin_beyond_published,
    late_skills,
    loads_on_demand,
    cache_unlike_rules,
    unplaced_tokens,
)
"""Every finding; those of equal severity and saving are shown in this order."""


def find(rows: RunRows, disclosure: Disclosure | None) -> tuple[Finding, ...]:
    """Return the findings of a run, the most severe first; of equally severe ones, the largest saving first.

    Iterates over the entries of each turn at most once.
    """
    evidence = Evidence(rows, disclosure)
    found = [finding for look in FINDINGS for finding in look(evidence)]
    return tuple(
        sorted(
            found,
            key=lambda each: (SEVERITIES.index(each.severity), -(each.saves_usd or Decimal(0))),
        )
    )
