"""What a call cost, as attributes of its span.

`gen_ai.usage.cost.amount`, `.currency` and `.source` are proposed to the GenAI conventions
(open-telemetry/semantic-conventions-genai, pull request 443). They are on calls only: a backend that sums
them over all spans would count a call again on each span above it, which is why names of their own are
discussed for sums (issue 19 there). Until there are any, a sum has names of ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from tokenprof.facts.adding import exact_sum_usd
from tokenprof.facts.types import Turn
from tokenprof.pricing.book import PriceBook, UnknownTierError

COST_AMOUNT: Final = "gen_ai.usage.cost.amount"
COST_CURRENCY: Final = "gen_ai.usage.cost.currency"
COST_SOURCE: Final = "gen_ai.usage.cost.source"
SUM_AMOUNT: Final = "tokenprof.aggregated.cost.amount"
"""What an agent's calls cost together with those of the agents that it called."""
SUM_CURRENCY: Final = "tokenprof.aggregated.cost.currency"
SUM_IS_COMPLETE: Final = "tokenprof.aggregated.cost.is_complete"
"""False if the cost of a call is not known, so that the sum is at least what was spent."""

CostAttributes = dict[str, str | float | bool]


def cost_of(turn: Turn, book: PriceBook, seller: str | None = None) -> tuple[Decimal | None, str]:
    """Return what a call cost [USD], and whether the provider says so or it was worked out here (`local`).

    None if any part of it has no known price. `seller` sold the calls that do not show who did.
    """
    if turn.stated_usd is not None:
        return turn.stated_usd, "provider"
    if turn.usage is None:
        return None, "local"
    try:
        sold_by = turn.seller or seller or turn.provider
        price = book.price(sold_by, turn.model, turn.started_at, turn.usage, turn.selectors)
    except UnknownTierError:
        return None, "local"
    return price.usd(turn.usage), "local"


def cost_attributes(amount: Decimal | None, source: str) -> CostAttributes:
    """Return the cost of a call as attributes; none of the three if it is not known."""
    if amount is None:
        return {}
    return {COST_AMOUNT: float(amount), COST_CURRENCY: "USD", COST_SOURCE: source}


def sum_attributes(amounts: Iterable[Decimal | None]) -> CostAttributes:
    """Return the cost of several calls as attributes; none if no cost is known."""
    all_amounts = list(amounts)
    total = exact_sum_usd(all_amounts)
    if total is None:
        return {}
    return {SUM_AMOUNT: float(total), SUM_CURRENCY: "USD", SUM_IS_COMPLETE: None not in all_amounts}
