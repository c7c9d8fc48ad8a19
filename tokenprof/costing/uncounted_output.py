"""What outputs without a final count probably cost beyond their counts: an estimate, never in the bill."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tokenprof.attribute.model import Size
from tokenprof.attribute.repeated_outputs import uncounted_tokens
from tokenprof.costing.ledger import Ledger
from tokenprof.data_classes.frozen import frozen
from tokenprof.pricing.book import Price


@frozen
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
    return uncounted_of(*counts_of_outputs(ledger))


def counts_of_outputs(ledger: Ledger) -> tuple[list[int], list[int], Decimal | None]:
    """Return the counts and the sizes of the outputs without a final count that a later prompt repeats.

    Also what the difference costs [USD]; None if one of the outputs has no price.
    """
    counted: list[int] = []
    repeated: list[int] = []
    cost: Decimal | None = Decimal(0)
    for index, size in ledger.attribution.output_estimates.items():
        usage, price = ledger.run.turns[index].usage, ledger.prices[index]
        known = usage.all_output_tokens if usage is not None else 0
        counted.append(known)
        repeated.append(size.tokens)
        rate = price.rates.get("output") if isinstance(price, Price) else None
        cost = None if rate is None or cost is None else cost + (size.tokens - known) * rate
    return counted, repeated, cost


def uncounted_of(
    counted: Sequence[int], repeated: Sequence[int], cost_usd: Decimal | None
) -> UncountedOutput | None:
    """Return the estimate for outputs with these counts and sizes; None if there are no outputs."""
    if not counted:
        return None
    tokens = uncounted_tokens(counted, repeated)
    rate_usd = cost_usd / tokens.tokens if cost_usd is not None and tokens.tokens else None
    return UncountedOutput(len(counted), tokens, rate_usd)
