"""`tokenprof query`: SQL over a store, with prices applied."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from tokenprof.commands.console.assumption_options import add_price_options, assumptions_of
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import add_output, format_of, json_text, put, require_writable
from tokenprof.commands.console.plain_values import csv_table, plain_decimal, plain_value
from tokenprof.commands.console.store_options import add_store_option, store_of
from tokenprof.commands.console.tables import Cell, table

SUFFIXES: Final = {"csv": (".csv",)}


def add_commands(commands: Any) -> None:
    """Add `query` to a parser's subcommands."""
    parser = commands.add_parser(
        "query",
        help="SQL over a store",
        description="Run one SELECT over the views of a store: turns, blocks, calls, ledger, lines, fees, "
        "sessions, logs (docs/store.md lists their columns).",
    )
    parser.add_argument("sql", metavar="SELECT")
    add_store_option(parser)
    add_output(parser, ("text", "json", "csv"), SUFFIXES)
    add_price_options(parser)
    parser.set_defaults(run=run_query)


def run_query(options: argparse.Namespace) -> int:
    """Run the query and print its rows."""
    form = format_of(options)
    assumptions = assumptions_of(options)
    require_writable(options.output, assumptions.prices)
    store = store_of(options)

    from tokenprof.analysis.assumptions import price_book
    from tokenprof.store.queries.engine import require_store_packages
    from tokenprof.store.queries.priced_store import priced_store
    from tokenprof.store.schema.without_pandas import keep_pandas_out

    require_store_packages()
    keep_pandas_out()
    opened = priced_store(store, price_book(assumptions), seller=assumptions.seller)
    columns, rows = opened.select(options.sql)
    if form == "json":
        found = [{name: plain_value(value) for name, value in zip(columns, row, strict=True)} for row in rows]
        put(options.output, json_text({"schema": "tokenprof.query/1", "columns": columns, "rows": found}))
    elif form == "csv":
        put(options.output, csv_table(columns, rows))
    else:
        put(options.output, _text(columns, rows))
    return OK


def _text(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    numeric = {
        place
        for place in range(len(columns))
        if all(row[place] is None or isinstance(row[place], int | float | Decimal) for row in rows)
    }
    left = [place for place in range(len(columns)) if place not in numeric or not rows]
    return table(columns, [[_cell(value) for value in row] for row in rows], left=left)


def _cell(value: Any) -> Cell:
    if isinstance(value, Decimal):
        return plain_decimal(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(plain_value(value))
