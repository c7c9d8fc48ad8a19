"""Where the price classes of all turns lie, as a few intervals per turn and not as a share per block.

The prompts of a context extend one another along a row of blocks, and a price class is an interval of a
prompt. So a class of a turn covers consecutive blocks of the row, whole except where its ends cut a block.
What a block had of a class over its life is the number of intervals that cover it, times its size.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from tokenprof.attribute.model import Attribution
from tokenprof.attribute.shares import PieceRow, TurnShares
from tokenprof.pricing.usage import CLASSES

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Portions = Mapping[str, Sequence[int]]

CLASS_NUMBER = {cls.value: number for number, cls in enumerate(CLASSES)}
"""The place of each class in `CLASSES`; arrays hold these numbers."""

NO_PLACE = -1


@dataclass(frozen=True, slots=True)
class RowTurns:
    """The measured turns whose prompts lie on one row, in order, and how many of its blocks each one sent.

    The row's blocks have the places from `offset` on.
    """

    offset: int
    turns: Ints
    lengths: Ints


@dataclass(frozen=True, slots=True)
class Spans:
    """Intervals of places: all tokens at `first` to `after` - 1 had class `cls` in turn `turn`.

    `portion` numbers the prices of a class that has several in one turn.
    """

    turn: Ints
    cls: Ints
    portion: Ints
    first: Ints
    after: Ints


@dataclass(frozen=True, slots=True)
class SingleShares:
    """The shares that no span covers: blocks that a boundary cuts, what follows the row, output and fees.

    The columns are those of `Share`; `block` is a block's number, `place` where it lies or `NO_PLACE`.
    """

    turn: Ints
    cls: Ints
    portion: Ints
    block: Ints
    place: Ints
    tokens: Ints
    start: Ints
    count: Ints


@dataclass(frozen=True, slots=True)
class PromptSpans:
    """The shares of a run as spans over places.

    `turns` is how many turns there are. A place is a block's position on a row, counted through all rows.
    For each place, `block` is the number of its block (an index of `block_ids`), `tokens` its size and
    `start` its position in prompts; `opens` marks the first place with tokens that a block has on its row.
    """

    turns: int
    block_ids: Sequence[str]
    rows: Sequence[RowTurns]
    block: Ints
    tokens: Ints
    start: Ints
    opens: Flags
    spans: Spans
    singles: SingleShares

    @property
    def entry_count(self) -> int:
        """How many shares the turns have together."""
        filled = np.concatenate([[0], np.cumsum(self.tokens > 0)])
        return int((filled[self.spans.after] - filled[self.spans.first]).sum()) + len(self.singles.turn)

    def of_turns(self, chosen: Flags) -> PromptSpans:
        """Return the shares of the turns that are flagged; numbers of turns, places and blocks stay."""
        rows = [
            RowTurns(row.offset, row.turns[chosen[row.turns]], row.lengths[chosen[row.turns]])
            for row in self.rows
            if chosen[row.turns].any()
        ]
        spans, singles = self.spans, self.singles
        spans_in, singles_in = chosen[spans.turn], chosen[singles.turn]
        return replace(
            self,
            rows=rows,
            spans=Spans(*(getattr(spans, each.name)[spans_in] for each in fields(spans))),
            singles=SingleShares(*(getattr(singles, each.name)[singles_in] for each in fields(singles))),
        )

    def are_in(self, chosen: Flags) -> Flags:
        """Return a flag per block: whether it has a share in a turn that is flagged in `chosen`."""
        found = np.zeros(len(self.block_ids), bool)
        found[self.singles.block[chosen[self.singles.turn]]] = True
        for row in self.rows:
            of_row = chosen[row.turns]
            if of_row.any():
                here = slice(row.offset, row.offset + int(row.lengths[of_row].max()))
                found[self.block[here][self.opens[here]]] = True
        return found

    def row_of(self, places: Ints) -> Ints:
        """Return which row each place is on."""
        offsets = np.array([row.offset for row in self.rows], np.int64)
        return np.searchsorted(offsets, places, side="right") - 1

    def turns_with(self, blocks: Sequence[int]) -> dict[int, tuple[int, ...]]:
        """Return, for some blocks by number, the turns in which they have a share, in order."""
        found: dict[int, set[int]] = {number: set() for number in blocks}
        wanted = np.zeros(len(self.block_ids), bool)
        wanted[list(blocks)] = True
        places = np.flatnonzero(wanted[self.block] & (self.tokens > 0))
        for place, row in zip(places.tolist(), self.row_of(places).tolist(), strict=True):
            on_row = self.rows[row]
            reach = on_row.turns[on_row.lengths > place - on_row.offset]
            found[int(self.block[place])].update(reach.tolist())
        alone = np.flatnonzero(wanted[self.singles.block] & (self.singles.place == NO_PLACE))
        for at in alone.tolist():
            found[int(self.singles.block[at])].add(int(self.singles.turn[at]))
        return {number: tuple(sorted(turns)) for number, turns in found.items()}

    def blocks_of(self, turns: Sequence[int]) -> list[str]:
        """Return the ids of the blocks that have a share in one of some turns."""
        chosen = np.zeros(self.turns, bool)
        chosen[list(turns)] = True
        return [self.block_ids[number] for number in np.flatnonzero(self.are_in(chosen)).tolist()]


def prompt_spans(attribution: Attribution, portions: Mapping[int, Portions]) -> PromptSpans:
    """Return the shares of a run as spans, in time that grows with its turns and not with their square.

    `portions` are, by turn, the classes with several prices, and the tokens of each.
    """
    collected = _Collected()
    for turn, shares in enumerate(attribution.shares):
        if isinstance(shares, TurnShares):
            collected.note_row(turn, shares)
    collected.number_places()
    for turn, shares in enumerate(attribution.shares):
        if isinstance(shares, TurnShares):
            collected.take(turn, shares, portions.get(turn, {}))
    return collected.spans(len(attribution.shares))


class _Collected:
    """The columns while they grow."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._rows: dict[int, tuple[PieceRow, list[int], list[int]]] = {}
        self._offsets: dict[int, int] = {}
        self._block, self._tokens, self._start = array("q"), array("q"), array("q")
        self._opens = bytearray()
        self._spans = tuple(array("q") for _ in range(5))
        self._singles = tuple(array("q") for _ in range(8))

    def note_row(self, turn: int, shares: TurnShares) -> None:
        """Note which row a turn's prompt lies on, and how far it reaches."""
        if shares.length:
            _, turns, lengths = self._rows.setdefault(id(shares.row), (shares.row, [], []))
            turns.append(turn)
            lengths.append(shares.length)

    def number_places(self) -> None:
        """Give every block of every row a place, as far as a prompt reaches."""
        for key, (row, _, lengths) in self._rows.items():
            self._offsets[key] = len(self._block)
            reach = max(lengths)
            self._block.extend(self._number(piece.block) for piece in row.pieces[:reach])
            self._tokens.extend(piece.tokens for piece in row.pieces[:reach])
            self._start.extend([0, *row.ends[: reach - 1]])
            seen: set[str] = set()
            for piece in row.pieces[:reach]:
                opens = piece.tokens > 0 and piece.block not in seen
                self._opens.append(opens)
                if opens:
                    seen.add(piece.block)

    def take(self, turn: int, shares: TurnShares, portions: Portions) -> None:
        """Add the spans and single shares of a turn."""
        offset = self._offsets.get(id(shares.row), 0)
        for span in shares.spans(portions):
            cls = CLASS_NUMBER[span.cls]
            if span.after > span.first:
                places = offset + span.first, offset + span.after
                _append(self._spans, turn, cls, span.portion, *places)
            for part in span.parts:
                place = NO_PLACE if part.place is None else offset + part.place
                number = self._number(part.block)
                _append(self._singles, turn, cls, span.portion, number, place, part.tokens, part.start, 0)
        left = {cls: list(tokens) for cls, tokens in portions.items()}
        for share in shares.output:
            cls, number = CLASS_NUMBER[share.cls], self._number(share.block)
            for portion, tokens in taken(left.get(share.cls), share.tokens):
                _append(self._singles, turn, cls, portion, number, NO_PLACE, tokens, share.start, share.count)

    def _number(self, block_id: str) -> int:
        return self._numbers.setdefault(block_id, len(self._numbers))

    def spans(self, turns: int) -> PromptSpans:
        """Return what was collected."""
        return PromptSpans(
            turns=turns,
            block_ids=list(self._numbers),
            rows=[
                RowTurns(self._offsets[key], np.array(turns, np.int64), np.array(lengths, np.int64))
                for key, (_, turns, lengths) in self._rows.items()
            ],
            block=_column(self._block),
            tokens=_column(self._tokens),
            start=_column(self._start),
            opens=np.frombuffer(bytes(self._opens), bool),
            spans=Spans(*map(_column, self._spans)),
            singles=SingleShares(*map(_column, self._singles)),
        )


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


def _append(columns: Sequence[array[int]], *values: int) -> None:
    for column, value in zip(columns, values, strict=True):
        column.append(value)


def _column(values: array[int]) -> Ints:
    return np.frombuffer(values, np.int64) if values else np.zeros(0, np.int64)
