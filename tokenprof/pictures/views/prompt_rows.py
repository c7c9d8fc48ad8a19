"""What the prompt of any turn was made of, as prefixes of the rows that prompts extend along.

Prompts of a context grow along a row of blocks, so a turn needs only the row's number, how far it reaches,
and the few blocks that lie beside the row.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from tokenprof.attribute.prompt_spans import CLASS_NUMBER, NO_PLACE
from tokenprof.costing.ledger import Ledger
from tokenprof.pricing.usage import OUTPUT_CLASSES

_NOT_PROMPT = {*(CLASS_NUMBER[cls.value] for cls in OUTPUT_CLASSES), CLASS_NUMBER["fee"]}


@dataclass(frozen=True, slots=True)
class PromptRow:
    """Blocks by number in prompt order, and the tokens of each."""

    block: tuple[int, ...]
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
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
