"""`tokenprof prices trend`: what makers charged for their best model at each launch, and since."""

from __future__ import annotations

import argparse
import csv
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from typing import Any, Final

from tokenprof.commands.console.assumption_options import add_price_options, assumptions_of
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import add_format, emit, format_of, json_text
from tokenprof.commands.console.tables import Cell, table

AGENT_MIX: Final = {
    "cache_read": "0.9543",
    "cache_write_5m": "0.0311",
    "uncached_input": "0.0102",
    "output": "0.0044",
}
"""Shares of tokens by class in 2.9 million requests of agents (an unverified export, 2026-09)."""


def add_verb(verbs: Any) -> None:
    """Add `trend` to the verbs of `prices`."""
    trend = verbs.add_parser(
        "trend",
        help="price competition: what the best models cost at launch",
        description="Show list prices of each maker's best model on the day after its launch, and of a blend "
        "of token classes as agents have it.",
    )
    add_format(trend, ("text", "json"))
    add_price_options(trend)
    trend.set_defaults(run=run_trend)


def run_trend(options: argparse.Namespace) -> int:
    """Print the table."""
    from tokenprof.analysis.assumptions import price_book
    from tokenprof.pricing.book import Price
    from tokenprof.pricing.usage import Usage

    book = price_book(assumptions_of(options))
    text = (files("tokenprof.pricing") / "data" / "launches.csv").read_text("utf-8")
    found: list[dict[str, Cell]] = []
    first: dict[str, Decimal] = {}
    for row in csv.DictReader(text.splitlines()):
        day = datetime.fromisoformat(row["launched"]).replace(tzinfo=UTC) + timedelta(days=1)
        price = book.price(row["provider"], row["model"], day, Usage())
        if not isinstance(price, Price):
            continue
        rates = {cls: rate.scaleb(6) for cls, rate in price.rates.items()}
        fresh = rates["uncached_input"]
        blend = sum((Decimal(share) * rates.get(cls, fresh) for cls, share in AGENT_MIX.items()), Decimal(0))
        base = first.setdefault(row["family"], blend)
        cached = rates.get("cache_read")
        found.append(
            {
                "family": row["family"],
                "model": row["model"],
                "launched": row["launched"],
                "input_usd_per_mtok": float(fresh),
                "cached_usd_per_mtok": None if cached is None else float(cached),
                "output_usd_per_mtok": float(rates["output"]),
                "agent_usd_per_mtok": float(round(blend, 4)),
                "to_first": float(round(blend / base, 4)),
                "source": row["source"],
            }
        )
    if format_of(options) == "json":
        emit(json_text({"mix": AGENT_MIX, "launches": found}))
        return OK
    heads = ("launched", "model", "input", "cached", "output", "agent", "to first")
    cells = [
        (
            str(row["launched"]),
            str(row["model"]),
            row["input_usd_per_mtok"],
            row["cached_usd_per_mtok"],
            row["output_usd_per_mtok"],
            row["agent_usd_per_mtok"],
            f"{row['to_first']:.3f}×",
        )
        for row in found
    ]
    emit("List prices at launch, USD per million tokens\n\n" + table(heads, cells, left=(0, 1)))
    emit(
        "\nagent: a blend as agents use it, 95.4 % cache reads, 3.1 % writes, 1.0 % fresh input and\n"
        "0.4 % output; where caching has no price, cached tokens are charged as input. to first:\n"
        "against the first row of the same maker. Prices of the book on the day after the launch.\n"
    )
    return OK
