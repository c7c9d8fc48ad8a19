"""Cache classes as consecutive intervals of the prompt: read, then written, then fresh."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tokenprof.data_classes.frozen import frozen
from tokenprof.pricing.usage import Usage

PROMPT_ORDER = (
    "cache_read",
    "cache_write_12h",
    "cache_write_1h",
    "cache_write_30m",
    "cache_write_5m",
    "cache_write",
    "uncached_input",
)
"""The classes of a prompt from its beginning to its end. Entries that live longer come first
(docs/attribution.md)."""


@frozen
class Piece:
    """The tokens of a block at its place in one prompt."""

    block: str
    tokens: int
    exact: bool


def classify(pieces: Sequence[Piece], usage: Usage) -> Iterator[tuple[Piece, str, int, int]]:
    """Yield (piece, class, tokens, start) in prompt order, once per class that the piece spans.

    `start` is the position of the first of these tokens in the prompt. The pieces must add up to exactly
    the input tokens of the usage.
    """
    bounds = iter([(cls, tokens) for cls in PROMPT_ORDER if (tokens := usage.tokens_of(cls))])
    cls, left = next(bounds, ("uncached_input", 0))
    at = 0
    for piece in pieces:
        need = piece.tokens
        while need:
            if not left:
                cls, left = next(bounds)
            take = min(need, left)
            yield piece, cls, take, at
            at += take
            need -= take
            left -= take
