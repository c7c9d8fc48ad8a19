"""Outputs whose final count is missing, estimated by the next prompt, which sends them back.

The next bill holds what the model wrote, as a part of the prompt. It is split among the blocks that the
prompt added, so the size of an answer is an estimate with bounds, and never part of the bill.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tokenprof.attribute.model import Size
from tokenprof.attribute.paths import Path, newest_answer
from tokenprof.attribute.tree import Tree
from tokenprof.facts.types import Turn

MESSAGE_FRAMING_TOKENS = 4
"""What a provider adds around a message; it was not written by the model."""

OUTPUT_RELATIVE_SD = 0.18
OUTPUT_SD_TOKENS = 10.0
SHARED_RELATIVE_SD = 0.05
"""How far estimates were off on 48 outputs of two public Claude Code sessions whose counts were hidden: each
by itself, and all of a session together."""

BOUND_Z = 1.96


def repeated_outputs(
    turns: Sequence[Turn], paths: Mapping[int, Path], tree: Tree, sizes: Sequence[Size]
) -> dict[int, Size]:
    """Return, by turn, the size of each output without a final count that a later prompt repeats.

    `paths` are those of one model, in time order. No estimate is below what was counted.
    """
    found: dict[int, Size] = {}
    newest: dict[str, int] = {}
    for index, path in paths.items():
        before = newest.get(turns[index].context)
        newest[turns[index].context] = index
        if before is None or turns[index].compacted:
            continue
        turn = turns[before]
        if turn.usage is None or not turn.output_incomplete or turn.output_rest_in is not None:
            continue
        answer = newest_answer(tree, path, len(turn.output))
        if answer:
            found[before] = _sum_of([sizes[node] for node in answer], turn.usage.all_output_tokens)
    return found


def uncounted_tokens(counted: Sequence[int], repeated: Sequence[int]) -> Size:
    """Return how many tokens of several outputs were not counted, in all; `repeated` are their sizes."""
    tokens = sum(repeated) - sum(counted)
    own = sum(map(_variance, repeated))
    shared = (SHARED_RELATIVE_SD * sum(repeated)) ** 2
    return _with_bounds(tokens, own + shared, least=0)


def _sum_of(sizes: Sequence[Size], counted_tokens: int) -> Size:
    tokens = max(sum(size.tokens for size in sizes) - MESSAGE_FRAMING_TOKENS, counted_tokens)
    variance = _variance(tokens) + (SHARED_RELATIVE_SD * tokens) ** 2
    return _with_bounds(tokens, variance, least=counted_tokens)


def _variance(tokens: int) -> float:
    return (OUTPUT_RELATIVE_SD * tokens) ** 2 + OUTPUT_SD_TOKENS**2


def _with_bounds(tokens: int, variance: float, least: int) -> Size:
    margin = BOUND_Z * variance**0.5
    return Size(tokens, min(tokens, max(least, round(tokens - margin))), round(tokens + margin), False)
