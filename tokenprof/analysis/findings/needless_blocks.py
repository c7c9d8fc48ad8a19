"""Findings about blocks in the prompt: carried for nothing, twice, or for a large part of the bill."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tokenprof.analysis.findings.evidence import Evidence, billed_by_name, billed_together, named
from tokenprof.analysis.findings.finding import Finding
from tokenprof.analysis.findings.finding_figures import (
    CarriedBlock,
    DuplicateText,
    SkillsIndexUnused,
    SkillsUntouched,
    ToolsNeverCalled,
)
from tokenprof.analysis.findings.severity import HIGH_SHARE, share_of
from tokenprof.facts.adding import exact_sum_usd

_LEAST_CARRIED_TURNS: Final = 3


def unused_tools(evidence: Evidence) -> Iterator[Finding]:
    """Find tools that no turn of their agent called, though their schemas were in its prompts."""
    if idle := evidence.never_called:
        figures = ToolsNeverCalled(billed_by_name(idle))
        yield evidence.needless(
            "tools-never-called", figures, idle, evidence.turns_of(idle), billed_together(idle)
        )


def unused_skills_index(evidence: Evidence) -> Iterator[Finding]:
    """Find skills indexes of agents that loaded no skill at all."""
    if idle := evidence.unused_indexes:
        billed_usd = billed_together(idle)
        figures = SkillsIndexUnused(max(len(block.children) for block in idle), billed_usd)
        yield evidence.needless("skills-index-unused", figures, idle, evidence.turns_of(idle), billed_usd)


def skills_untouched(evidence: Evidence) -> Iterator[Finding]:
    """Find skills after whose loading no call touched a file or tool that they name."""
    if idle := evidence.untouched:
        figures = SkillsUntouched(billed_by_name(idle))
        yield evidence.needless(
            "skills-untouched", figures, idle, evidence.turns_of(idle), billed_together(idle)
        )


def duplicate_texts(evidence: Evidence) -> Iterator[Finding]:
    """Find texts that stood twice in one prompt; what all but the first were billed is the saving."""
    for text in evidence.entries.repeated.values():
        blocks = [evidence.block_by_id[block_id] for block_id in text.extra_blocks]
        saves_usd = exact_sum_usd(text.extra_usd)
        figures = DuplicateText(
            block=named(blocks[0]),
            tokens=blocks[0].tokens or 0,
            copies=text.copies,
            extra_blocks=len(blocks),
            turns=len(text.turns),
            billed_usd=saves_usd,
        )
        yield evidence.needless("duplicate-text", figures, blocks, tuple(text.turns), saves_usd)


def carried_blocks(evidence: Evidence) -> Iterator[Finding]:
    """Find blocks that make up a tenth of the bill, most of it for being sent again turn after turn."""
    for block in evidence.most_billed:
        turns = evidence.entries.turns_of[block.id]
        first_usd = evidence.entries.first_usd.get(block.id)
        if block.billed_usd is None or first_usd is None or len(turns) < _LEAST_CARRIED_TURNS:
            continue
        again_usd = block.billed_usd - first_usd
        if again_usd < first_usd or share_of(block.billed_usd, evidence.billed_usd) < HIGH_SHARE:
            continue
        figures = CarriedBlock(
            block=named(block),
            billed_usd=block.billed_usd,
            first_usd=first_usd,
            again_usd=again_usd,
            turns=len(turns),
            is_estimated=block.state != "exact",
        )
        yield Finding("carried-block", "info", figures, blocks=(block.id,), turns=turns)
