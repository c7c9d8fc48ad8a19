"""`tokenprof export`: what a store or files hold, in the formats of other tools."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tokenprof.commands.console.assumption_options import add_price_options, assumptions_of
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import emit, put, require_writable, say
from tokenprof.commands.console.plain_values import csv_table
from tokenprof.commands.console.store_options import add_store_option, store_of
from tokenprof.commands.console.values import choice, file_path, one_of
from tokenprof.facts.errors import InputError

if TYPE_CHECKING:
    from tokenprof.analysis.assumptions import Assumptions
    from tokenprof.store.queries.priced_store import PricedStore

FORMATS: Final = ("csv", "parquet", "focus", "prometheus")
VIEWS: Final = ("turns", "blocks", "calls", "ledger", "lines", "sessions", "fees", "logs")


def add_commands(commands: Any) -> None:
    """Add `export` to a parser's subcommands."""
    parser = commands.add_parser(
        "export",
        help="CSV, Parquet, FOCUS, Prometheus; spans to an OTLP backend",
        description="Write what a store holds in the format of another tool, or send the calls of logs as "
        "spans with their cost to an OpenTelemetry backend. Nothing is sent unless --otlp names one.",
    )
    parser.add_argument(
        "paths",
        nargs="*",
        type=file_path,
        metavar="FILE|FOLDER",
        help="only these logs; with --otlp, what to send",
    )
    add_store_option(parser)
    parser.add_argument("--to", type=one_of(FORMATS), metavar=choice(FORMATS), help="the format to write")
    parser.add_argument(
        "-o", "--output", type=file_path, metavar="FILE", help="write to this file (default: standard output)"
    )
    parser.add_argument(
        "--table",
        type=one_of(VIEWS),
        metavar="NAME",
        help=f"what CSV and Parquet hold: {', '.join(VIEWS)} (default: turns)",
    )
    parser.add_argument(
        "--by",
        action="append",
        default=[],
        metavar="NAMES",
        help="labels of the Prometheus metrics: model,tag:team",
    )
    parser.add_argument("--where", metavar="SQL", help="only turns that meet this")
    parser.add_argument(
        "--billing-account", metavar="ID", help="the account that is billed, which FOCUS demands"
    )
    parser.add_argument("--otlp", metavar="URL", help="send spans here, e.g. http://localhost:4318/v1/traces")
    parser.add_argument(
        "--header", action="append", default=[], metavar="NAME=VALUE", help="a header for --otlp (repeatable)"
    )
    add_price_options(parser)
    parser.set_defaults(run=run_export)


def run_export(options: argparse.Namespace) -> int:
    """Write or send."""
    _require_one_way(options)
    assumptions = assumptions_of(options)
    if options.otlp:
        _send(options, assumptions)
        return OK
    require_writable(options.output, [*options.paths, *assumptions.prices])
    store = store_of(options)

    import duckdb

    from tokenprof.store.queries.engine import sentence_of_sql_error

    try:
        _write(options, store, assumptions)
    except duckdb.Error as error:
        if not options.where:
            raise
        raise InputError(f"--where {options.where!r}: {sentence_of_sql_error(error)}") from error
    return OK


def _write(options: argparse.Namespace, store: Path | str, assumptions: Assumptions) -> None:
    if options.to == "focus":
        put(options.output, _focus(options, store, assumptions))
        return

    from tokenprof.analysis.assumptions import price_book
    from tokenprof.store.queries.priced_store import priced_store

    opened = priced_store(store, price_book(assumptions), seller=assumptions.seller, paths=options.paths)
    if options.to == "prometheus":
        from tokenprof.store.exports.prometheus import prometheus_text
        from tokenprof.store.queries.dimensions import parse_dimensions

        put(options.output, prometheus_text(opened, parse_dimensions(options.by), options.where))
    else:
        put(options.output, _table(opened, options))


def _require_one_way(options: argparse.Namespace) -> None:
    """Raise InputError unless the options name one thing to do, and nothing that has no effect on it."""
    if bool(options.to) == bool(options.otlp):
        raise InputError("Name what to do: --to csv, parquet, focus or prometheus, or --otlp URL.")
    if options.otlp and not options.paths:
        raise InputError("--otlp sends the calls of logs; name files or folders.")
    if options.to == "focus" and not options.billing_account:
        raise InputError("FOCUS demands the account that is billed; give --billing-account ID.")
    if options.to == "parquet" and options.output is None:
        raise InputError("Parquet is not text; name a file with -o.")
    for name, value, formats in (
        ("--table", options.table, ("csv", "parquet")),
        ("--by", options.by, ("prometheus",)),
        ("--billing-account", options.billing_account, ("focus",)),
        ("--header", options.header and not options.otlp, ()),
    ):
        if value and options.to not in formats:
            raise InputError(f"{name} has no effect here; leave it out.")


def _send(options: argparse.Namespace, assumptions: Assumptions) -> None:
    from tokenprof.analysis.assumptions import price_book
    from tokenprof.reading.usage_only import read_usage
    from tokenprof.store.exports.otlp_spans import send_spans

    headers = dict(_header(text) for text in options.header)
    run = read_usage(options.paths)
    sent = send_spans(run, price_book(assumptions), options.otlp, headers=headers, seller=assumptions.seller)
    emit(f"{sent.spans:,} spans sent to {options.otlp}, {sent.with_cost:,} of them with a cost.\n")


def _header(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InputError("--header needs a name and a value, such as --header authorization=…")
    return name, value


def _focus(options: argparse.Namespace, store: Path | str, assumptions: Assumptions) -> str:
    from tokenprof.analysis.assumptions import price_book
    from tokenprof.pricing.book import default_book
    from tokenprof.store.exports.focus import COLUMNS, focus_rows
    from tokenprof.store.queries.open_store import open_store

    found = focus_rows(
        open_store(store, options.paths),
        price_book(assumptions),
        default_book(),
        options.billing_account,
        seller=assumptions.seller,
        where=options.where,
    )
    if found.without_price:
        say(f"{found.without_price:,} groups have no known price and no row; the bill is at least this.")
    return csv_table(COLUMNS, ([row[name] for name in COLUMNS] for row in found.rows))


def _table(opened: PricedStore, options: argparse.Namespace) -> bytes:
    name = options.table or "turns"
    condition = f" WHERE log_id IN (SELECT log_id FROM turns WHERE {options.where})" if options.where else ""
    if options.where and name in ("turns", "lines"):
        condition = f" WHERE {options.where}"
    found = opened.arrow(f"SELECT * FROM {name}{condition}")
    if options.to == "parquet":
        import pyarrow.parquet as pq

        page = io.BytesIO()
        pq.write_table(found, page, compression="zstd")
        return page.getvalue()
    return csv_table(found.column_names, (row.values() for row in found.to_pylist())).encode()
