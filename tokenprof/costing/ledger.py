"""The ledger: every billed token and dollar of a run on a block, and the check that they add up to the bill.

A turn is billed for its whole prompt again, so the pairs of turn and block grow with the square of a run.
They are drawn up one turn at a time when somebody asks. A report needs only sums, which are made without the
pairs (`billed_sums`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, overload

from tokenprof.attribute import Attribution, attribute
from tokenprof.attribute.find_spans import taken
from tokenprof.attribute.model import Share
from tokenprof.costing.billed_sums import (
    NOTHING,
    BilledSpans,
    BilledSum,
    TurnClass,
    bill_spans,
    billed_together,
    mixed_classes,
    sums_by_block,
    sums_by_class,
    turn_classes,
)
from tokenprof.costing.first_bills import FirstBills
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import Run
from tokenprof.pricing.usage import CLASSES, INPUT_CLASSES

if TYPE_CHECKING:
    from tokenprof.pricing.book import Price, PriceBook, Unpriced


@frozen
class LedgerEntry:
    """Tokens of one class on one block in one turn. `billed_usd` is None if no price is known.

    `start` is the position of the first token in the prompt (0 for output); `count` is the number of uses
    that a fee is charged for; `exact` says that the bill pins the tokens.
    """

    turn: int
    block: str
    cls: str
    tokens: int
    billed_usd: Decimal | None
    exact: bool
    start: int = 0
    count: int = 0


@frozen(slots=False)
class Ledger:
    """A run with every billed token and dollar on a block.

    `prices`, `billed_usd` and `billed_classes` are per turn, in the order of `run.turns`; the price of an
    unmeasured turn is None. `billed_usd` of a turn is None if the turn is unmeasured or lacks a price for any
    of its tokens; `billed_classes` are those that it used.
    """

    run: Run
    attribution: Attribution
    prices: tuple[Price | Unpriced | None, ...]
    billed_usd: tuple[Decimal | None, ...] = ()
    billed_classes: tuple[tuple[TurnClass, ...], ...] = ()

    @cached_property
    def classes(self) -> Mapping[str, BilledSum]:
        """What each class was billed over the run."""
        return sums_by_class(self.billed_classes)

    @cached_property
    def blocks(self) -> Mapping[str, BilledSum]:
        """What each block was billed over the run, by its id."""
        return sums_by_block(self.spans)

    def classes_of(self, turn: int) -> tuple[TurnClass, ...]:
        """Return what a turn was billed for each class that it used."""
        return self.billed_classes[turn]

    @cached_property
    def spans(self) -> BilledSpans:
        """The shares of all turns as intervals of blocks, with their rates: what sums are made of."""
        return bill_spans(self.run, self.attribution, self.prices)

    @cached_property
    def first_bills(self) -> FirstBills:
        """What blocks were billed when they were first sent."""
        return FirstBills(self.spans)

    @property
    def entries(self) -> EntriesByTurn:
        """The entries of each turn, in prompt order and then output, drawn up at each access."""
        return EntriesByTurn(self)

    def check(self) -> None:
        """Assert conservation, turn by turn: Σ tokens = usage per class, Σ money = price × usage, exactly.

        Raises AssertionError naming the turn and the class.
        """
        from tokenprof.pricing.book import Unpriced

        for index, turn in enumerate(self.run.turns):
            entries = self.entries[index]
            if turn.usage is None:
                _require(not entries, f"turn {index} is unmeasured and has entries")
                continue
            tokens: dict[str, int] = defaultdict(int)
            money: dict[str, Decimal] = defaultdict(lambda: NOTHING)
            for entry in entries:
                tokens[entry.cls] += entry.tokens
                money[entry.cls] += entry.billed_usd or NOTHING
            for cls in CLASSES:
                billed = turn.usage.tokens_of(cls)
                _require(
                    tokens[cls] == billed,
                    f"turn {index}: entries hold {tokens[cls]} {cls} tokens, the usage {billed}",
                )
            price = self.prices[index]
            if self.billed_usd[index] is None or price is None or isinstance(price, Unpriced):
                continue
            amounts = price.amounts(turn.usage)
            for cls in CLASSES:
                due = amounts.get(cls, NOTHING)
                _require(
                    money[cls] == due,
                    f"turn {index}: entries bill {money[cls]} USD of {cls}, the price {due}",
                )
            total = sum(amounts.values(), NOTHING)
            _require(
                self.billed_usd[index] == total, f"turn {index}: billed {self.billed_usd[index]}, due {total}"
            )


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(f"The ledger does not add up: {otherwise}.")


class EntriesByTurn(Sequence[tuple[LedgerEntry, ...]]):
    """The entries of a ledger's turns, as a sequence that holds none of them."""

    __slots__ = ("_ledger",)

    def __init__(self, ledger: Ledger):
        self._ledger = ledger

    def __len__(self) -> int:
        return len(self._ledger.run.turns)

    def __iter__(self) -> Iterator[tuple[LedgerEntry, ...]]:
        return (self[index] for index in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> tuple[LedgerEntry, ...]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[tuple[LedgerEntry, ...], ...]: ...
    def __getitem__(
        self, index: int | slice
    ) -> tuple[LedgerEntry, ...] | tuple[tuple[LedgerEntry, ...], ...]:
        if isinstance(index, slice):
            return tuple(self[at] for at in range(*index.indices(len(self))))
        at = range(len(self))[index]
        return _entries_of(self._ledger, at, self._ledger.attribution.shares[at])

    def of_shares(self, index: int, shares: Iterable[Share]) -> tuple[LedgerEntry, ...]:
        """Return the entries of some shares of a turn: the first ones of its prompt, or its output."""
        return _entries_of(self._ledger, index, shares)


def build_ledger(run: Run, book: PriceBook, counts: Mapping[str, int] | None = None) -> Ledger:
    """Attribute a run and price it, each turn at its own time, model and tier as served.

    `counts`: see `tokenprof.attribute.counts`.
    """
    attribution = attribute(run, counts)
    prices = tuple(_price_of(run, index, book) for index in range(len(run.turns)))
    classes = tuple(turn_classes(turn.usage, price) for turn, price in zip(run.turns, prices, strict=True))
    billed_usd = tuple(
        None if turn.usage is None else billed_together(of_turn)
        for turn, of_turn in zip(run.turns, classes, strict=True)
    )
    return Ledger(run, attribution, prices, billed_usd, classes)


def _price_of(run: Run, index: int, book: PriceBook) -> Price | Unpriced | None:
    from tokenprof.pricing.book import UnknownTierError, Unpriced

    turn = run.turns[index]
    if turn.usage is None:
        return None
    try:
        return book.price(turn.sold_by, turn.model, turn.started_at, turn.usage, turn.selectors)
    except UnknownTierError as error:
        return Unpriced(str(error), ())


def _entries_of(ledger: Ledger, turn: int, shares: Iterable[Share]) -> tuple[LedgerEntry, ...]:
    from tokenprof.pricing.book import Price

    price = ledger.prices[turn]
    rates = price.rates if isinstance(price, Price) else {}
    fee_rates = price.fee_rates if isinstance(price, Price) else {}
    mixed = mixed_classes(price, ledger.run.turns[turn].usage)
    left = {cls: [tokens for tokens, _ in parts] for cls, parts in mixed.items()}
    entries = []
    for share in shares:
        start = share.start
        for portion, tokens in taken(left.get(share.cls), share.tokens):
            if share.cls == "fee":
                rate, units = fee_rates.get(ledger.attribution.blocks[share.block].block.name), share.count
            elif share.cls in mixed:
                rate, units = mixed[share.cls][portion][1], tokens
            else:
                rate, units = rates.get(share.cls), tokens
            billed = None if rate is None else rate * units
            entries.append(
                LedgerEntry(turn, share.block, share.cls, tokens, billed, share.exact, start, share.count)
            )
            start += tokens if share.cls in INPUT_CLASSES else 0
    return tuple(entries)
