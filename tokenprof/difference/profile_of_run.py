"""The profile of a run, summed from the spans of its ledger: in time that grows with the run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from tokenprof.attribute.estimator.estimate import local_tokens
from tokenprof.attribute.model import Placed
from tokenprof.attribute.prompt_spans import Ints
from tokenprof.costing.billed_sums import NOTHING
from tokenprof.costing.ledger import Ledger
from tokenprof.difference.agent_spans import AgentSpans
from tokenprof.difference.cost_profile import (
    BilledTokens,
    Cell,
    CellKey,
    CostProfile,
    GroupBlocks,
    MissedCache,
    Passage,
    ServedModel,
)
from tokenprof.facts.adding import exact_sum_usd
from tokenprof.facts.own_decimals import EXACT_DIGITS, own_decimals
from tokenprof.facts.types import Turn
from tokenprof.pricing.selectors import STANDARD_VALUES

if TYPE_CHECKING:
    from tokenprof.analysis.analysis import Analysis
    from tokenprof.costing.cache_losses import CacheMissCause
    from tokenprof.costing.cache_misses import CacheMiss


def cost_profile(analysis: Analysis, *, in_tokens: bool = False) -> CostProfile:
    """Return the profile of a run. Turns without a bill are left out and counted.

    `in_tokens` values every token at 1 and every fee at nothing, so that turns without a price have a part
    in it; only those without usage are left out.
    """
    from tokenprof.pricing.book import Price

    ledger = analysis.ledger
    calls: dict[str, list[int]] = defaultdict(list)
    rates: dict[ServedModel, Mapping[str, Decimal]] = {}
    for index, turn in enumerate(ledger.run.turns):
        if turn.usage is None or (ledger.billed_usd[index] is None and not in_tokens):
            continue
        calls[turn.agent or ""].append(index)
        if isinstance(price := ledger.prices[index], Price):
            rates[served_model(turn)] = price.rates
    blocks = _Blocks(ledger)
    cells: dict[CellKey, Cell] = defaultdict(lambda: defaultdict(BilledTokens))
    sides: tuple[dict[tuple[str, str, str], GroupBlocks], ...] = ({}, {})
    for agent, turns in calls.items():
        own = AgentSpans(ledger.spans.of_turns(turns), blocks.lasting)
        for side, numbers in zip(sides, (own.prompt_blocks, own.output_blocks), strict=True):
            side |= {(agent, *name): group for name, group in blocks.counted(numbers).items()}
        by_model: dict[ServedModel, list[int]] = defaultdict(list)
        for index in turns:
            by_model[served_model(ledger.run.turns[index])].append(index)
        for served, of_model in by_model.items():
            for passage, cls, rate_usd, units in own.passages(of_model):
                for (kind, name), count in blocks.by_group(units):
                    billed = cells[CellKey(agent, kind, name, passage)][served, cls]
                    billed.tokens += count
                    billed.usd = _plus(billed.usd, _value(rate_usd, passage, in_tokens=in_tokens), count)
    return CostProfile(
        cells={key: dict(cell) for key, cell in cells.items()},
        prompt_blocks=sides[0],
        output_blocks=sides[1],
        turns={agent: len(turns) for agent, turns in calls.items()},
        contexts={
            agent: len({ledger.run.turns[index].context for index in turns}) for agent, turns in calls.items()
        },
        rates=rates,
        missed=() if in_tokens else tuple(_missed(analysis)),
        turns_left_out=len(ledger.run.turns) - sum(map(len, calls.values())),
        in_tokens=in_tokens,
    )


def _value(rate_usd: Decimal | None, passage: Passage, *, in_tokens: bool) -> Decimal:
    """Return what one token, or one use, counts as."""
    if in_tokens:
        return Decimal(0 if passage == "fee" else 1)
    return rate_usd or NOTHING


def _plus(usd: Decimal, rate: Decimal, count: int) -> Decimal:
    with own_decimals(EXACT_DIGITS):
        return usd + rate * count


class _Blocks:
    """The blocks of a ledger by the numbers that its spans give them, and their groups by kind and name."""

    def __init__(self, ledger: Ledger) -> None:
        self._blocks = ledger.attribution.blocks
        self._ids = ledger.spans.shares.block_ids
        numbers = {block_id: number for number, block_id in enumerate(self._ids)}
        names = _lasting_names(self._blocks)
        self.lasting = np.array(
            [numbers.get(names.get(each, each), own) for own, each in enumerate(self._ids)], np.int64
        )
        groups: dict[tuple[str, str], int] = {}
        of_block = [groups.setdefault(self._name(own), len(groups)) for own in range(len(self._ids))]
        self._group, self._groups = np.array(of_block, np.int64), list(groups)

    def _name(self, number: int) -> tuple[str, str]:
        placed = self._blocks.get(self._ids[number])
        return (placed.block.kind, placed.block.name) if placed else ("", "")

    def by_group(self, units: Ints) -> Iterator[tuple[tuple[str, str], int]]:
        """Yield the groups that have some of the units, which are by block."""
        sums = np.zeros(len(self._groups), np.int64)
        np.add.at(sums, self._group, units)
        for at in np.flatnonzero(sums).tolist():
            yield self._groups[at], int(sums[at])

    def counted(self, numbers: Ints) -> dict[tuple[str, str], GroupBlocks]:
        """Return how many of some blocks each group has, and their size."""
        found: dict[tuple[str, str], GroupBlocks] = defaultdict(GroupBlocks)
        for number in numbers.tolist():
            group = found[self._name(number)]
            group.count += 1
            group.local_tokens += local_tokens(self._blocks[self._ids[number]].block)
        return dict(found)


def _missed(analysis: Analysis) -> Iterator[MissedCache]:
    """Yield the misses that lost something, one for each cause."""
    lost: dict[CacheMissCause, list[CacheMiss]] = defaultdict(list)
    for miss in analysis.misses:
        if miss is not None and miss.usd:
            lost[miss.cause].append(miss)
    for cause, own in lost.items():
        largest = max(own, key=lambda miss: miss.usd or NOTHING)
        placed = analysis.ledger.attribution.blocks.get(largest.block or "")
        kind, name = (placed.block.kind, placed.block.name) if placed else ("", "")
        usd = exact_sum_usd(miss.usd for miss in own) or NOTHING
        yield MissedCache(cause, len(own), usd, kind, name)


def served_model(turn: Turn) -> ServedModel:
    """Return what selects a turn's price, as it was served."""
    return ServedModel(turn.provider, turn.model, ", ".join(_tier(turn)))


def _tier(turn: Turn) -> Iterator[str]:
    selectors = turn.selectors
    if selectors.batch:
        yield "batch"
    for name, standard in STANDARD_VALUES.items():
        value = getattr(selectors, name)
        if value and value not in standard and value != "batch":
            yield value
        elif value == "batch" and not selectors.batch:
            yield "batch"


def _lasting_names(blocks: Mapping[str, Placed]) -> dict[str, str]:
    """Return, by block id, the id of the first wording of the block.

    A system prompt that changes in every turn is one block that is never cached, not a new one in each turn.
    """
    first: dict[str, str] = {}
    for block_id, placed in blocks.items():
        earlier = placed.replaces
        first[block_id] = first.get(earlier, earlier) if earlier in blocks and earlier else block_id
    return first
