"""The ledger: turn × block × cache class → tokens and billed dollars, and the check that it is the bill."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from tokenprof.attribute import Attribution, attribute
from tokenprof.facts.types import Run
from tokenprof.pricing.usage import CLASSES

if TYPE_CHECKING:
    from tokenprof.pricing.book import Price, PriceBook, Unpriced

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """Tokens of one class on one block in one turn. `billed_usd` is None where no price is known.

    `start` is the position of the first token in the prompt (0 for output); `count` is of uses, for
    fees; `exact` says that the bill pins the tokens.
    """

    turn: int
    block: str
    cls: str
    tokens: int
    billed_usd: Decimal | None
    exact: bool
    start: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class Ledger:
    """A run with every billed token and dollar on a block.

    `entries` and `prices` are per turn, in the order of `run.turns`; the price of an unmeasured turn
    is None. `billed_usd` of a turn is None where it is unpriced, in whole or in part, or unmeasured.
    """

    run: Run
    attribution: Attribution
    entries: tuple[tuple[LedgerEntry, ...], ...]
    prices: tuple[Price | Unpriced | None, ...]
    billed_usd: tuple[Decimal | None, ...]

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


def build_ledger(run: Run, book: PriceBook, counts: Mapping[str, int] | None = None) -> Ledger:
    """Attribute a run and price it, each turn at its own time, model and tier as served.

    `counts`: see `tokenprof.attribute.counts`.
    """
    attribution = attribute(run, counts)
    prices = tuple(_price_of(run, index, book) for index in range(len(run.turns)))
    entries = tuple(_entries_of(attribution, index, prices[index], run) for index in range(len(run.turns)))
    billed = tuple(_total(run, index, turn_entries) for index, turn_entries in enumerate(entries))
    return Ledger(run, attribution, entries, prices, billed)


def _price_of(run: Run, index: int, book: PriceBook) -> Price | Unpriced | None:
    from tokenprof.pricing.book import UnknownTierError, Unpriced

    turn = run.turns[index]
    if turn.usage is None:
        return None
    try:
        return book.price(turn.provider, turn.model, turn.started_at, turn.usage, turn.selectors)
    except UnknownTierError as error:
        return Unpriced(str(error), ())


def _entries_of(
    attribution: Attribution, index: int, price: Price | Unpriced | None, run: Run
) -> tuple[LedgerEntry, ...]:
    from tokenprof.pricing.book import Unpriced

    known = None if price is None or isinstance(price, Unpriced) else price
    entries = []
    for share in attribution.shares[index]:
        billed: Decimal | None = None
        if known is not None:
            if share.cls == "fee":
                unit = attribution.blocks[share.block].block.name
                rate = known.fee_rates.get(unit)
                billed = None if rate is None else rate * share.count
            else:
                rate = known.rates.get(share.cls)
                billed = None if rate is None else rate * share.tokens
        entries.append(
            LedgerEntry(
                index, share.block, share.cls, share.tokens, billed, share.exact, share.start, share.count
            )
        )
    return tuple(entries)


def _total(run: Run, index: int, entries: Sequence[LedgerEntry]) -> Decimal | None:
    if run.turns[index].usage is None or any(entry.billed_usd is None for entry in entries):
        return None
    return sum((entry.billed_usd for entry in entries if entry.billed_usd is not None), NOTHING)
