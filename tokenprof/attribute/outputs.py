"""Output tokens on the blocks of the response: reasoning on thinking, the rest on the other blocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tokenprof.attribute.estimator.estimate import BlockFeatures, unfitted
from tokenprof.attribute.listing import Listing
from tokenprof.attribute.model import Share, Size, nameless
from tokenprof.attribute.solve import largest_remainder
from tokenprof.facts.types import Turn
from tokenprof.pricing.usage import Usage

NOTHING = Size(0, 0, 0, True)


def expected_outputs(turns: Sequence[Turn]) -> dict[int, list[float]]:
    """Return, for each turn with several output blocks, the tokens that each of them is expected to have."""
    by_model: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, turn in enumerate(turns):
        if len(turn.output) > 1:
            by_model[turn.provider, turn.model].append(index)
    found: dict[int, list[float]] = {}
    for (provider, model), indices in by_model.items():
        blocks = [block for index in indices for block in turns[index].output]
        expected = unfitted(provider, model).expected(BlockFeatures.of(blocks)).tolist()
        at = 0
        for index in indices:
            found[index] = expected[at : at + len(turns[index].output)]
            at += len(turns[index].output)
    return found


def output_shares(
    turn: Turn, usage: Usage, index: int, expected: Sequence[float], listing: Listing
) -> list[Share]:
    """List the output blocks of a turn and return their shares, fees last.

    The total of a class is exact; its split over several blocks is estimated from what is `expected` of each.
    If reasoning has no count of its own, thinking blocks share the output count. Reasoning that is not shown
    gets a block of that name.
    """
    blocks = list(turn.output)
    is_reasoning = [bool(usage.reasoning_tokens) and block.role == "reasoning" for block in blocks]
    if usage.reasoning_tokens and not any(is_reasoning):
        blocks.insert(0, nameless("output", "reasoning, not shown", role="reasoning"))
        is_reasoning.insert(0, True)
        expected = (0.0, *expected)
    if usage.output_tokens and all(is_reasoning):
        blocks.append(nameless("output", "output", role="assistant"))
        is_reasoning.append(False)
    reasoning = [at for at, of_reasoning in enumerate(is_reasoning) if of_reasoning]
    written = [at for at, of_reasoning in enumerate(is_reasoning) if not of_reasoning]
    sizes = [NOTHING] * len(blocks)
    _split(sizes, reasoning, usage.reasoning_tokens, expected)
    _split(sizes, written, usage.output_tokens, expected)
    shares = []
    for at, (block, size) in enumerate(zip(blocks, sizes, strict=True)):
        block_id = listing.output(turn.context, index, str(at), block, size)
        if size.tokens:
            cls = "reasoning" if is_reasoning[at] else "output"
            shares.append(Share(block_id, cls, size.tokens, size.exact))
    return shares + _fees(turn, usage, index, listing)


def _split(sizes: list[Size], members: Sequence[int], total: int, expected: Sequence[float]) -> None:
    """Share out a total among the blocks with some numbers."""
    if len(members) == 1:
        sizes[members[0]] = Size(total, total, total, True)
    elif members:
        parts = largest_remainder([expected[at] for at in members], total, [1] * len(members))
        for at, tokens in zip(members, parts, strict=True):
            sizes[at] = Size(tokens, min(1, tokens), max(tokens, total - len(members) + 1), False)


def _fees(turn: Turn, usage: Usage, index: int, listing: Listing) -> list[Share]:
    shares = []
    for unit, count in usage.fees:
        block = nameless("output", unit, role="assistant")
        block_id = listing.output(turn.context, index, f"fee.{unit}", block, NOTHING)
        shares.append(Share(block_id, "fee", 0, True, count=count))
    return shares
