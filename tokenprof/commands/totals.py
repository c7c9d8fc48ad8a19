"""`tokenprof totals`: what was billed by month, project, model, tag, tool and more, exactly."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tokenprof.commands.console.assumption_options import add_price_options, assumptions_of
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import add_output, format_of, json_text, put, require_writable
from tokenprof.commands.console.store_options import add_store_option, store_of
from tokenprof.commands.console.tables import table
from tokenprof.commands.console.values import file_path, whole_number

if TYPE_CHECKING:
    from tokenprof.analysis.assumptions import Assumptions
    from tokenprof.store.queries.priced_store import PricedStore
    from tokenprof.store.queries.totals import GroupTotal, StoreTotals

SUFFIXES: Final = {"csv": (".csv",)}
_AT_LEAST: Final = "at least "


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
    add_output(parser, ("text", "json", "csv"), SUFFIXES)
    add_price_options(parser)
    parser.set_defaults(run=run_totals)


def run_totals(options: argparse.Namespace) -> int:
    """Sum and print."""
    form = format_of(options)
    assumptions = assumptions_of(options)
    require_writable(options.output, [*options.paths, *assumptions.prices])
    store = store_of(options)

    from tokenprof.store.queries.dimensions import parse_dimensions

    dimensions = parse_dimensions(options.by)
    is_of_files = bool(options.paths) and options.store is None
    opened = (
        _of_files(options.paths, assumptions, with_blocks=any(each.level == "block" for each in dimensions))
        if is_of_files
        else _of_store(store, options.paths, assumptions)
    )
    found = opened.totals(dimensions, options.where)
    rows = found.rows[: options.limit] if options.limit else found.rows
    put(options.output, _rendered(found, rows, form))
    return OK


def _of_store(store: Path, paths: Sequence[Path], assumptions: Assumptions) -> PricedStore:
    from tokenprof.analysis.assumptions import price_book
    from tokenprof.store.queries.priced_store import priced_store

    return priced_store(store, price_book(assumptions), seller=assumptions.seller, paths=paths)


def _of_files(paths: Sequence[Path], assumptions: Assumptions, *, with_blocks: bool) -> PricedStore:
    from tokenprof.analysis.assumptions import price_book
    from tokenprof.store.queries.priced_files import priced_files

    return priced_files(paths, price_book(assumptions), seller=assumptions.seller, with_blocks=with_blocks)


def _rendered(found: StoreTotals, rows: Sequence[GroupTotal], form: str) -> str | bytes:
    if form == "json":
        return json_text(totals_json(found, rows))
    if form == "csv":
        return _csv(found, rows)
    return _text(found, rows)


def _text(found: StoreTotals, rows: Sequence[GroupTotal]) -> str:
    by_turn = found.level == "turn"
    heads = [*found.dimensions, *(_TURN_HEADS if by_turn else ["tokens"]), "billed USD"]
    cells = [[*(each or "-" for each in row.key), *_counts(row, by_turn), _money(row)] for row in rows]
    if by_turn or not rows:
        whole = ["total" if found.dimensions else "", *[""] * (len(found.dimensions) - 1)]
        cells.append([*whole[: len(found.dimensions)], *_counts(found.whole, True), _whole_money(found)])
        heads = [*found.dimensions, *_TURN_HEADS, "billed USD"]
    else:
        cells.append(
            [
                "total",
                *[""] * (len(found.dimensions) - 1),
                sum(row.tokens for row in found.rows),
                _AT_LEAST * found.is_lower_bound
                + plain_usd(sum((r.billed_usd for r in found.rows), Decimal(0))),
            ]
        )
    left = range(len(found.dimensions))
    shown = "" if len(rows) == len(found.rows) else f"{len(found.rows) - len(rows):,} more groups.\n"
    return table(heads, cells, left=left) + shown + "".join(f"{line}\n" for line in what_is_missing(found))


_TURN_HEADS: Final = ["turns", "prompt tokens", "cached", "output tokens"]


def _counts(row: GroupTotal, by_turn: bool) -> list[int | None]:
    if by_turn:
        return [row.turns, row.input_tokens, row.cache_read_tokens, row.output_tokens]
    return [row.tokens]


def _money(row: GroupTotal) -> str:
    nothing_known = row.turns is not None and row.turns == row.unpriced_turns + row.unmeasured_turns
    if nothing_known and row.is_lower_bound:
        return "unknown"
    return _AT_LEAST * row.is_lower_bound + plain_usd(row.billed_usd)


def _whole_money(found: StoreTotals) -> str:
    whole = _money(found.whole)
    return _AT_LEAST + whole if found.is_lower_bound and whole[:1].isdigit() else whole


def plain_usd(amount: Decimal) -> str:
    """Return an exact amount without zeros at its end, with two decimals at least."""
    text = format(amount, "f")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def what_is_missing(found: StoreTotals) -> list[str]:
    """Return a sentence for each thing that totals lack."""
    whole = found.whole
    counted = (
        (whole.unmeasured_turns, "{} reported no usage"),
        (whole.unpriced_turns, "{} used something that has no known price"),
        (whole.incomplete_output_turns, "{} ended before the final count of the output"),
    )
    lines = [
        f"{sentence.format('1 turn' if count == 1 else f'{count:,} turns')}; "
        "the bill is at least what is shown."
        for count, sentence in counted
        if count
    ]
    lines += [f"No price: {reason}" for reason in list(found.unpriced)[:3]]
    if found.missing_calls:
        lines.append(f"{found.missing_calls:,} calls could not be recorded and are in no total.")
    if found.unreadable_logs:
        lines.append(f"{found.unreadable_logs:,} logs could not be read and are in no total.")
    if found.warnings:
        lines.append(
            f"The readers of the logs gave {found.warnings:,} warnings; `tokenprof query` shows them:"
        )
        lines.append('  tokenprof query "SELECT source, warnings FROM logs WHERE len(warnings) > 0"')
    return lines


def totals_json(found: StoreTotals, rows: Sequence[GroupTotal]) -> dict[str, object]:
    """Return totals as JSON: money as decimal strings, what is missing in numbers."""
    return {
        "schema": "tokenprof.totals/1",
        "by": list(found.dimensions),
        "total": {
            **_row_json(found.whole, with_turns=True),
            "is_lower_bound": found.is_lower_bound,
            "missing_calls": found.missing_calls,
            "unreadable_logs": found.unreadable_logs,
            "warnings": found.warnings,
            "repeated_responses": found.repeated_responses,
        },
        "groups": [
            {
                **dict(zip(found.dimensions, row.key, strict=True)),
                **_row_json(row, with_turns=found.level == "turn"),
            }
            for row in rows
        ],
        "unpriced": found.unpriced,
    }


def _row_json(row: GroupTotal, *, with_turns: bool) -> dict[str, object]:
    usd = {"billed_usd": plain_usd(row.billed_usd), "is_lower_bound": row.is_lower_bound}
    if not with_turns:
        return {"tokens": row.tokens, **usd}
    return {
        "turns": row.turns,
        "input_tokens": row.input_tokens,
        "cache_read_tokens": row.cache_read_tokens,
        "output_tokens": row.output_tokens,
        "unpriced_turns": row.unpriced_turns,
        "unmeasured_turns": row.unmeasured_turns,
        "incomplete_output_turns": row.incomplete_output_turns,
        **usd,
    }


def _csv(found: StoreTotals, rows: Sequence[GroupTotal]) -> str:
    page = io.StringIO()
    with_turns = found.level == "turn"
    listed = [*rows] if found.dimensions else [found.whole]
    writer = csv.writer(page, lineterminator="\n")
    writer.writerow([*found.dimensions, *_row_json(found.whole, with_turns=with_turns)])
    for row in listed:
        cells = _row_json(row, with_turns=with_turns).values()
        writer.writerow([*(each or "" for each in row.key), *cells])
    return page.getvalue()
