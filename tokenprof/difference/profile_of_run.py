"""The profile of a run, drawn up from its ledger entry by entry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from tokenprof.attribute.estimate import local_tokens
from tokenprof.attribute.model import Placed
from tokenprof.costing.billed_sums import NOTHING
from tokenprof.costing.ledger import LedgerEntry
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
from tokenprof.facts.adding import EXACT_DIGITS, exact_sum_usd
from tokenprof.facts.types import Turn
from tokenprof.pricing.selectors import STANDARD_VALUES
from tokenprof.pricing.usage import OUTPUT_CLASSES, TokenClass

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
    cells: dict[CellKey, Cell] = defaultdict(lambda: defaultdict(BilledTokens))
    blocks: dict[str, dict[tuple[str, str, str], GroupBlocks]] = {
        "prompt": defaultdict(GroupBlocks),
        "output": defaultdict(GroupBlocks),
    }
    turns: dict[str, int] = defaultdict(int)
    contexts: dict[str, set[str]] = defaultdict(set)
    rates: dict[ServedModel, Mapping[str, Decimal]] = {}
    seen: set[tuple[str, str, str]] = set()
    names = _lasting_names(ledger.attribution.blocks)
    left_out = 0
    with localcontext(prec=EXACT_DIGITS):
        for index, turn in enumerate(ledger.run.turns):
            if turn.usage is None or (ledger.billed_usd[index] is None and not in_tokens):
                left_out += 1
                continue
            agent = turn.agent or ""
            turns[agent] += 1
            contexts[agent].add(turn.context)
            served = served_model(turn)
            if isinstance(price := ledger.prices[index], Price):
                rates[served] = price.rates
            fresh: set[tuple[str, str, str]] = set()
            for entry in ledger.entries[index]:
                placed = ledger.attribution.blocks[entry.block]
                side = "output" if entry.cls in OUTPUT_CLASSES else "prompt"
                mark = (side, agent, names[entry.block])
                is_new = mark not in seen
                if is_new:
                    fresh.add(mark)
                key = CellKey(agent, placed.block.kind, placed.block.name, _passage(entry, is_new=is_new))
                cell = cells[key][served, entry.cls]
                cell.tokens += entry.count if key.passage == "fee" else entry.tokens
                cell.usd += Decimal(entry.tokens) if in_tokens else entry.billed_usd or NOTHING
            for mark in fresh:
                placed = ledger.attribution.blocks[mark[2]]
                group = blocks[mark[0]][agent, placed.block.kind, placed.block.name]
                group.count += 1
                group.local_tokens += local_tokens(placed.block)
            seen |= fresh
    return CostProfile(
        cells={key: dict(cell) for key, cell in cells.items()},
        prompt_blocks=dict(blocks["prompt"]),
        output_blocks=dict(blocks["output"]),
        turns=dict(turns),
        contexts={agent: len(own) for agent, own in contexts.items()},
        rates=rates,
        missed=() if in_tokens else tuple(_missed(analysis)),
        turns_left_out=left_out,
        in_tokens=in_tokens,
    )


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


def _passage(entry: LedgerEntry, *, is_new: bool) -> Passage:
    if entry.cls == TokenClass.FEE:
        return "fee"
    if entry.cls in OUTPUT_CLASSES:
        return "output"
    return "entered" if is_new else "carried"


def _lasting_names(blocks: Mapping[str, Placed]) -> dict[str, str]:
    """Return, by block id, the id of the first wording of the block.

    A system prompt that changes in every turn is one block that is never cached, not a new one in each turn.
    """
    first: dict[str, str] = {}
    for block_id, placed in blocks.items():
        earlier = placed.replaces
        first[block_id] = first.get(earlier, earlier) if earlier in blocks and earlier else block_id
    return first
