"""Output tokens on the blocks of the response: reasoning on thinking, the rest on the other blocks."""

from __future__ import annotations

from collections.abc import Sequence

from tokenprof.attribute.estimate import features_of, unfitted
from tokenprof.attribute.listing import Listing
from tokenprof.attribute.model import Share, Size, nameless
from tokenprof.attribute.solve import largest_remainder
from tokenprof.facts.types import Block, Turn
from tokenprof.pricing.usage import Usage


def output_shares(turn: Turn, usage: Usage, index: int, listing: Listing) -> list[Share]:
    """List the output blocks of a turn and return their shares, fees last.

    The total of a class is exact; its split over several blocks is estimated. If reasoning has no count of
    its own, thinking blocks share the output count. Reasoning that is not shown gets a block of that name.
    """
    blocks = list(turn.output)
    reasoning = [b for b in blocks if b.role == "reasoning"] if usage.reasoning_tokens else []
    written = [b for b in blocks if b not in reasoning]
    if usage.reasoning_tokens and not reasoning:
        reasoning = [nameless("output", "reasoning, not shown", role="reasoning")]
        blocks = reasoning + blocks
    if usage.output_tokens and not written:
        written = [nameless("output", "output", role="assistant")]
        blocks = blocks + written
    sizes = _split(turn, reasoning, usage.reasoning_tokens) | _split(turn, written, usage.output_tokens)
    shares = []
    for place, block in enumerate(blocks):
        size = sizes.get(id(block), Size(0, 0, 0, True))
        block_id = listing.output(turn.context, index, str(place), block, size)
        if size.tokens:
            cls = "reasoning" if any(block is b for b in reasoning) else "output"
            shares.append(Share(block_id, cls, size.tokens, size.exact))
    return shares + _fees(turn, usage, index, listing)


def _split(turn: Turn, blocks: Sequence[Block], total: int) -> dict[int, Size]:
    if not blocks:
        return {}
    if len(blocks) == 1:
        return {id(blocks[0]): Size(total, total, total, True)}
    estimator = unfitted(turn.provider, turn.model)
    expected = [estimator.expected(features_of(block)) for block in blocks]
    parts = largest_remainder(expected, total, [1] * len(blocks))
    return {
        id(block): Size(tokens, min(1, tokens), max(tokens, total - len(blocks) + 1), False)
        for block, tokens in zip(blocks, parts, strict=True)
    }


def _fees(turn: Turn, usage: Usage, index: int, listing: Listing) -> list[Share]:
    shares = []
    for unit, count in usage.fees:
        block = nameless("output", unit, role="assistant")
        block_id = listing.output(turn.context, index, f"fee.{unit}", block, Size(0, 0, 0, True))
        shares.append(Share(block_id, "fee", 0, True, count=count))
    return shares
