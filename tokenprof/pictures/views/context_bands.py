"""The context over turns: how many tokens of each kind, tool or block every prompt held, by cache state.

Summed from the intervals that the bill divides prompts into, so the time grows with the turns and not with
the pairs of turn and block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from tokenprof.attribute.model import Placed
from tokenprof.attribute.prompt_spans import CLASS_NUMBER, PromptSpans
from tokenprof.costing.ledger import Ledger
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import Section
from tokenprof.pictures.views.names import OTHERS, shown, source_of
from tokenprof.pictures.views.turn_columns import CACHE_STATES, FRESH, READ, WRITTEN
from tokenprof.pricing.usage import INPUT_CLASSES
from tokenprof.report.labels_in_words import kind_label

Counts = npt.NDArray[np.int64]

MOST_TOOLS: Final = 14
MOST_BLOCKS: Final = 24

_SECTION_ORDER: Final[dict[Section, int]] = {"tools": 0, "system": 1, "messages": 2}
_STATE_OF_CLASS: Final = {
    CLASS_NUMBER[cls.value]: (
        READ if cls.value == "cache_read" else FRESH if cls.value == "uncached_input" else WRITTEN
    )
    for cls in INPUT_CLASSES
}


@frozen
class ContextBands:
    """Bands of a stacked picture, in prompt order: a name and a kind for each, and tokens per turn.

    `tokens[state][band]` has one count per turn; the states are those of `CACHE_STATES`.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    tokens: tuple[tuple[tuple[int, ...], ...], ...]


@frozen
class ContextOverTurns:
    """The context over turns, divided in three ways."""

    kind: ContextBands
    tool: ContextBands
    block: ContextBands


def context_over_turns(ledger: Ledger) -> ContextOverTurns:
    """Return the tokens of every prompt of a run, by kind, by tool and by block."""
    shares = ledger.spans.shares
    blocks = [ledger.attribution.blocks.get(block_id) for block_id in shares.block_ids]
    return ContextOverTurns(
        kind=_bands(shares, blocks, lambda each: kind_label(each.block.kind), None),
        tool=_bands(shares, blocks, lambda each: source_of(each.block), MOST_TOOLS),
        block=_bands(shares, blocks, lambda each: each.id, MOST_BLOCKS),
    )


def _bands(
    shares: PromptSpans,
    blocks: Sequence[Placed | None],
    band_of: Callable[[Placed], str],
    most: int | None,
) -> ContextBands:
    """Return the bands of a picture. A place without a block holds no tokens."""
    keys = [OTHERS if each is None else band_of(each) for each in blocks]
    totals = _totals(shares, keys)
    kept = set(sorted(totals, key=lambda key: -totals[key])[:most])
    bands: dict[str, tuple[Placed, tuple[int, int, int]]] = {}
    for at, (each, key) in enumerate(zip(blocks, keys, strict=True)):
        if each is None or key not in totals:
            continue
        key = key if key in kept else OTHERS
        place = (_SECTION_ORDER.get(each.block.section, 2), each.born_turn, at)
        if key not in bands or place < bands[key][1]:
            bands[key] = each, place
    order = sorted(bands, key=lambda key: (key == OTHERS, bands[key][1]))
    number = {key: at for at, key in enumerate(order)}
    band = np.array([number.get(key, number.get(OTHERS, 0)) for key in keys], np.int64)
    counts = _counts(shares, band, len(order))
    return ContextBands(
        tuple(shown(bands[key][0].block.name) if key == bands[key][0].id else key for key in order),
        tuple(OTHERS if key == OTHERS else kind_label(bands[key][0].block.kind) for key in order),
        tuple(tuple(tuple(row.tolist()) for row in counts[state]) for state in range(len(CACHE_STATES))),
    )


def _totals(shares: PromptSpans, keys: Sequence[str]) -> dict[str, int]:
    """Return the prompt tokens of each key over all turns, of those that have any."""
    by_block = _sums(shares)
    totals: dict[str, int] = {}
    for key, tokens in zip(keys, by_block.tolist(), strict=True):
        if tokens:
            totals[key] = totals.get(key, 0) + tokens
    return totals


def _states() -> Counts:
    return np.array([_STATE_OF_CLASS.get(number, -1) for number in range(len(CLASS_NUMBER))], np.int64)


def _sums(shares: PromptSpans) -> Counts:
    """Return the prompt tokens of each block over all turns: its size times the spans that cover it."""
    spans, singles = shares.spans, shares.singles
    steps = np.zeros(len(shares.block) + 1, np.int64)
    np.add.at(steps, spans.first, 1)
    np.add.at(steps, spans.after, -1)
    found = np.zeros(len(shares.block_ids), np.int64)
    np.add.at(found, shares.block, np.cumsum(steps)[:-1] * shares.tokens)
    kept = _states()[singles.cls] >= 0
    np.add.at(found, singles.block[kept], singles.tokens[kept])
    return found


def _counts(shares: PromptSpans, band: Counts, bands: int) -> Counts:
    """Return tokens by state, band and turn."""
    found = np.zeros((len(CACHE_STATES), bands, shares.turns), np.int64)
    states, spans, singles = _states(), shares.spans, shares.singles
    state = states[singles.cls]
    kept = state >= 0
    np.add.at(found, (state[kept], band[singles.block[kept]], singles.turn[kept]), singles.tokens[kept])
    span_state = states[spans.cls]
    for at in range(bands):
        sums = np.concatenate([[0], np.cumsum(np.where(band[shares.block] == at, shares.tokens, 0))])
        np.add.at(found[:, at], (span_state, spans.turn), sums[spans.after] - sums[spans.first])
    return found
