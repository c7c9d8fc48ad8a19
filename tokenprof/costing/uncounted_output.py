"""What outputs without a final count probably cost beyond their counts: an estimate, never in the bill."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tokenprof.attribute.model import Size
from tokenprof.attribute.repeated_outputs import uncounted_tokens
from tokenprof.costing.ledger import Ledger
from tokenprof.pricing.book import Price


@dataclass(frozen=True, slots=True)
class UncountedOutput:
    """How many outputs a later prompt repeats, and what they hold beyond their counts.

    `rate_usd` is the mean price of a token; None if one of the outputs has no price.
    """

    turns: int
    tokens: Size
    rate_usd: Decimal | None

    def usd(self, tokens: int) -> Decimal | None:
        """Return what a number of these tokens costs [USD]."""
        return None if self.rate_usd is None else tokens * self.rate_usd


def uncounted_output(ledger: Ledger) -> UncountedOutput | None:
    """Return the estimate for all outputs of a run without a final count; None if no prompt repeats one."""
    estimates = ledger.attribution.output_estimates
    counted: list[int] = []
    cost: Decimal | None = Decimal(0)
    for index, size in estimates.items():
        usage, price = ledger.run.turns[index].usage, ledger.prices[index]
        known = usage.all_output_tokens if usage is not None else 0
        counted.append(known)
        rate = price.rates.get("output") if isinstance(price, Price) else None
        cost = None if rate is None or cost is None else cost + (size.tokens - known) * rate
    if not estimates:
        return None
    tokens = uncounted_tokens(counted, list(estimates.values()))
    rate_usd = cost / tokens.tokens if cost is not None and tokens.tokens else None
    return UncountedOutput(len(estimates), tokens, rate_usd)
