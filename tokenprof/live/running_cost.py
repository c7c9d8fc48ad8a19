"""What a run has cost so far, for budgets that act while the agent is still running."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from tokenprof.analysis.assumptions import Assumptions, price_book
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import Block, Turn
from tokenprof.pricing.book import UnknownTierError
from tokenprof.pricing.rates import total


@frozen
class TurnCost:
    """A finished turn and the run's cost up to it.

    `turn_usd` is None if the turn is unpriced or unmeasured; `total_usd` is then the sum of the others,
    and `complete` False.
    """

    turn: Turn
    turn_usd: Decimal | None
    total_usd: Decimal
    complete: bool


class RunningCost:
    """Prices each turn as it ends and calls back. Loads the price book when made, not at a turn."""

    def __init__(self, callback: Callable[[TurnCost], None], assumptions: Assumptions):
        self._callback = callback
        self._book = price_book(assumptions)
        self._total_usd = Decimal(0)
        self._complete = True

    def __call__(self, turn: Turn, prompt: Sequence[Block]) -> None:
        """Price a finished turn and call back."""
        turn_usd = self._price(turn)
        self._complete = self._complete and turn_usd is not None
        self._total_usd = total((self._total_usd, turn_usd or Decimal(0)))
        self._callback(TurnCost(turn, turn_usd, self._total_usd, self._complete))

    def _price(self, turn: Turn) -> Decimal | None:
        if turn.usage is None:
            return None
        try:
            price = self._book.price(turn.sold_by, turn.model, turn.started_at, turn.usage, turn.selectors)
        except UnknownTierError:
            return None
        return price.usd(turn.usage)
