"""What every block was billed in its first turn. The rest of its bill is for being sent again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from functools import cached_property

import numpy as np

from tokenprof.attribute.prompt_spans import CLASS_NUMBER, NO_PLACE, Ints, RowTurns, ranges
from tokenprof.costing.billed_sums import NOTHING, BilledSpans
from tokenprof.data_classes.frozen import frozen

NEVER = np.iinfo(np.int64).max


@frozen
class BilledUnits:
    """Tokens by block and rate, as columns; for a fee, uses."""

    block: Ints
    rate: Ints
    units: Ints


class FirstBills:
    """The first turn that was billed for each place and each block, and the bill of blocks in it."""

    def __init__(self, billed: BilledSpans) -> None:
        self.billed = billed
        self._news = new_places(billed.shares.rows)

    @cached_property
    def turn_of_place(self) -> Ints:
        """The first turn whose prompt reached each place."""
        turns, firsts, afters = self._news
        found = np.zeros(len(self.billed.shares.block), np.int64)
        found[ranges(firsts, afters)] = np.repeat(turns, afters - firsts)
        return found

    @cached_property
    def turn_of_block(self) -> Ints:
        """The first turn that was billed for each block; `NEVER` if none was."""
        shares = self.billed.shares
        found = np.full(len(shares.block_ids), NEVER)
        billed = shares.tokens > 0
        np.minimum.at(found, shares.block[billed], self.turn_of_place[billed])
        alone = shares.singles.place == NO_PLACE
        np.minimum.at(found, shares.singles.block[alone], shares.singles.turn[alone])
        return found

    @cached_property
    def bills(self) -> BilledUnits:
        """What each block was billed in its first turn."""
        shares, spans, singles = self.billed.shares, self.billed.shares.spans, self.billed.shares.singles
        turns, firsts, afters = self._news
        new_from = np.full(int(turns.max(initial=-1)) + 1, -1)
        new_to = np.full_like(new_from, -1)
        new_from[turns], new_to[turns] = firsts, afters
        inside = spans.turn < len(new_from)
        turn, rate = spans.turn[inside], self.billed.span_rate[inside]
        first = np.maximum(spans.first[inside], new_from[turn])
        after = np.maximum(np.minimum(spans.after[inside], new_to[turn]), first)
        places, sizes = ranges(first, after), after - first
        block = shares.block[places]
        of_first = self.turn_of_block[block] == np.repeat(turn, sizes)
        own = self.turn_of_block[singles.block] == singles.turn
        is_fee = np.array([each.cls == "fee" for each in self.billed.rates], bool)
        units = np.where(is_fee[self.billed.single_rate], singles.count, singles.tokens)
        return BilledUnits(
            np.concatenate([block[of_first], singles.block[own]]),
            np.concatenate([np.repeat(rate, sizes)[of_first], self.billed.single_rate[own]]),
            np.concatenate([shares.tokens[places][of_first], units[own]]),
        )

    def resent_tokens(self, classes: Collection[str]) -> int:
        """Return the tokens of some prompt classes that were billed after the first turn of their block."""
        numbers = [CLASS_NUMBER[cls] for cls in classes]
        shares, spans, singles = self.billed.shares, self.billed.shares.spans, self.billed.shares.singles
        ends = np.concatenate([[0], np.cumsum(shares.tokens)])
        chosen = np.isin(spans.cls, numbers)
        total = int((ends[spans.after[chosen]] - ends[spans.first[chosen]]).sum())
        total += int(singles.tokens[np.isin(singles.cls, numbers)].sum())
        rates = [at for at, rate in enumerate(self.billed.rates) if rate.cls in classes]
        return total - int(self.bills.units[np.isin(self.bills.rate, rates)].sum())

    def first_amounts(self, blocks: Collection[int]) -> dict[int, list[Decimal | None]]:
        """Return the amounts that some blocks, given by number, were billed in their first turn."""
        wanted = np.zeros(len(self.billed.shares.block_ids), bool)
        wanted[list(blocks)] = True
        found: dict[int, list[Decimal | None]] = {number: [] for number in blocks}
        chosen = np.flatnonzero(wanted[self.bills.block]) if blocks else ()
        for at in chosen:
            rate = self.billed.rates[int(self.bills.rate[at])]
            found[int(self.bills.block[at])].append(rate.billed_usd(int(self.bills.units[at])))
        return found

    def billed_after(self, born_turns: Mapping[str, int]) -> Decimal | None:
        """Return what blocks were billed after the turn in which they came in; None if a price is missing."""
        # An empty place has no block.
        born = np.array([born_turns.get(each, NEVER) for each in self.billed.shares.block_ids], np.int64)
        at_birth = (self.turn_of_block == born)[self.bills.block]
        total = NOTHING
        for number, rate in enumerate(self.billed.rates):
            units = int(self.billed.units_by_block(number).sum())
            units -= int(self.bills.units[at_birth & (self.bills.rate == number)].sum())
            if not units:
                continue
            if rate.usd is None:
                return None
            total += rate.usd * units
        return total


def new_places(rows: Sequence[RowTurns]) -> tuple[Ints, Ints, Ints]:
    """Return the turns that reach further along their row than all before them, and the new places."""
    turns, firsts, afters = [], [], []
    for row in rows:
        furthest = np.maximum.accumulate(row.lengths)
        before = np.concatenate([[0], furthest[:-1]])
        further = furthest > before
        turns.append(row.turns[further])
        firsts.append(row.offset + before[further])
        afters.append(row.offset + furthest[further])
    return _joined(turns), _joined(firsts), _joined(afters)


def _joined(parts: Sequence[Ints]) -> Ints:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
