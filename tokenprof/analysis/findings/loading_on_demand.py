"""Findings about what is loaded on demand: what that cost, and skills that came late."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from tokenprof.analysis.findings.evidence import Evidence
from tokenprof.analysis.findings.finding import Finding
from tokenprof.analysis.findings.finding_figures import LoadsOnDemand, SkillLoadedLate

_LEAST_TURNS_OF_LATE_SKILL: Final = 8


def late_skills(evidence: Evidence) -> Iterator[Finding]:
    """Find skills that came into a long context only in its last quarter."""
    turns_of: dict[str | None, list[int]] = defaultdict(list)
    for turn in evidence.rows.turns:
        turns_of[turn.context].append(turn.index)
    for block in evidence.rows.blocks:
        if block.kind != "skill" or block.born_turn is None:
            continue
        turns = turns_of.get(block.context, [])
        before = bisect_left(turns, block.born_turn)
        if len(turns) >= _LEAST_TURNS_OF_LATE_SKILL and before * 4 >= len(turns) * 3:
            figures = SkillLoadedLate(block.name, before, len(turns))
            yield Finding("skill-loaded-late", "info", figures, blocks=(block.id,))


def loads_on_demand(evidence: Evidence) -> Iterator[Finding]:
    """Find what loading skills and tools on demand cost, beside having them in every prompt."""
    found = evidence.disclosure
    if found is None or not found.loads:
        return
    recorded, up_front, everything = found.recorded, found.loaded_up_front, found.all_up_front
    offers_more = everything is not None and found.items > found.loads
    figures = LoadsOnDemand(
        loads=found.loads,
        extra_turns=recorded.turns - up_front.turns,
        billed_usd=recorded.billed_usd,
        turns=recorded.turns,
        up_front_usd=up_front.billed_usd,
        up_front_turns=up_front.turns,
        indexed_skills=found.items,
        all_up_front_usd=everything.billed_usd if everything is not None and offers_more else None,
        break_even_loads=found.break_even_loads if offers_more else None,
    )
    yield Finding("disclosure", "info", figures)
