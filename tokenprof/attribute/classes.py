"""Cache classes as consecutive intervals of the prompt: read, then written, then fresh."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
"""A prompt's classes from its beginning to its end; longer-lived entries must precede shorter-lived ones
(docs/attribution.md)."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A block's tokens at its place in one prompt."""

    block: str
    tokens: int
    exact: bool


def classify(pieces: Sequence[Piece], usage: Usage) -> Iterator[tuple[Piece, str, int, int]]:
    """Yield (piece, class, tokens, start) in prompt order; a piece across a boundary comes once per class.

    `start` is the position of the part's first token in the prompt. The pieces must hold exactly the
    usage's input tokens.
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
