"""What the prompt of any turn was made of, as prefixes of the rows that prompts extend along.

Prompts of a context grow along a row of blocks, so a turn needs only the row's number, how far it reaches,
and the few blocks that lie beside the row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

import numpy as np
import numpy.typing as npt

from tokenprof.attribute.prompt_spans import CLASS_NUMBER, NO_PLACE
from tokenprof.costing.ledger import Ledger
from tokenprof.data_classes.frozen import frozen
from tokenprof.pricing.usage import OUTPUT_CLASSES

UNLISTED: Final = -1
"""The number of whatever is not listed by its own name."""

MOST_PLACES: Final = 60_000
"""Places in rows that a page holds; beyond it, only the blocks with the largest bills keep theirs."""

_NOT_PROMPT = {*(CLASS_NUMBER[cls.value] for cls in OUTPUT_CLASSES), CLASS_NUMBER["fee"]}


@frozen
class PromptRow:
    """Blocks by number in prompt order, and the tokens of each."""

    block: tuple[int, ...]
    tokens: tuple[int, ...]


@frozen
class PromptRows:
    """The rows, and for each turn its row (-1: none), how many of the row's blocks it sent, and the rest.

    `beside` holds, by turn, the blocks and tokens that no row has. Blocks are numbered as in `block_ids`.
    """

    block_ids: tuple[str, ...]
    rows: tuple[PromptRow, ...]
    row: tuple[int, ...]
    length: tuple[int, ...]
    beside: dict[int, PromptRow]
    fullest_turn: int | None


def prompt_rows(ledger: Ledger) -> PromptRows:
    """Return what the prompts of a run were made of."""
    shares = ledger.spans.shares
    row_of, length_of = [-1] * shares.turns, [0] * shares.turns
    rows = []
    for number, each in enumerate(shares.rows):
        for turn, length in zip(each.turns.tolist(), each.lengths.tolist(), strict=True):
            row_of[turn], length_of[turn] = number, length
        here = slice(each.offset, each.offset + int(each.lengths.max()))
        rows.append(PromptRow(tuple(shares.block[here].tolist()), tuple(shares.tokens[here].tolist())))
    usages = [turn.usage for turn in ledger.run.turns]
    sizes = [(0 if usage is None else usage.input_tokens, -turn) for turn, usage in enumerate(usages)]
    largest = max(sizes, default=(0, 0))
    return PromptRows(
        block_ids=tuple(shares.block_ids),
        rows=tuple(rows),
        row=tuple(row_of),
        length=tuple(length_of),
        beside=_beside(ledger),
        fullest_turn=-largest[1] if largest[0] else None,
    )


def _beside(ledger: Ledger) -> dict[int, PromptRow]:
    singles = ledger.spans.shares.singles
    found: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    columns = (singles.turn, singles.cls, singles.block, singles.place, singles.tokens)
    for turn, cls, block, place, tokens in zip(*(column.tolist() for column in columns), strict=True):
        if place == NO_PLACE and tokens and cls not in _NOT_PROMPT:
            found[turn][0].append(block)
            found[turn][1].append(tokens)
    return {turn: PromptRow(tuple(blocks), tuple(tokens)) for turn, (blocks, tokens) in found.items()}


def listed_rows(found: PromptRows, number_of: Mapping[str, int], most: int = MOST_PLACES) -> PromptRows:
    """Return rows whose blocks have the numbers of a list: `number_of` their ids, the most important first.

    Neighbours that are not listed become one entry, cut where a prompt ends, so that the tokens of every
    prompt stay whole. If there are more than `most` entries, only the first quarter of the blocks is listed,
    then a quarter of it, and so on; what is left in the end has at most an entry per turn.
    """
    listed = len(number_of)
    while True:
        place = dict(islice(number_of.items(), listed))
        numbers = np.array([place.get(block_id, UNLISTED) for block_id in found.block_ids], np.int64)
        rows = list(_folded_rows(found, numbers))
        if not listed or sum(len(row.block) for row, _ in rows) <= most:
            break
        listed //= 4
    ends = [dict(ends) for _, ends in rows]
    return PromptRows(
        block_ids=(),
        rows=tuple(row for row, _ in rows),
        row=found.row,
        length=tuple(
            ends[row][length] if row >= 0 else 0 for row, length in zip(found.row, found.length, strict=True)
        ),
        beside={turn: _folded(each, numbers, ())[0] for turn, each in found.beside.items()},
        fullest_turn=found.fullest_turn,
    )


Counts = npt.NDArray[np.int64]

Ends = tuple[tuple[int, int], ...]
"""How many entries of a folded row the prompts have that had so many of the row."""


def _folded_rows(found: PromptRows, numbers: Counts) -> Iterator[tuple[PromptRow, Ends]]:
    lengths = [set[int]() for _ in found.rows]
    for row, length in zip(found.row, found.length, strict=True):
        if row >= 0:
            lengths[row].add(length)
    for each, own in zip(found.rows, lengths, strict=True):
        yield _folded(each, numbers, sorted(own))


def _folded(row: PromptRow, numbers: Counts, lengths: Sequence[int]) -> tuple[PromptRow, Ends]:
    if not row.block:
        return row, tuple((length, 0) for length in lengths)
    block = numbers[np.array(row.block, np.int64)]
    starts = np.ones(len(block), bool)
    starts[1:] = (block[1:] != UNLISTED) | (block[:-1] != UNLISTED)
    starts[[length for length in lengths if length < len(block)]] = True
    first = np.flatnonzero(starts)
    tokens = np.add.reduceat(np.array(row.tokens, np.int64), first)
    entry = np.cumsum(starts)
    ends = tuple((length, int(entry[length - 1]) if length else 0) for length in lengths)
    return PromptRow(tuple(block[first].tolist()), tuple(tokens.tolist())), ends
