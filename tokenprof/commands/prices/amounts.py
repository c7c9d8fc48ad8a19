"""Rates and amounts as the price commands print them: exact, never rounded."""

from __future__ import annotations

from decimal import Decimal


def per_mtok(rate: Decimal | None) -> str:
    """Return a rate [USD per token] in USD per million tokens."""
    return "none" if rate is None else amount(rate.scaleb(6))


def amount(usd: Decimal | None) -> str:
    """Return an amount with every decimal it has, and at least two if it is whole."""
    if usd is None:
        return "none"
    plain = f"{usd.normalize():f}"
    return plain if "." in plain else f"{plain}.00"
