"""What makers charged for their best model on the day after each launch."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from typing import Final

from tokenprof.data_classes.frozen import frozen
from tokenprof.pricing.book import Price, PriceBook
from tokenprof.pricing.usage import Usage

AGENT_MIX: Final = {
    "cache_read": "0.9543",
    "cache_write_5m": "0.0311",
    "uncached_input": "0.0102",
    "output": "0.0044",
}
"""Shares of tokens by class in 2.9 million requests of agents (an unverified export, 2026-09)."""


@frozen
class LaunchPrice:
    """List prices of a maker's best model on the day after its launch [USD per million tokens].

    `agent_usd_per_mtok` is a blend of classes as agents use them, `to_first` that over the blend of the
    maker's first row.
    """

    family: str
    model: str
    launched: str
    input_usd_per_mtok: Decimal
    cached_usd_per_mtok: Decimal | None
    output_usd_per_mtok: Decimal
    agent_usd_per_mtok: Decimal
    to_first: Decimal
    source: str


def launch_prices(book: PriceBook) -> list[LaunchPrice]:
    """Return the launches that the book has a price for, by maker and day."""
    text = (files("tokenprof.pricing") / "data" / "launches.csv").read_text("utf-8")
    found: list[LaunchPrice] = []
    first: dict[str, Decimal] = {}
    for row in csv.DictReader(text.splitlines()):
        day = datetime.fromisoformat(row["launched"]).replace(tzinfo=UTC) + timedelta(days=1)
        price = book.price(row["provider"], row["model"], day, Usage())
        if not isinstance(price, Price):
            continue
        rates = {cls: rate.scaleb(6) for cls, rate in price.rates.items()}
        fresh = rates["uncached_input"]
        parts = (Decimal(share) * rates.get(cls, fresh) for cls, share in AGENT_MIX.items())
        blend = sum(parts, Decimal(0))
        base = first.setdefault(row["family"], blend)
        found.append(
            LaunchPrice(
                row["family"],
                row["model"],
                row["launched"],
                fresh,
                rates.get("cache_read"),
                rates["output"],
                round(blend, 4),
                round(blend / base, 4),
                row["source"],
            )
        )
    return found
