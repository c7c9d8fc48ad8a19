"""Findings of many sessions as those of all of them: what is of one sort is added up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from tokenprof.analysis.findings.finding import Finding
from tokenprof.analysis.findings.finding_figures import (
    BilledName,
    CacheMisses,
    CacheUnlikeRules,
    CarriedBlock,
    DuplicateText,
    FindingFigures,
    IncompleteOutput,
    LoadsOnDemand,
    SkillLoadedLate,
    SkillsIndexUnused,
    SkillsUntouched,
    ToolsNeverCalled,
    UnmeasuredTurns,
    UnpricedTurns,
)
from tokenprof.analysis.findings.severity import HIGH_SHARE, exact_sum_usd, severity_of, share_of

NAMED_BLOCKS: Final = 8
"""How many of the blocks at which misses began are kept; a sentence names fewer."""


def sort_of(finding: Finding) -> Hashable:
    """Return what findings must share to be added up."""
    figures = finding.figures
    if isinstance(figures, CacheMisses):
        return finding.code, finding.saves_usd is None
    if isinstance(figures, DuplicateText):
        return finding.code, figures.block
    if isinstance(figures, CarriedBlock):
        return finding.code, figures.block
    if isinstance(figures, SkillLoadedLate):
        return finding.code, figures.skill
    return finding.code


def add_two(one: Finding, other: Finding) -> Finding:
    """Return two findings of one sort as one."""
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
    match one, other:
        case UnmeasuredTurns(), UnmeasuredTurns():
            return UnmeasuredTurns(one.turns + other.turns)
        case IncompleteOutput(), IncompleteOutput():
            return IncompleteOutput(one.turns + other.turns)
        case UnpricedTurns(), UnpricedTurns():
            models = dict.fromkeys((*one.models, *other.models))
            return UnpricedTurns(one.turns + other.turns, tuple(models))
        case CacheUnlikeRules(), CacheUnlikeRules():
            return replace(one, turns=one.turns + other.turns, tokens=one.tokens + other.tokens)
        case CacheMisses(), CacheMisses():
            firsts = dict.fromkeys((*one.first_blocks, *other.first_blocks))
            return replace(
                one,
                turns=one.turns + other.turns,
                tokens=one.tokens + other.tokens,
                first_blocks=tuple(firsts)[:NAMED_BLOCKS],
                extra_usd=exact_sum_usd([one.extra_usd, other.extra_usd]),
                is_lower_bound=one.is_lower_bound
                or other.is_lower_bound
                or (one.extra_usd is None) != (other.extra_usd is None),
            )
        case ToolsNeverCalled(), ToolsNeverCalled():
            return ToolsNeverCalled(_by_name((*one.tools, *other.tools)))
        case SkillsUntouched(), SkillsUntouched():
            return SkillsUntouched(_by_name((*one.skills, *other.skills)))
        case SkillsIndexUnused(), SkillsIndexUnused():
            billed_usd = exact_sum_usd([one.billed_usd, other.billed_usd])
            return SkillsIndexUnused(max(one.lines, other.lines), billed_usd)
        case DuplicateText(), DuplicateText():
            return replace(
                one,
                tokens=max(one.tokens, other.tokens),
                copies=max(one.copies, other.copies),
                extra_blocks=one.extra_blocks + other.extra_blocks,
                turns=one.turns + other.turns,
                billed_usd=exact_sum_usd([one.billed_usd, other.billed_usd]),
            )
        case CarriedBlock(), CarriedBlock():
            return replace(
                one,
                billed_usd=one.billed_usd + other.billed_usd,
                first_usd=one.first_usd + other.first_usd,
                again_usd=one.again_usd + other.again_usd,
                turns=one.turns + other.turns,
                is_estimated=one.is_estimated or other.is_estimated,
            )
        case LoadsOnDemand(), LoadsOnDemand():
            return replace(
                one,
                loads=one.loads + other.loads,
                extra_turns=one.extra_turns + other.extra_turns,
                billed_usd=one.billed_usd + other.billed_usd,
                turns=one.turns + other.turns,
                up_front_usd=one.up_front_usd + other.up_front_usd,
                up_front_turns=one.up_front_turns + other.up_front_turns,
                indexed_skills=max(one.indexed_skills, other.indexed_skills),
                all_up_front_usd=None,
                break_even_loads=None,
            )
    return one


def _by_name(all_names: Sequence[BilledName]) -> tuple[BilledName, ...]:
    amounts: dict[str, list[Decimal | None]] = defaultdict(list)
    for each in all_names:
        amounts[each.name].append(each.billed_usd)
    sums = [BilledName(name, exact_sum_usd(own)) for name, own in amounts.items()]
    return tuple(sorted(sums, key=lambda each: each.billed_usd or Decimal(0), reverse=True))
