"""`tokenprof prices trend`: what makers charged for their best model at each launch, and since."""

from __future__ import annotations

import argparse
from typing import Any

from tokenprof.commands.console.assumption_options import add_price_options, assumptions_of
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import add_format, emit, format_of, json_text
from tokenprof.commands.console.tables import Cell, table


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
    from dataclasses import asdict

    from tokenprof.analysis.assumptions import price_book
    from tokenprof.commands.prices.launch_prices import AGENT_MIX, launch_prices

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
        "\nagent: a blend as agents use it, 95.4 % cache reads, 3.1 % writes, 1.0 % fresh\n"
        "input and 0.4 % output; where caching has no price, cached tokens are charged as\n"
        "input. to first: against the first row of the same maker. Prices of the book on\n"
        "the day after the launch.\n"
    )
    return OK


def _plain(value: object) -> object:
    from decimal import Decimal

    return f"{value.normalize():f}" if isinstance(value, Decimal) else value
