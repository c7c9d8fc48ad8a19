"""How the shares of a run become spans: all turns and rows at once, as columns."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tokenprof.attribute.classes import PROMPT_ORDER
from tokenprof.attribute.model import Attribution
from tokenprof.attribute.prompt_spans import (
    CLASS_NUMBER,
    NO_PLACE,
    Flags,
    Ints,
    Portions,
    PromptSpans,
    RowTurns,
    SingleShares,
    Spans,
    ranges,
)
from tokenprof.attribute.shares import TurnShares
from tokenprof.data_classes.frozen import frozen
from tokenprof.pricing.usage import TOKEN_CLASSES

PROMPT_CLASSES = np.array([CLASS_NUMBER[cls] for cls in PROMPT_ORDER], np.int64)
LONGEST_PROMPT = 1 << 40
"""More tokens than a prompt has [tokens]: rows are numbered in steps of it, to search all of them at once."""


def find_spans(attribution: Attribution, portions: Mapping[int, Portions]) -> PromptSpans:
    """Return the shares of a run as spans, in time that grows with its turns and not with their square.

    `portions` are, by turn, the classes with several prices, and the tokens of each.
    """
    shares = [each if isinstance(each, TurnShares) else TurnShares() for each in attribution.shares]
    numbers: dict[str, int] = {}
    rows, lying = _laid_out(shares, numbers)
    billed = _billed(shares, portions)
    spans, cut = _on_rows(rows, lying, billed)
    after_rows, written = _beside_rows(shares, portions, numbers, lying, billed)
    singles = np.concatenate([*cut, after_rows, written], axis=1)
    singles = singles[:, np.lexsort(singles[:3])][2:]
    return PromptSpans(
        turns=len(shares),
        block_ids=list(numbers),
        rows=rows.turns,
        block=rows.block,
        tokens=rows.tokens,
        start=rows.start,
        opens=rows.opens,
        spans=spans,
        singles=SingleShares(*singles),
    )


@frozen
class _PlacedRows:
    """The rows of a run, and what is at their places; `row` is the row of each place."""

    turns: list[RowTurns]
    row: Ints
    block: Ints
    tokens: Ints
    start: Ints
    opens: Flags

    def upto(self, row: Ints, position: Ints) -> Ints:
        """Return the place after the last one on a row that ends at or before a position."""
        ends = self.row * LONGEST_PROMPT + self.start + self.tokens
        return np.searchsorted(ends, row * LONGEST_PROMPT + position, side="right")


@frozen
class _Lying:
    """Where the prompt of each turn lies: its row, the places it has there, and their tokens."""

    row: Ints
    first: Ints
    after: Ints
    tokens: Ints


@frozen
class _Billed:
    """Intervals of prompts, in order: tokens `begin` to `end` - 1 of a turn have one class and portion."""

    turn: Ints
    cls: Ints
    portion: Ints
    begin: Ints
    end: Ints

    def singles(self, at: Ints, nth: int, block: Ints, place: Ints, tokens: Ints, start: Ints) -> Ints:
        """Return what some intervals have of blocks as columns: two to order them by, then `SingleShares`."""
        cls, portion, turn = self.cls[at], self.portion[at], self.turn[at]
        order, nothing = np.full_like(at, nth), np.zeros_like(at)
        return np.stack([order, at, turn, cls, portion, block, place, tokens, start, nothing])


def _laid_out(shares: Sequence[TurnShares], numbers: dict[str, int]) -> tuple[_PlacedRows, _Lying]:
    """Give every block of every row a place, as far as a prompt reaches."""
    by_row: dict[int, list[int]] = defaultdict(list)
    for turn, each in enumerate(shares):
        if each.length:
            by_row[id(each.row)].append(turn)
    rows: list[RowTurns] = []
    row_of, block, tokens, start = array("q"), array("q"), array("q"), array("q")
    opens = bytearray()
    row, first, after, of_row = np.zeros((4, len(shares)), np.int64)
    for number, turns in enumerate(by_row.values()):
        lengths = np.array([shares[turn].length for turn in turns], np.int64)
        offset, reach, here = len(block), int(lengths.max()), shares[turns[0]].row
        rows.append(RowTurns(offset, np.array(turns, np.int64), lengths))
        row[turns], first[turns], after[turns] = number, offset, offset + lengths
        of_row[turns] = np.array(here.ends, np.int64)[lengths - 1]
        row_of.extend([number] * reach)
        start.extend([0, *here.ends[: reach - 1]])
        seen: set[str] = set()
        for piece in here.pieces[:reach]:
            block.append(numbers.setdefault(piece.block, len(numbers)))
            tokens.append(piece.tokens)
            opens.append(piece.tokens > 0 and piece.block not in seen)
            if piece.tokens:
                seen.add(piece.block)
    found = _PlacedRows(
        rows,
        _column(row_of),
        _column(block),
        _column(tokens),
        _column(start),
        np.frombuffer(bytes(opens), bool),
    )
    return found, _Lying(row, first, after, of_row)


def _billed(shares: Sequence[TurnShares], portions: Mapping[int, Portions]) -> _Billed:
    """Return how the bill of each turn divides its prompt."""
    counts = np.array([each.usage.token_counts() for each in shares], np.int64)
    in_order = counts.reshape(len(shares), len(TOKEN_CLASSES))[:, PROMPT_CLASSES]
    several = [
        (turn, PROMPT_ORDER.index(cls), portion, tokens)
        for turn, of_turn in portions.items()
        for cls, parts in of_turn.items()
        if cls in PROMPT_ORDER
        for portion, tokens in enumerate(parts)
    ]
    for turn, at, _, _ in several:
        in_order[turn, at] = 0
    turns, ats = np.nonzero(in_order)
    whole = np.stack([turns, ats, np.zeros_like(turns), in_order[turns, ats]])
    parts = np.concatenate([whole, np.array(several, np.int64).reshape(-1, 4).T], axis=1)
    parts = parts[:, np.lexsort(parts[2::-1])]
    turns, ats, portion, tokens = parts[:, parts[3] > 0]
    ends = np.cumsum(tokens)
    # Positions count from the beginning of the turn's own prompt.
    ends -= np.concatenate([[0], ends])[np.searchsorted(turns, turns)]
    return _Billed(turns, PROMPT_CLASSES[ats], portion, ends - tokens, ends)


def _on_rows(rows: _PlacedRows, lying: _Lying, billed: _Billed) -> tuple[Spans, list[Ints]]:
    """Return the blocks of rows that intervals cover whole, and what they have of those that they cut."""
    end = np.minimum(billed.end, lying.tokens[billed.turn])
    at = np.flatnonzero(billed.begin < end)
    turn, begin, end = billed.turn[at], billed.begin[at], end[at]
    reach = lying.after[turn]
    first = np.minimum(rows.upto(lying.row[turn], begin), reach)
    after = np.minimum(rows.upto(lying.row[turn], end), reach)
    is_cut = begin > rows.start[first]
    place, since = first[is_cut], begin[is_cut]
    tokens = np.minimum(rows.start[place] + rows.tokens[place], end[is_cut]) - since
    head = billed.singles(at[is_cut], 0, rows.block[place], place, tokens, since)
    first = first + is_cut
    after = np.maximum(after, first)
    last = np.flatnonzero(after < reach)
    last = last[rows.start[after[last]] < end[last]]
    place = after[last]
    since = rows.start[place]
    tail = billed.singles(at[last], 1, rows.block[place], place, end[last] - since, since)
    filled = after > first
    whole = at[filled]
    spans = Spans(turn[filled], billed.cls[whole], billed.portion[whole], first[filled], after[filled])
    return spans, [head, tail]


def _beside_rows(
    shares: Sequence[TurnShares],
    portions: Mapping[int, Portions],
    numbers: dict[str, int],
    lying: _Lying,
    billed: _Billed,
) -> tuple[Ints, Ints]:
    """Return the shares of what follows the row in each prompt, and those of output and fees."""
    extra: list[tuple[int, int, int, int]] = []
    written: list[tuple[int, ...]] = []
    for turn, (each, at) in enumerate(zip(shares, lying.tokens.tolist(), strict=True)):
        for piece in each.extra:
            extra.append((turn, numbers.setdefault(piece.block, len(numbers)), at, at + piece.tokens))
            at += piece.tokens
        left = {cls: list(tokens) for cls, tokens in portions[turn].items()} if turn in portions else {}
        for share in each.output:
            cls, number = CLASS_NUMBER[share.cls], numbers.setdefault(share.block, len(numbers))
            for portion, tokens in taken(left.get(share.cls), share.tokens):
                where = turn, cls, portion, number, NO_PLACE
                written.append((0, len(billed.turn), *where, tokens, share.start, share.count))
    turns, block, begin, end = np.array(extra, np.int64).reshape(-1, 4).T
    first: Ints = np.searchsorted(billed.turn, turns)
    after: Ints = np.searchsorted(billed.turn, turns, side="right")
    part, of = ranges(first, after), np.repeat(np.arange(len(turns)), after - first)
    begin, end = np.maximum(begin[of], billed.begin[part]), np.minimum(end[of], billed.end[part])
    here = begin < end
    part, block, begin = part[here], block[of][here], begin[here]
    after_row = billed.singles(part, 2, block, np.full_like(part, NO_PLACE), end[here] - begin, begin)
    return after_row, np.array(written, np.int64).reshape(-1, len(after_row)).T


def _column(values: array[int]) -> Ints:
    return np.frombuffer(values, np.int64) if values else np.zeros(0, np.int64)


def taken(left: list[int] | None, tokens: int) -> Iterator[tuple[int, int]]:
    """Take tokens off the front of a class's portions; yield which portion they are of, and how many."""
    if left is None:
        yield 0, tokens
        return
    for portion, there in enumerate(left):
        found = min(there, tokens)
        left[portion] -= found
        tokens -= found
        if found:
            yield portion, found
