"""How serious it is to have spent an amount needlessly."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from tokenprof.analysis.findings.finding import Severity

HIGH_SHARE: Final = Decimal("0.10")
_MEDIUM_SHARE: Final = Decimal("0.02")


def share_of(amount_usd: Decimal | None, billed_usd: Decimal | None) -> Decimal:
    """Return an amount as a share of the bill; 0 if either is unknown or nothing was billed."""
    return amount_usd / billed_usd if amount_usd is not None and billed_usd else Decimal(0)


def severity_of(amount_usd: Decimal | None, billed_usd: Decimal | None) -> Severity:
    """Return how serious it is to have spent an amount needlessly."""
    share = share_of(amount_usd, billed_usd)
    return "high" if share >= HIGH_SHARE else "medium" if share >= _MEDIUM_SHARE else "low"
