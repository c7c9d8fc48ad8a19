"""Profiles added, multiplied and put side by side, so that any number of runs compares with any other."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from tokenprof.costing.billed_sums import NOTHING
from tokenprof.difference.cost_profile import (
    BilledTokens,
    Cell,
    CellKey,
    CostProfile,
    GroupBlocks,
    MissedCache,
    ServedModel,
)
from tokenprof.facts.own_decimals import EXACT_DIGITS, own_decimals


def added(profiles: Sequence[CostProfile]) -> CostProfile:
    """Return the profile of several runs together; in tokens if one of them is."""
    if any(each.in_tokens for each in profiles):
        profiles = [in_tokens(each) for each in profiles]
    cells = ((key, cell) for each in profiles for key, cell in each.cells.items())
    rates: dict[ServedModel, Mapping[str, Decimal]] = {}
    for each in profiles:
        rates |= each.rates
    return CostProfile(
        cells=_cells(cells),
        prompt_blocks=_blocks(pair for each in profiles for pair in each.prompt_blocks.items()),
        output_blocks=_blocks(pair for each in profiles for pair in each.output_blocks.items()),
        turns=_counts(pair for each in profiles for pair in each.turns.items()),
        contexts=_counts(pair for each in profiles for pair in each.contexts.items()),
        rates=rates,
        missed=_misses(missed for each in profiles for missed in each.missed),
        turns_left_out=sum(each.turns_left_out for each in profiles),
        in_tokens=any(each.in_tokens for each in profiles),
    )


def in_tokens(profile: CostProfile) -> CostProfile:
    """Return a profile with every token valued at 1: what can be compared where a price is missing."""
    if profile.in_tokens:
        return profile
    cells = {
        key: {
            pair: BilledTokens(each.tokens, Decimal(0 if key.passage == "fee" else each.tokens))
            for pair, each in cell.items()
        }
        for key, cell in profile.cells.items()
    }
    return replace(profile, cells=cells, missed=(), in_tokens=True)


def on_equal_terms(sides: Sequence[CostProfile], runs: Sequence[int]) -> tuple[CostProfile, CostProfile, int]:
    """Return two profiles as of equally many runs, each multiplied by a whole number, and how many runs.

    `runs` are how many each profile is of. Whole numbers keep sums exact, which means of three runs are not.
    """
    equal = math.lcm(*runs)
    before, now = (_times(side, equal // own) for side, own in zip(sides, runs, strict=True))
    if before.in_tokens != now.in_tokens:
        before, now = in_tokens(before), in_tokens(now)
    return before, now, equal


def matched(before: CostProfile, now: CostProfile) -> tuple[CostProfile, CostProfile]:
    """Return two profiles by agent, or all of each as one agent's if they have none in common."""
    if before.turns.keys() & now.turns.keys():
        return before, now
    return _as_one_agent(before), _as_one_agent(now)


def _times(profile: CostProfile, factor: int) -> CostProfile:
    return profile if factor == 1 else added([profile] * factor)


def _as_one_agent(profile: CostProfile) -> CostProfile:
    cells = ((replace(key, agent=""), cell) for key, cell in profile.cells.items())
    return replace(
        profile,
        cells=_cells(cells),
        prompt_blocks=_blocks((("", *key[1:]), own) for key, own in profile.prompt_blocks.items()),
        output_blocks=_blocks((("", *key[1:]), own) for key, own in profile.output_blocks.items()),
        turns={"": sum(profile.turns.values())},
        contexts={"": sum(profile.contexts.values())},
    )


def _cells(pairs: Iterable[tuple[CellKey, Cell]]) -> dict[CellKey, Cell]:
    found: dict[CellKey, Cell] = defaultdict(lambda: defaultdict(BilledTokens))
    with own_decimals(EXACT_DIGITS):
        for key, cell in pairs:
            for pair, each in cell.items():
                sums = found[key][pair]
                sums.tokens += each.tokens
                sums.usd += each.usd
    return {key: dict(cell) for key, cell in found.items()}


def _blocks(
    pairs: Iterable[tuple[tuple[str, str, str], GroupBlocks]],
) -> dict[tuple[str, str, str], GroupBlocks]:
    found: dict[tuple[str, str, str], GroupBlocks] = defaultdict(GroupBlocks)
    for key, own in pairs:
        found[key].count += own.count
        found[key].local_tokens += own.local_tokens
    return dict(found)


def _counts(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for agent, count in pairs:
        found[agent] += count
    return dict(found)


def _misses(several: Iterable[MissedCache]) -> tuple[MissedCache, ...]:
    """Return the misses by cause, each with the block of those that lost most."""
    by_cause: dict[str, list[MissedCache]] = defaultdict(list)
    for missed in several:
        by_cause[missed.why].append(missed)
    with own_decimals(EXACT_DIGITS):
        return tuple(
            replace(
                max(own, key=lambda missed: missed.lost_usd),
                calls=sum(missed.calls for missed in own),
                lost_usd=sum((missed.lost_usd for missed in own), NOTHING),
            )
            for own in by_cause.values()
        )
