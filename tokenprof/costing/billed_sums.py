"""What blocks and classes were billed over a run, summed from spans and not from entries.

Tokens are counted per class and rate, as integers, and multiplied by the rate once at the end. So the money
of every block is exact, and all blocks together have the money of the bill, to the last decimal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from tokenprof.attribute import Attribution
from tokenprof.attribute.find_spans import find_spans
from tokenprof.attribute.prompt_spans import CLASS_NUMBER, NO_PLACE, Ints, PromptSpans
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import Run
from tokenprof.pricing.book import Price, Unpriced
from tokenprof.pricing.usage import CLASSES, TOKEN_CLASSES, Usage

NOTHING = Decimal(0)
FEE = CLASS_NUMBER["fee"]
TOKEN_CLASS_NAMES = tuple(cls.value for cls in TOKEN_CLASSES)

Prices = Sequence[Price | Unpriced | None]


@dataclass(slots=True)
class BilledSum:
    """What several entries were billed together.

    `known_usd` is the sum of the entries that have a price, `is_complete` whether that is all of them,
    `count` the number of uses that fees were charged for, `turns` how many turns had such an entry.
    """

    tokens: int = 0
    known_usd: Decimal = NOTHING
    is_complete: bool = True
    has_price: bool = False
    count: int = 0
    turns: int = 0

    @property
    def billed_usd(self) -> Decimal | None:
        """The sum; None if one of the entries has no price."""
        return self.known_usd if self.is_complete else None

    @property
    def at_least_usd(self) -> Decimal | None:
        """The part of the sum that is known; None if no entry has a price."""
        return self.known_usd if self.has_price or self.is_complete else None

    def add(self, tokens: int, billed_usd: Decimal | None, count: int = 0) -> None:
        """Add an entry: its tokens, its bill (None if it has no price), its uses if it is a fee."""
        self.tokens += tokens
        self.count += count
        if billed_usd is None:
            self.is_complete = False
        else:
            self.known_usd += billed_usd
            self.has_price = True


@frozen
class BilledRate:
    """A class and what one token of it (for a fee, one use) was billed [USD]; None if no price is known."""

    cls: str
    usd: Decimal | None

    def billed_usd(self, units: int) -> Decimal | None:
        """Return the bill for some tokens or uses."""
        return None if self.usd is None else self.usd * units


@frozen
class TurnClass:
    """What one turn was billed for one class. A fee has `count` uses and no tokens."""

    cls: str
    tokens: int
    billed_usd: Decimal | None
    count: int = 0


@frozen
class BilledSpans:
    """The spans of a run with their rates: `span_rate` and `single_rate` are indices of `rates`."""

    shares: PromptSpans
    rates: Sequence[BilledRate]
    span_rate: Ints
    single_rate: Ints

    @property
    def numbers(self) -> dict[str, int]:
        """The blocks' numbers by their ids."""
        return {block_id: number for number, block_id in enumerate(self.shares.block_ids)}

    def of_turns(self, turns: Sequence[int]) -> BilledSpans:
        """Return the spans of some turns alone, with the same numbers of turns, places and blocks."""
        chosen = np.zeros(self.shares.turns, bool)
        chosen[list(turns)] = True
        spans_in, singles_in = chosen[self.shares.spans.turn], chosen[self.shares.singles.turn]
        return BilledSpans(
            self.shares.of_turns(chosen), self.rates, self.span_rate[spans_in], self.single_rate[singles_in]
        )

    def whole_tokens(self, rate: int) -> Ints:
        """Return, for each place, the tokens that spans of a rate billed there over the run."""
        spans, chosen = self.shares.spans, self.span_rate == rate
        return coverage(spans.first[chosen], spans.after[chosen], len(self.shares.block)) * self.shares.tokens

    def tokens_by_place(self, rate: int) -> Ints:
        """Return, for each place, all tokens that were billed there at a rate."""
        tokens, singles = self.whole_tokens(rate), self.shares.singles
        cut = (self.single_rate == rate) & (singles.place != NO_PLACE)
        np.add.at(tokens, singles.place[cut], singles.tokens[cut])
        return tokens

    def units_by_block(self, rate: int) -> Ints:
        """Return, for each block, the tokens that it was billed for at a rate; for a fee, the uses."""
        found = np.zeros(len(self.shares.block_ids), np.int64)
        np.add.at(found, self.shares.block, self.whole_tokens(rate))
        singles, chosen = self.shares.singles, self.single_rate == rate
        units = singles.count if self.rates[rate].cls == "fee" else singles.tokens
        np.add.at(found, singles.block[chosen], units[chosen])
        return found

    def turns_by_block(self) -> Ints:
        """Return, for each block, how many turns were billed for it."""
        shares = self.shares
        found = np.zeros(len(shares.block_ids), np.int64)
        for row in shares.rows:
            reach = int(row.lengths.max())
            turns = coverage(np.zeros_like(row.lengths), row.lengths, reach)
            here = slice(row.offset, row.offset + reach)
            np.add.at(found, shares.block[here], turns * shares.opens[here])
        # What follows the row may be cut too, and still counts once per turn.
        alone = shares.singles.place == NO_PLACE
        pairs = shares.singles.turn[alone] * len(found) + shares.singles.block[alone]
        pairs.sort()
        is_first = np.diff(pairs, prepend=-1) > 0
        np.add.at(found, pairs[is_first] % max(len(found), 1), 1)
        return found


def coverage(first: Ints, after: Ints, places: int) -> Ints:
    """Return, for each place, how many of the intervals [first, after) cover it."""
    steps = np.zeros(places + 1, np.int64)
    np.add.at(steps, first, 1)
    np.add.at(steps, after, -1)
    return np.cumsum(steps)[:-1]


def turn_classes(usage: Usage | None, price: Price | Unpriced | None) -> tuple[TurnClass, ...]:
    """Return what a turn was billed for each class that it used, in the order of `CLASSES`."""
    if usage is None:
        return ()
    known = price if isinstance(price, Price) else None
    rates = {} if known is None else known.rates
    mixed = mixed_classes(price, usage)
    found = []
    for cls, tokens in zip(TOKEN_CLASS_NAMES, usage.token_counts(), strict=True):
        if not tokens:
            continue
        if cls in mixed:
            billed_usd: Decimal | None = sum((n * usd for n, usd in mixed[cls]), NOTHING)
        else:
            rate = rates.get(cls)
            billed_usd = None if rate is None else rate * tokens
        found.append(TurnClass(cls, tokens, billed_usd))
    for unit, count in usage.fees:
        rate = None if known is None else known.fee_rates.get(unit)
        found.append(TurnClass("fee", 0, None if rate is None else rate * count, count))
    return tuple(found)


def billed_together(classes: Iterable[TurnClass]) -> Decimal | None:
    """Return what the classes of one turn were billed together; None if one of them has no price."""
    total = NOTHING
    for each in classes:
        if each.billed_usd is None:
            return None
        total += each.billed_usd
    return total


def mixed_classes(
    price: Price | Unpriced | None, usage: Usage | None
) -> dict[str, tuple[tuple[int, Decimal], ...]]:
    """Return the (tokens, rate) of text, audio and images, for the classes of a turn that hold several."""
    if usage is None or not isinstance(price, Price) or not price.mixed:
        return {}
    parts = {cls: price.parts(cls, usage) for cls in price.mixed}
    return {str(cls): found for cls, found in parts.items() if found is not None}


def bill_spans(run: Run, attribution: Attribution, prices: Prices) -> BilledSpans:
    """Return the spans of a run with their rates."""
    mixed = {
        turn: found
        for turn, price in enumerate(prices)
        if (found := mixed_classes(price, run.turns[turn].usage))
    }
    portions = {
        turn: {cls: [tokens for tokens, _ in parts] for cls, parts in found.items()}
        for turn, found in mixed.items()
    }
    shares = find_spans(attribution, portions)
    rates = _Rates()
    by_turn = np.zeros((len(run.turns), len(CLASSES)), np.int64)
    of_price: dict[tuple[int, str], int] = {}
    for turn, (facts, price) in enumerate(zip(run.turns, prices, strict=True)):
        known = price.rates if isinstance(price, Price) else {}
        counts = () if facts.usage is None else facts.usage.token_counts()
        for at, tokens in enumerate(counts):
            if tokens:
                # A book answers with the same price as long as it holds, so its rates are written out once.
                key = id(price), TOKEN_CLASS_NAMES[at]
                if key not in of_price:
                    of_price[key] = rates.number(key[1], known.get(key[1]))
                by_turn[turn, at] = of_price[key]
    singles = shares.singles
    single_rate = by_turn[singles.turn, singles.cls]
    for at in np.flatnonzero(singles.cls == FEE).tolist():
        price = prices[int(singles.turn[at])]
        unit = attribution.blocks[shares.block_ids[int(singles.block[at])]].block.name
        known_fees = price.fee_rates if isinstance(price, Price) else {}
        single_rate[at] = rates.number("fee", known_fees.get(unit))
    span_rate = by_turn[shares.spans.turn, shares.spans.cls]
    for columns, numbers in ((shares.spans, span_rate), (singles, single_rate)):
        for at in np.flatnonzero(np.isin(columns.turn, list(mixed))).tolist():
            name = CLASSES[int(columns.cls[at])].value
            parts = mixed[int(columns.turn[at])].get(name)
            if parts is not None:
                numbers[at] = rates.number(name, parts[int(columns.portion[at])][1])
    return BilledSpans(shares, tuple(rates.found), span_rate, single_rate)


class _Rates:
    """Rates in the order in which they came, each once. 0.01 and 0.010 are two, as sums keep their digits."""

    def __init__(self) -> None:
        self.found: list[BilledRate] = []
        self._numbers: dict[tuple[str, str], int] = {}

    def number(self, cls: str, usd: Decimal | None) -> int:
        """Return the number of a class and rate."""
        key = cls, str(usd)
        if key not in self._numbers:
            self._numbers[key] = len(self.found)
            self.found.append(BilledRate(cls, usd))
        return self._numbers[key]


def sums_by_block(billed: BilledSpans) -> dict[str, BilledSum]:
    """Return what each block was billed over the run."""
    ids = billed.shares.block_ids
    sums: dict[str, BilledSum] = {}
    for number, turns in enumerate(billed.turns_by_block().tolist()):
        if turns:
            sums[ids[number]] = BilledSum(turns=turns)
    for at, rate in enumerate(billed.rates):
        units = billed.units_by_block(at)
        if rate.cls == "fee":
            chosen = np.flatnonzero(np.bincount(billed.shares.singles.block[billed.single_rate == at]))
        else:
            chosen = np.flatnonzero(units)
        for number, amount in zip(chosen.tolist(), units[chosen].tolist(), strict=True):
            if rate.cls == "fee":
                sums[ids[number]].add(0, rate.billed_usd(amount), amount)
            else:
                sums[ids[number]].add(amount, rate.billed_usd(amount))
    return sums


def sums_by_class(by_turn: Iterable[Iterable[TurnClass]]) -> dict[str, BilledSum]:
    """Return what each class was billed over the run."""
    sums: dict[str, BilledSum] = defaultdict(BilledSum)
    for classes in by_turn:
        for each in classes:
            sums[each.cls].add(each.tokens, each.billed_usd, each.count)
    return dict(sums)
