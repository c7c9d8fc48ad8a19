"""Texts that have grown while the bills stayed: replayed replies carry the usage of the recorded prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from tokenprof.difference.cost_profile import BilledTokens, Cell, CellKey, CostProfile
from tokenprof.facts.own_decimals import EXACT_DIGITS, own_decimals
from tokenprof.gate.sample import FIXED_KINDS

LEAST_GROWTH: Final = 0.005
"""Below this share, a text has not grown: sizes that are estimated move as much."""


def with_texts_billed(
    before: CostProfile, now: CostProfile
) -> tuple[CostProfile, frozenset[tuple[str, str]]]:
    """Return `now` as it would be billed if the usage followed the texts that developers write.

    A group whose text has grown, and which is billed for less than half of that growth, gets the tokens of
    `before`, times the growth of its text and of the calls. The other part are these groups, as kind and
    name. Both profiles are of equally many runs.
    """
    cells: dict[CellKey, Cell] = dict(now.cells)
    by_size: set[tuple[str, str]] = set()
    for group, earlier in before.prompt_blocks.items():
        agent, kind, name = group
        later, calls = now.prompt_blocks.get(group), (before.turns.get(agent), now.turns.get(agent))
        if kind not in FIXED_KINDS or later is None or not all(calls):
            continue
        if not (earlier.local_tokens and later.local_tokens and earlier.count and later.count):
            continue
        size = (later.local_tokens / later.count) / (earlier.local_tokens / earlier.count)
        longer = (calls[1] or 0) / (calls[0] or 1)
        if size - 1 < LEAST_GROWTH:
            continue
        billed = [sum(_tokens(cell) for cell in _of_group(side, group).values()) for side in (before, now)]
        if not billed[0] or billed[1] > billed[0] * longer * (1 + (size - 1) / 2):
            continue
        by_size.add((kind, name))
        cells = {key: cell for key, cell in cells.items() if key.group != group}
        cells |= _of_group(before, group, Decimal(size * longer))
    return replace(now, cells=cells), frozenset(by_size)


def _of_group(
    profile: CostProfile, group: tuple[str, str, str], times: Decimal = Decimal(1)
) -> Mapping[CellKey, Cell]:
    """Return the cells of a block group, multiplied."""
    with own_decimals(EXACT_DIGITS):
        return {
            key: {
                pair: BilledTokens(round(each.tokens * times), each.usd * times)
                for pair, each in cell.items()
            }
            for key, cell in profile.cells.items()
            if key.group == group
        }


def _tokens(cell: Cell) -> int:
    return sum(each.tokens for each in cell.values())
