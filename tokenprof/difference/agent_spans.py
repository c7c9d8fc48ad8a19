"""What one agent was billed for: blocks as they came, blocks that were carried on, output and fees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

import numpy as np

from tokenprof.attribute.prompt_spans import CLASS_NUMBER, NO_PLACE, Flags, Ints, ranges
from tokenprof.costing.billed_sums import FEE, BilledSpans
from tokenprof.costing.first_bills import NEVER, new_places
from tokenprof.difference.cost_profile import Passage
from tokenprof.pricing.usage import OUTPUT_CLASSES

_OUTPUT = [CLASS_NUMBER[cls] for cls in OUTPUT_CLASSES]


class AgentSpans:
    """The spans of some turns. `lasting` is, by block number, the block that it is a wording of.

    A block enters in the first of the turns that is billed for any wording of it, and is carried later.
    """

    def __init__(self, billed: BilledSpans, lasting: Ints) -> None:
        self.billed, self._lasting = billed, lasting
        singles = billed.shares.singles
        self._is_output: Flags = np.isin(singles.cls, _OUTPUT)
        self._news = new_places(billed.shares.rows)
        self._entered = self._entry_turns()

    @property
    def prompt_blocks(self) -> Ints:
        """The blocks that were in a prompt, each once in whatever wording."""
        return np.flatnonzero(self._entered != NEVER)

    @property
    def output_blocks(self) -> Ints:
        """The blocks that were written."""
        written = self._lasting[self.billed.shares.singles.block[self._is_output]]
        return np.flatnonzero(np.bincount(written))

    def _entry_turns(self) -> Ints:
        """Return, by block, the turn in which it entered; `NEVER` if it was in no prompt."""
        shares = self.billed.shares
        turns, firsts, afters = self._news
        places, at = ranges(firsts, afters), np.repeat(turns, afters - firsts)
        filled = shares.tokens[places] > 0
        found = np.full(len(shares.block_ids), NEVER)
        np.minimum.at(found, self._lasting[shares.block[places[filled]]], at[filled])
        alone = (shares.singles.place == NO_PLACE) & ~self._is_output
        np.minimum.at(found, self._lasting[shares.singles.block[alone]], shares.singles.turn[alone])
        return found

    def passages(self, turns: Sequence[int]) -> Iterator[tuple[Passage, str, Decimal | None, Ints]]:
        """Yield what some of the turns were billed: passage, class, rate, and the units of each block.

        The rate is in USD per unit, None if it is not known; units are tokens or, of a fee, uses.
        """
        part = self.billed.of_turns(turns)
        singles = part.shares.singles
        is_output = np.isin(singles.cls, _OUTPUT)
        used = np.bincount(np.concatenate((part.span_rate, part.single_rate)))
        for number in np.flatnonzero(used).tolist():
            rate = part.rates[number]
            units = part.units_by_block(number)
            if rate.cls in OUTPUT_CLASSES:
                yield "output", rate.cls, rate.usd, units
            elif rate.cls == "fee":
                yield "fee", rate.cls, rate.usd, units
            else:
                chosen = (part.single_rate == number) & ~is_output & (singles.cls != FEE)
                entered = self._entered_units(part, part.span_rate == number, chosen)
                yield "entered", rate.cls, rate.usd, entered
                yield "carried", rate.cls, rate.usd, units - entered

    def _entered_units(self, part: BilledSpans, spans_in: Flags, singles_in: Flags) -> Ints:
        """Return, by block, the tokens of some spans and singles that were billed as the block entered."""
        shares, spans, singles = part.shares, part.shares.spans, part.shares.singles
        turns, firsts, afters = self._news
        new_from, new_to = np.full((2, shares.turns), -1)
        new_from[turns], new_to[turns] = firsts, afters
        turn = spans.turn[spans_in]
        first = np.maximum(spans.first[spans_in], new_from[turn])
        after = np.maximum(np.minimum(spans.after[spans_in], new_to[turn]), first)
        places = ranges(first, after)
        block = shares.block[places]
        enters = self._entered[self._lasting[block]] == np.repeat(turn, after - first)
        found = np.zeros(len(shares.block_ids), np.int64)
        np.add.at(found, block[enters], shares.tokens[places[enters]])
        own = singles_in & (self._entered[self._lasting[singles.block]] == singles.turn)
        np.add.at(found, singles.block[own], singles.tokens[own])
        return found
