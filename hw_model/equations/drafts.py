"""Speculative decoding: how many tokens are drafted ahead, and how many a step yields (2.7)."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from tokenprof.hw_model.catalogue.arrays import Number
from tokenprof.hw_model.catalogue.lookup import read_data

LATER_ACCEPTANCE: Final = 0.92
"""A later drafted token is accepted this much less often than the one before it: the mean of published
curves of accepted length of GLM-5.2, Kimi-K2.5, Qwen3.5 and DeepSeek-V4-Pro (data/drafts.json)."""

BUSY_GROUP: Final = 64.0
"""From this many sequences in an attention group on, operators draft one token ahead, else three."""


def usual_drafted_tokens(sequences_per_group: float) -> int:
    """Return how many tokens operators draft ahead at a batch: three, or one if arithmetic is scarce."""
    return 1 if sequences_per_group > BUSY_GROUP else 3


def tokens_per_step(drafted_tokens: Number, acceptance: Number, *, later: float = LATER_ACCEPTANCE) -> Number:
    """Return how many tokens a step yields with up to eight drafted ones (2.7) [tokens].

    `acceptance` is the chance that the first drafted token is accepted; each later one is accepted, if the
    one before it was, with `later` times the chance of the second: 1 + a + a * la + a * (la)^2 + ... (after
    Leviathan 2023, arXiv 2211.17192, where later = 1).
    """
    total: Any = 1.0
    chain: Any = acceptance
    for position in range(1, 9):
        total = total + (drafted_tokens >= position) * chain
        chain = chain * acceptance * later
    found: Number = total
    return found


@cache
def _published() -> dict[str, list[float]]:
    rows = read_data("drafts.json")["tokens_per_step"]
    return {row["model"]: row["at_1_to_8"] for row in rows}


def accepted_tokens(model: str, drafted_tokens: int) -> float | None:
    """Return the published tokens per step of a model's own drafts on code; None if none are published.

    `model` is the catalogue's name. Drafts beyond the published curve yield no more than its end.
    """
    curve = _published().get(model)
    if curve is None or drafted_tokens < 1:
        return None
    return curve[min(drafted_tokens, len(curve)) - 1]
