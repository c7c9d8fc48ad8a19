"""Where the price classes of all turns lie, as a few intervals per turn and not as a share per block.

The prompts of a context extend one another along a row of blocks, and a price class is an interval of a
prompt. So a class of a turn covers consecutive blocks of the row, whole except where its ends cut a block.
What a block had of a class over its life is the number of intervals that cover it, times its size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

import numpy as np
import numpy.typing as npt

from tokenprof.data_classes.frozen import frozen
from tokenprof.pricing.usage import CLASSES

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Portions = Mapping[str, Sequence[int]]

CLASS_NUMBER = {cls.value: number for number, cls in enumerate(CLASSES)}
"""The place of each class in `CLASSES`; arrays hold these numbers."""

NO_PLACE = -1


@frozen
class RowTurns:
    """The measured turns whose prompts lie on one row, in order, and how many of its blocks each one sent.

    The row's blocks have the places from `offset` on.
    """

    offset: int
    turns: Ints
    lengths: Ints


@frozen
class Spans:
    """Intervals of places: all tokens at `first` to `after` - 1 had class `cls` in turn `turn`.

    `portion` numbers the prices of a class that has several in one turn.
    """

    turn: Ints
    cls: Ints
    portion: Ints
    first: Ints
    after: Ints


@frozen
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


@frozen
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

    def blocks_by(self, names: Sequence[str | None]) -> dict[str, set[str]]:
        """Return, for each name of a turn, the ids of the blocks that have a share in a turn of that name.

        `names` has one for each turn; turns without a name are left out.
        """
        found: dict[str, set[str]] = {name: set() for name in names if name}
        for row in self.rows:
            reach: dict[str | None, int] = {}
            for turn, length in zip(row.turns.tolist(), row.lengths.tolist(), strict=True):
                reach[names[turn]] = max(reach.get(names[turn], 0), length)
            for name, length in reach.items():
                if name:
                    here = slice(row.offset, row.offset + length)
                    opened = self.block[here][self.opens[here]].tolist()
                    found[name].update([self.block_ids[number] for number in opened])
        for turn, number in zip(self.singles.turn.tolist(), self.singles.block.tolist(), strict=True):
            if name := names[turn]:
                found[name].add(self.block_ids[number])
        return found


def ranges(first: Ints, after: Ints) -> Ints:
    """Return the numbers of the intervals [first, after), one after the other."""
    sizes = after - first
    starts = np.cumsum(sizes) - sizes
    numbers: Ints = np.arange(int(sizes.sum())) + np.repeat(first - starts, sizes)
    return numbers
