"""`tokenprof reconcile`: a recording beside the provider's own usage and cost exports, class by class."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenprof.commands.console.assumption_options import add_price_options, assumptions_of
from tokenprof.commands.console.exit_codes import FOUND, OK
from tokenprof.commands.console.output import add_output, format_of, json_text, put, require_writable
from tokenprof.commands.console.tables import table
from tokenprof.commands.console.values import file_path

if TYPE_CHECKING:
    from decimal import Decimal

    from tokenprof.facts.types import Run
    from tokenprof.pricing.book import PriceBook
    from tokenprof.pricing.reconcile.residuals import Charge, Residual


def add_commands(commands: Any) -> None:
    """Add `reconcile` to a parser's subcommands."""
    parser = commands.add_parser(
        "reconcile",
        help="a recording beside the provider's own export",
        description="Set a recording beside the provider's usage and cost exports, by day, model and class. "
        "Exit code 0: every difference is explained; 1: one is not; 2: bad input.",
    )
    parser.add_argument("files", nargs="+", type=file_path, metavar="FILE|FOLDER", help="recordings")
    parser.add_argument(
        "--report",
        type=file_path,
        action="append",
        required=True,
        metavar="EXPORT.json",
        help="usage or cost export of Anthropic's Admin API or of OpenAI (repeatable: usage and costs)",
    )
    parser.add_argument(
        "--shared",
        action="store_true",
        help="others use the organisation too: expect the export to hold more than the recording",
    )
    add_output(parser, ("text", "json"))
    add_price_options(parser)
    parser.set_defaults(run=run_reconcile)


def run_reconcile(options: argparse.Namespace) -> int:
    """Read both sides, print how they compare; the exit code says whether a difference is unexplained."""
    from tokenprof.analysis.assumptions import price_book
    from tokenprof.reading.files import read

    form = format_of(options)
    assumptions = assumptions_of(options)
    require_writable(options.output, [*options.files, *options.report, *assumptions.prices])
    residuals = reconcile_run(read(options.files), options.report, price_book(assumptions))
    open_ones = unexplained(residuals, shared=options.shared)
    put(
        options.output,
        json_text(reconciliation_json(residuals, open_ones))
        if form == "json"
        else _text(residuals, open_ones),
    )
    return FOUND if open_ones else OK


def reconcile_run(run: Run, reports: Sequence[Path], book: PriceBook) -> tuple[Residual, ...]:
    """Return every day, model and class that the run or the exports have, and how the two compare.

    Raises `ReportError` or `InputError` for an export that cannot be read.
    """
    from tokenprof.pricing.reconcile.provider_exports import load_reports
    from tokenprof.pricing.reconcile.residuals import reconcile

    lines = load_reports(reports)
    return reconcile(
        charges_of_run(run, book), lines, lambda provider, model: book.resolve(provider, model)[1] or model
    )


def charges_of_run(run: Run, book: PriceBook) -> Iterator[Charge]:
    """Yield what each measured turn of a run was billed, by class; a turn without a price has no bill."""
    from tokenprof.pricing.book import UnknownTierError, Unpriced
    from tokenprof.pricing.reconcile.residuals import charges_of

    for turn in run.turns:
        if turn.usage is None:
            continue
        try:
            price = book.price(turn.sold_by, turn.model, turn.started_at, turn.usage, turn.selectors)
        except UnknownTierError as error:
            price = Unpriced(str(error), ())
        yield from charges_of(turn.provider, turn.model, turn.started_at, turn.usage, price)


def unexplained(residuals: Sequence[Residual], *, shared: bool = False) -> tuple[Residual, ...]:
    """Return what is left to look into; in a `shared` organisation, other people's traffic is not."""
    return tuple(item for item in residuals if not item.explained and not (shared and item.beyond_record))


def reconciliation_json(residuals: Sequence[Residual], open_ones: Sequence[Residual]) -> dict[str, Any]:
    """Return a reconciliation as JSON: money as decimal strings, null for what a side does not state."""
    from tokenprof.pricing.reconcile.residuals import summary
    from tokenprof.report.money import usd

    return {
        "schema": "tokenprof.reconciliation/1",
        "summary": [
            {"kind": kind, "lines": count, "charged_beyond_record_usd": usd(amount)}
            for kind, (count, amount) in sorted(summary(residuals).items())
        ],
        "unexplained": len(open_ones),
        "lines": [
            {
                "day": item.day.isoformat(),
                "provider": item.provider,
                "model": item.model,
                "class": item.cls,
                "record_tokens": item.our_tokens,
                "record_usd": usd(item.our_usd),
                "export_tokens": item.their_tokens,
                "export_usd": usd(item.their_usd),
                "residual_usd": usd(item.usd),
                "kind": item.kind,
                "explained": item not in open_ones,
                "explanation": item.explanation,
            }
            for item in residuals
        ],
    }


def _text(residuals: Sequence[Residual], open_ones: Sequence[Residual]) -> str:
    """Return the sums by kind of difference, every line that does not match, and what is left."""
    from tokenprof.pricing.reconcile.residuals import summary

    kinds = [
        (kind.replace("_", " "), count, f"{amount:+.6f}")
        for kind, (count, amount) in sorted(summary(residuals).items())
    ]
    text = table(("kind", "lines", "USD charged beyond the record"), kinds)
    differing = [
        (
            item.day.isoformat(),
            f"{item.provider}/{item.model}",
            item.cls,
            _side(item.our_tokens, item.our_usd),
            _side(item.their_tokens, item.their_usd),
            item.explanation,
        )
        for item in residuals
        if item.kind != "matched"
    ]
    if differing:
        heads = ("day", "model", "class", "recorded", "in the export", "explanation")
        text += "\n" + table(heads, differing, left=range(len(heads)))
    matched = sum(item.kind == "matched" for item in residuals)
    return text + (
        f"\n{len(residuals)} lines of day, model and class: {matched} match, "
        f"{len(residuals) - matched - len(open_ones)} are explained, {len(open_ones)} are not.\n"
    )


def _side(tokens: int | None, usd: Decimal | None) -> str:
    parts = (None if tokens is None else f"{tokens:,} tokens", None if usd is None else f"{usd} USD")
    return " and ".join(part for part in parts if part) or "nothing"
