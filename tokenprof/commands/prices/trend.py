"""`tokenprof prices trend`: what makers charged for their best model at each launch, and since."""

from __future__ import annotations

import argparse
import csv
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from tokenprof.commands.console.assumption_options import add_price_options, assumptions_of
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import add_format, emit, format_of, json_text
from tokenprof.commands.console.tables import Cell, table

if TYPE_CHECKING:
    from tokenprof.pricing.book import PriceBook

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


@dataclass(frozen=True, slots=True)
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
    from tokenprof.pricing.book import Price
    from tokenprof.pricing.usage import Usage

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


def run_trend(options: argparse.Namespace) -> int:
    """Print the table."""
    from tokenprof.analysis.assumptions import price_book

    found = launch_prices(price_book(assumptions_of(options)))
    if format_of(options) == "json":
        rows = [{name: _plain(value) for name, value in asdict(row).items()} for row in found]
        emit(json_text({"mix": AGENT_MIX, "launches": rows}))
        return OK
    heads = ("launched", "model", "input", "cached", "output", "agent", "to first")
    cells: list[tuple[Cell, ...]] = [
        (
            row.launched,
            row.model,
            float(row.input_usd_per_mtok),
            None if row.cached_usd_per_mtok is None else float(row.cached_usd_per_mtok),
            float(row.output_usd_per_mtok),
            float(row.agent_usd_per_mtok),
            f"{row.to_first:.3f}×",
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


def _plain(value: object) -> object:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value
