"""What planned calls are billed: calls of one price are added up before they are priced, which is exact."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Turn
from tokenprof.pricing.rates import ZERO, Price, Unpriced, total
from tokenprof.pricing.usage import INPUT_CLASSES, TokenClass, Usage
from tokenprof.whatif.geometry.replayed_usage import Counts, ReplayedCall, counts_of

if TYPE_CHECKING:
    from tokenprof.costing.ledger import Ledger
    from tokenprof.pricing.book import PriceBook


@frozen(eq=False)
class _Kind:
    """Calls of one model that are sold alike: above which prompt sizes its rates change, and prices so far.

    A price is known by its band of prompt sizes and the names of the fees.
    """

    band_starts: tuple[int, ...]
    prices: dict[tuple[object, ...], Price] = field(default_factory=dict)


@dataclass(slots=True)
class _AlikeCalls:
    """What calls of one price have in all, in the order of `INPUT_CLASSES`."""

    price: Price
    counts: list[int] = field(default_factory=lambda: [0] * len(INPUT_CLASSES))
    output_tokens: int = 0
    reasoning_tokens: int = 0
    fees: Counter[str] = field(default_factory=Counter)

    def add(self, counts: Counts, usage: Usage) -> None:
        for at, tokens in enumerate(counts):
            self.counts[at] += tokens
        self.output_tokens += usage.output_tokens
        self.reasoning_tokens += usage.reasoning_tokens
        for name, count in usage.fees:
            self.fees[name] += count

    @property
    def usd(self) -> Decimal:
        named = {f"{cls}_tokens": tokens for cls, tokens in zip(INPUT_CLASSES, self.counts, strict=True)}
        usage = Usage(
            **named,
            output_tokens=self.output_tokens,
            reasoning_tokens=self.reasoning_tokens,
            fees=tuple(sorted(self.fees.items())),
        )
        return total(self.price.amounts(in_classes_of(usage, self.price.rates)).values())


class PlannedBills:
    """Bills planned calls. A call with the recorded usage on the recorded model keeps its recorded bill."""

    def __init__(self, ledger: Ledger, book: PriceBook) -> None:
        self._ledger = ledger
        self._book = book
        self._kinds: dict[tuple[object, ...], _Kind] = {}
        self._kind_of_turn: dict[int, tuple[Turn, _Kind]] = {}
        self._hourly: dict[tuple[str, str], bool] = {}

    def usd(self, calls: Sequence[ReplayedCall]) -> Decimal:
        """Return what calls are billed in all [USD]. Raises `InputError` for a call that has no price."""
        groups: dict[int, _AlikeCalls] = {}
        amounts = []
        for each in calls:
            turn, planned = each.call.turn, each.call.usage
            recorded = self._ledger.run.turns[each.call.index]
            is_same = planned is recorded.usage or planned == recorded.usage
            is_same = is_same and each.counts == counts_of(planned)
            if is_same and (turn is recorded or _served_alike(turn, recorded)):
                amounts.append(self._ledger.billed_usd[each.call.index] or ZERO)
            elif planned.audio_input_tokens or planned.audio_output_tokens or planned.image_output_tokens:
                price = self._price(turn, each.usage)
                amounts += price.amounts(in_classes_of(each.usage, price.rates)).values()
            else:
                price = self._price_by_kind(each)
                groups.setdefault(id(price), _AlikeCalls(price)).add(each.counts, planned)
        return total([*amounts, *(group.usd for group in groups.values())])

    def class_usd(self, calls: Sequence[ReplayedCall], cls: TokenClass) -> Decimal:
        """Return what the tokens of one class in calls are billed [USD]; raises as `usd` does."""
        amounts = []
        for each in calls:
            price = self._price_by_kind(each)
            amounts.append(price.amounts(in_classes_of(each.usage, price.rates))[cls])
        return total(amounts)

    def _price_by_kind(self, each: ReplayedCall) -> Price:
        """Return the price of a call; those of one kind and one band of prompt sizes have the same."""
        turn = each.call.turn
        known = self._kind_of_turn.get(id(turn))
        if known is None or known[0] is not turn:
            known = self._kind_of_turn[id(turn)] = turn, self._kind_of(turn)
        kind = known[1]
        band = bisect_left(kind.band_starts, sum(each.counts))
        key = (band, *(name for name, _ in each.call.usage.fees))
        if key not in kind.prices:
            kind.prices[key] = self._price(turn, each.usage)
        return kind.prices[key]

    def _kind_of(self, turn: Turn) -> _Kind:
        sold = seller, model = turn.sold_by, turn.model
        if sold not in self._hourly:
            self._hourly[sold] = self._book.depends_on_hour(seller, model)
        at = turn.started_at.astimezone(UTC)
        key = seller, model, turn.selectors, at if self._hourly[sold] else at.date()
        if key not in self._kinds:
            self._kinds[key] = _Kind(self._asked(self._book.band_starts, turn))
        return self._kinds[key]

    def _price(self, turn: Turn, usage: Usage) -> Price:
        return cast(Price, self._asked(self._book.price, turn, usage))

    def _asked(self, ask: Callable[..., Any], turn: Turn, *usage: Usage) -> Any:
        """Return what the book says on the call's day, or on the book's day if the model came later."""
        from tokenprof.pricing.book import UnknownTierError

        as_of = self._book.describe().as_of
        later = [datetime.fromisoformat(as_of).replace(tzinfo=UTC)] if as_of else []
        reason = ""
        for at in (turn.started_at, *later):
            try:
                found = ask(turn.sold_by, turn.model, at, *usage, selectors=turn.selectors)
            except UnknownTierError as error:
                raise InputError(str(error)) from None
            if not isinstance(found, Unpriced):
                return found
            reason = reason or str(found)
        raise InputError(f"This has no price: {reason}")


def _served_alike(turn: Turn, recorded: Turn) -> bool:
    return (turn.provider, turn.model, turn.selectors) == (
        recorded.provider,
        recorded.model,
        recorded.selectors,
    )


def in_classes_of(usage: Usage, rates: Mapping[str, Decimal]) -> Usage:
    """Return usage in the classes that a price has rates for: not every provider bills cache writes."""
    counts: dict[str, int] = {f"{cls}_tokens": 0 for cls in INPUT_CLASSES}
    for cls in INPUT_CLASSES:
        tokens = usage.tokens_of(cls)
        fallback = (cls, *(other for other in _WRITES if cls in _WRITES), TokenClass.UNCACHED_INPUT)
        counts[f"{next((each for each in fallback if each in rates), cls)}_tokens"] += tokens
    return replace(usage, **cast(dict[str, Any], counts))


_WRITES: Final = tuple(cls for cls in INPUT_CLASSES if cls.startswith("cache_write"))
