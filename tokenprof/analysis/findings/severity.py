"""How serious it is to have spent an amount needlessly, and exact sums of money."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, localcontext
from typing import Final

from tokenprof.analysis.findings.finding import Severity

HIGH_SHARE: Final = Decimal("0.10")
_MEDIUM_SHARE: Final = Decimal("0.02")

_EXACT_DIGITS: Final = 200
"""More digits than any sum of billed amounts has, so that nothing is rounded."""


def share_of(amount_usd: Decimal | None, billed_usd: Decimal | None) -> Decimal:
    """Return an amount as a share of the bill; 0 if either is unknown or nothing was billed."""
    return amount_usd / billed_usd if amount_usd is not None and billed_usd else Decimal(0)


def severity_of(amount_usd: Decimal | None, billed_usd: Decimal | None) -> Severity:
    """Return how serious it is to have spent an amount needlessly."""
    share = share_of(amount_usd, billed_usd)
    return "high" if share >= HIGH_SHARE else "medium" if share >= _MEDIUM_SHARE else "low"


def exact_sum_usd(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Return the exact sum of the amounts that are known; None if none of them is."""
    known = [amount for amount in amounts if amount is not None]
    if not known:
        return None
    with localcontext() as context:
        context.prec = _EXACT_DIGITS
        return sum(known, Decimal(0)).normalize()
