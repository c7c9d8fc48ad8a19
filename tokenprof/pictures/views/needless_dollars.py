"""What each block was billed needlessly, as far as the findings say so.

A block that a finding calls needless (a tool never called, a skills index never used) was needless for its
whole bill. What a cache miss cost beyond a read is put on the block whose change caused it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tokenprof.analysis.analysis import Analysis

WHOLLY_NEEDLESS: Final = ("tools-never-called", "skills-index-unused", "skills-untouched")
"""The codes of findings whose blocks did not have to be in the prompt at all."""

AVOIDABLE_MISSES: Final = ("changed", "reordered", "lookback")


def needless_usd_by_block(analysis: Analysis) -> Mapping[str, Decimal]:
    """Return what blocks were billed needlessly [USD], by their ids, where a finding says so."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    by_id = {block.id: block for block in analysis.blocks}
    for finding in analysis.findings:
        if finding.code in WHOLLY_NEEDLESS:
            for block_id in finding.blocks:
                found[block_id] = by_id[block_id].known_usd or Decimal(0)
    for turn in analysis.turns:
        miss = turn.cache_miss
        if miss is None or miss.usd is None or miss.cause not in AVOIDABLE_MISSES:
            continue
        if miss.block in by_id and by_id[miss.block].kind != "summary":
            found[miss.block] += miss.usd
    return dict(found)
