"""`tokenprof totals`: what was billed by month, project, model, tag, tool and more, exactly."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from tokenprof.commands.console.assumption_options import (
    add_assumption_options,
    assumptions_of,
    only_settings_of,
    require_effect,
    settings_of,
)
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.numpy_threads import load_numpy_without_threads
from tokenprof.commands.console.output import add_output, format_of, json_text, put, require_writable
from tokenprof.commands.console.plain_values import csv_table
from tokenprof.commands.console.store_options import add_store_option, store_of
from tokenprof.commands.console.values import file_path, whole_number
from tokenprof.commands.folders.totals_of_files import put_fleet_page, totals_of_files
from tokenprof.facts.errors import InputError

if TYPE_CHECKING:
    from tokenprof.analysis.assumptions import Assumptions
    from tokenprof.costing.served_hours import Serving
    from tokenprof.store.queries.priced_store import PricedStore
    from tokenprof.store.queries.totals import GroupTotal, StoreTotals

SUFFIXES: Final = {"csv": (".csv",), "html": (".html",)}


def add_commands(commands: Any) -> None:
    """Add `totals` to a parser's subcommands."""
    parser = commands.add_parser(
        "totals",
        help="what was billed by month, project, model, tag, tool, …",
        description="Sum what was billed, exactly. With files or folders and no --store, the logs are read; "
        "otherwise the store answers.",
    )
    parser.add_argument("paths", nargs="*", type=file_path, metavar="FILE|FOLDER")
    add_store_option(parser)
    parser.add_argument(
        "--by",
        action="append",
        default=[],
        metavar="NAMES",
        help="what to sum by, such as month,model or tag:team or tool (docs/store.md lists them)",
    )
    parser.add_argument(
        "--where", metavar="SQL", help="only turns that meet this, such as \"model = 'gpt-5'\""
    )
    parser.add_argument(
        "--limit", type=whole_number(1), metavar="N", help="show the N most expensive groups (default: all)"
    )
    parser.add_argument(
        "--jobs",
        type=whole_number(1),
        metavar="N",
        help="read files with N processes (default: as many as are worth it)",
    )
    parser.add_argument(
        "--compute",
        dest="with_compute",
        action="store_true",
        help="show what it cost to compute, beside what was billed",
    )
    add_output(parser, ("text", "json", "csv", "html"), SUFFIXES)
    add_assumption_options(parser)
    parser.set_defaults(run=run_totals)


def run_totals(options: argparse.Namespace) -> int:
    """Sum and print."""
    load_numpy_without_threads()
    form = format_of(options)
    if not options.with_compute:
        only_settings_of(options, ("seller",), "totals without --compute")
    require_effect(options, "chain", where="totals")
    if "model" in settings_of(options):
        raise InputError(
            "--set model has no effect on totals, which bills what was ingested; `tokenprof sweep RUN --over "
            "model=…` bills a run as another model's."
        )
    assumptions = assumptions_of(options)
    require_writable(options.output, [*options.paths, *assumptions.prices])
    store = store_of(options)

    from tokenprof.store.queries.dimensions import parse_dimensions
    from tokenprof.store.queries.engine import require_store_packages
    from tokenprof.store.schema.without_pandas import keep_pandas_out

    require_store_packages()
    keep_pandas_out()
    if form == "html" and (options.by or options.limit or options.with_compute):
        raise InputError(
            "The page shows what was billed by every dimension; leave --by, --limit and --compute out."
        )
    dimensions = parse_dimensions(options.by)
    is_of_files = bool(options.paths) and options.store is None
    if is_of_files:
        with_blocks = form == "html" or any(each.level == "block" for each in dimensions)
        opening: AbstractContextManager[PricedStore] = totals_of_files(
            options.paths, assumptions, options.jobs, with_blocks=with_blocks
        )
    else:
        from tokenprof.commands.folders.store_report import Asked, opened_store, totals_of_store

        asked = Asked(store, tuple(options.paths), assumptions)
        if form != "html" and options.where is None:
            # A condition may depend on the present time.
            _put(options, totals_of_store(asked, dimensions, with_compute=options.with_compute), form)
            return OK
        opening = nullcontext(opened_store(asked))
    with opening as opened:
        if form == "html":
            put_fleet_page(options.output, opened, options.where)
            return OK
        _put(options, opened.totals(dimensions, options.where, _serving(options, assumptions)), form)
        return OK


def _put(options: argparse.Namespace, found: StoreTotals, form: str) -> None:
    rows = found.rows[: options.limit] if options.limit else found.rows
    put(options.output, _rendered(found, rows, form))


def _serving(options: argparse.Namespace, assumptions: Assumptions) -> Serving | None:
    if not options.with_compute:
        return None
    from tokenprof.analysis.scenario import serving_of

    return serving_of(assumptions)


def _rendered(found: StoreTotals, rows: Sequence[GroupTotal], form: str) -> str | bytes:
    from tokenprof.commands.console.totals_output import totals_json, totals_text

    if form == "json":
        return json_text(totals_json(found, rows))
    if form == "csv":
        return _csv(found, rows)
    return totals_text(found, rows)


def _csv(found: StoreTotals, rows: Sequence[GroupTotal]) -> str:
    from tokenprof.commands.console.totals_output import group_cells

    with_turns = found.level == "turn"
    listed = [*rows] if found.dimensions else [found.whole]
    columns = [*found.dimensions, *group_cells(found, found.whole, with_turns=with_turns)]
    return csv_table(
        columns, ([*row.key, *group_cells(found, row, with_turns=with_turns).values()] for row in listed)
    )
