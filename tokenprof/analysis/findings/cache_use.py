"""Findings about the prompt cache: misses, a low hit rate, and bills that consist mostly of cache reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from tokenprof.analysis.findings.evidence import Evidence, named
from tokenprof.analysis.findings.finding import Finding
from tokenprof.analysis.findings.finding_figures import (
    MISS_CAUSES,
    CachedContextDominates,
    CacheMisses,
    LowCacheHitRate,
)
from tokenprof.analysis.findings.severity import severity_of, share_of
from tokenprof.costing.cache_losses import CacheMissCause
from tokenprof.costing.cache_misses import PREFIX_CAUSES, CacheMiss, is_of_a_compaction
from tokenprof.facts.adding import exact_sum_usd

_AVOIDABLE_CAUSES: Final[tuple[CacheMissCause, ...]] = (*PREFIX_CAUSES, "ttl_expired")
"""A model is changed on purpose and a prompt below the minimum cannot be cached: those promise no saving."""

_LEAST_RESENT_TOKENS: Final = 10_000
_LOW_HIT_RATE: Final = Decimal("0.5")
_LARGE_READ_SHARE: Final = Decimal("0.4")


def cache_misses(evidence: Evidence) -> Iterator[Finding]:
    """Find cache misses, one finding for each cause; those that a compaction caused stand apart."""
    groups: dict[tuple[CacheMissCause, bool], dict[int, CacheMiss]] = defaultdict(dict)
    for turn in evidence.rows.turns:
        miss = turn.cache_miss
        if miss is not None and miss.cause in MISS_CAUSES:
            first = evidence.block_by_id.get(miss.block or "")
            is_wanted = is_of_a_compaction(miss, first.kind if first else None)
            groups[miss.cause, is_wanted][turn.index] = miss
    for (cause, is_wanted), misses in groups.items():
        firsts = dict.fromkeys(miss.block for miss in misses.values() if miss.block is not None)
        blocks = [evidence.block_by_id[each] for each in firsts if each in evidence.block_by_id]
        amounts = [miss.usd for miss in misses.values()]
        extra_usd = exact_sum_usd(amounts)
        saves_usd = extra_usd if cause in _AVOIDABLE_CAUSES and not is_wanted else None
        figures = CacheMisses(
            cause=cause,
            turns=len(misses),
            tokens=sum(miss.tokens or 0 for miss in misses.values()),
            first_blocks=tuple(named(block) for block in blocks),
            extra_usd=extra_usd,
            is_lower_bound=extra_usd is not None and None in amounts,
        )
        yield Finding(
            code=f"cache-miss-{cause.replace('_', '-')}",
            severity=severity_of(extra_usd, evidence.billed_usd),
            figures=figures,
            blocks=tuple(block.id for block in blocks),
            turns=tuple(misses),
            saves_usd=saves_usd,
            state=None if saves_usd is None else "exact",
        )


def low_hit_rate(evidence: Evidence) -> Iterator[Finding]:
    """Find runs that read less than half of what they sent again from the cache."""
    resent, read = evidence.entries.resent_tokens, evidence.entries.reread_tokens
    if resent >= _LEAST_RESENT_TOKENS and read < _LOW_HIT_RATE * resent:
        yield Finding("low-cache-hit-rate", "medium", LowCacheHitRate(resent, read))


def cached_context(evidence: Evidence) -> Iterator[Finding]:
    """Find runs whose bill is mostly for reading the context again."""
    billed = {row.cls: row.billed_usd for row in evidence.rows.classes}
    read_usd, total_usd = billed.get("cache_read"), evidence.billed_usd
    if read_usd is None or total_usd is None or share_of(read_usd, total_usd) < _LARGE_READ_SHARE:
        return
    output_usd = exact_sum_usd([billed.get("output"), billed.get("reasoning")])
    figures = CachedContextDominates(read_usd, output_usd, total_usd)
    yield Finding("cached-context-dominates", "info", figures)
