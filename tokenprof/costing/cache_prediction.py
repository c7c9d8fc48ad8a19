"""What the published cache rules say of each recorded call, to be held against what was billed.

Blocks and breakpoints come from the recording, sizes from the attribution, the rules from
`tokenprof.pricing`. A bill outranks its prediction: where the two differ, the cache did something that its
rules do not say (an entry dropped early, a route to another machine, a prefix kept from before the run).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from tokenprof.attribute.shares import TurnShares
from tokenprof.facts.types import Block, Turn, block_key
from tokenprof.pricing.cache.cache_rules import CacheRuleError
from tokenprof.pricing.cache.cache_simulator import AnthropicCache, CacheBlock, Lookup, salted

if TYPE_CHECKING:
    from tokenprof.costing.ledger import Ledger

_POSITION_KINDS = {"tool_call": "tool_use", "tool_result": "tool_result"}
"""Kinds of blocks that the lookback counts once per run of them, by their names in the cache rules."""


@dataclass(frozen=True, slots=True)
class CachePrediction:
    """How the rules divide a prompt, in tokens. `miss` says why no more was to be read, None if nothing was.

    `agrees` says whether that is what was billed.
    """

    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    uncached_input_tokens: int
    miss: str | None
    agrees: bool


def predict_cache(ledger: Ledger) -> list[CachePrediction | None]:
    """Return a prediction per turn; None for turns without usage, without known breakpoints, or refused.

    Calls are played in the order in which they started; what one writes can be read once its response
    has begun.
    """
    turns = ledger.run.turns
    cache = AnthropicCache()
    visible: list[tuple[float, int, Lookup]] = []
    order = count()
    found: list[CachePrediction | None] = [None] * len(turns)
    for index in sorted(range(len(turns)), key=lambda i: turns[i].started_at):
        turn, shares = turns[index], ledger.attribution.shares[index]
        if turn.provider != "anthropic" or turn.hidden_prefix or not isinstance(shares, TurnShares):
            continue
        if turn.usage is None or not turn.breakpoints:
            continue
        at_s = turn.started_at.timestamp()
        while visible and visible[0][0] <= at_s:
            written_s, _, earlier = heapq.heappop(visible)
            cache.commit(earlier, written_s)
        lookup = _lookup(cache, ledger, turn, shares, at_s)
        if lookup is not None:
            begins_s = at_s + (turn.ttft_s if turn.ttft_s is not None else turn.duration_s or 0.0)
            heapq.heappush(visible, (begins_s, next(order), lookup))
            found[index] = _prediction(turn, lookup)
    return found


def _lookup(
    cache: AnthropicCache, ledger: Ledger, turn: Turn, shares: TurnShares, at_s: float
) -> Lookup | None:
    known = ledger.attribution.blocks
    pieces = [*shares.row.pieces[: shares.length], *shares.extra]
    blocks = [known[piece.block].block if piece.block else None for piece in pieces]
    cached = [_cache_block(block, piece.tokens) for block, piece in zip(blocks, pieces, strict=True)]
    sections = [block.section if block else "messages" for block in blocks]
    marks = [(reach - 1, ttl) for reach, ttl in shares.breakpoints if reach]
    try:
        return cache.lookup(salted(cached, sections, turn.settings), marks, at_s, turn.model)
    except CacheRuleError:
        return None


def _cache_block(block: Block | None, tokens: int) -> CacheBlock:
    if block is None:
        return CacheBlock("", tokens)
    return CacheBlock(block_key(block) or block.name, tokens, _POSITION_KINDS.get(block.kind, ""))


def _prediction(turn: Turn, lookup: Lookup) -> CachePrediction:
    split, usage = lookup.split, turn.usage
    rules = (split.read_tokens, split.write_5m_tokens, split.write_1h_tokens, split.uncached_tokens)
    billed: Sequence[int] = ()
    if usage is not None:
        billed = (
            usage.cache_read_tokens,
            usage.cache_write_5m_tokens,
            usage.cache_write_1h_tokens,
            usage.uncached_input_tokens,
        )
    return CachePrediction(*rules, miss=lookup.miss, agrees=rules == tuple(billed))
