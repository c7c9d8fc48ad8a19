"""`tokenprof reconcile`: a recording beside the provider's own usage and cost exports, class by class."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenprof.facts.errors import InputError

if TYPE_CHECKING:
    from tokenprof.facts.types import Run
    from tokenprof.pricing.book import PriceBook
    from tokenprof.pricing.reconcile.residuals import Charge, Residual

ALL_EXPLAINED, UNEXPLAINED = 0, 1


def add_commands(commands: Any) -> None:
    """Add `reconcile` to a parser's subcommands."""
    parser = commands.add_parser(
        "reconcile",
        help="a recording beside the provider's own export",
        description="Set a recording beside the provider's usage and cost exports, by day, model and class. "
        "Exit 0 if every difference is explained, 1 if one is not, 2 for input that cannot be read.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE|FOLDER", help="recordings")
    parser.add_argument(
        "--report",
        type=Path,
        action="append",
        required=True,
        metavar="EXPORT.json",
        help="a usage or cost export of Anthropic's Admin API or of OpenAI (repeatable: usage and costs)",
    )
    parser.add_argument(
        "--shared",
        action="store_true",
        help="others use the organisation too: what the export has beyond the record is expected",
    )
    parser.add_argument(
        "--prices", type=Path, action="append", default=[], metavar="FILE", help="a TOML overlay (repeatable)"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.set_defaults(run=run_reconcile)


def run_reconcile(options: argparse.Namespace) -> int:
    """Read both sides, print how they stand, and say by the exit code whether anything is unexplained."""
    from tokenprof.pricing.book import default_book
    from tokenprof.pricing.overlay_toml import OverlayError
    from tokenprof.pricing.reconcile.provider_exports import ReportError
    from tokenprof.reading.files import read

    try:
        book = default_book(options.prices)
        residuals = reconcile_run(read(options.files), options.report, book)
    except (OverlayError, ReportError) as error:
        raise InputError(str(error)) from error
    open_ones = unexplained(residuals, shared=options.shared)
    if options.format == "json":
        import orjson

        found = reconciliation_json(residuals, open_ones)
        sys.stdout.buffer.write(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    else:
        _say(residuals, open_ones)
    return UNEXPLAINED if open_ones else ALL_EXPLAINED


def reconcile_run(run: Run, reports: Sequence[Path], book: PriceBook) -> tuple[Residual, ...]:
    """Return every day, model and class that the run or the exports have, and how the two stand.

    Raises `ReportError` for an export that cannot be read.
    """
    from tokenprof.pricing.reconcile.provider_exports import load_report
    from tokenprof.pricing.reconcile.residuals import reconcile

    lines = [line for path in reports for line in load_report(path)]
    return reconcile(
        charges_of_run(run, book), lines, lambda provider, model: book.resolve(provider, model)[1] or model
    )


def charges_of_run(run: Run, book: PriceBook) -> Iterator[Charge]:
    """Yield what each measured turn of a run was billed, class by class; a turn without a price has none."""
    from tokenprof.pricing.book import UnknownTierError, Unpriced
    from tokenprof.pricing.reconcile.residuals import charges_of

    for turn in run.turns:
        if turn.usage is None:
            continue
        try:
            price = book.price(turn.provider, turn.model, turn.started_at, turn.usage, turn.selectors)
        except UnknownTierError as error:
            price = Unpriced(str(error), ())
        yield from charges_of(turn.provider, turn.model, turn.started_at, turn.usage, price)


def unexplained(residuals: Sequence[Residual], *, shared: bool = False) -> tuple[Residual, ...]:
    """Return what is left to look into; in a `shared` organisation, other people's traffic is not."""
    return tuple(item for item in residuals if not item.explained and not (shared and item.beyond_record))


def reconciliation_json(residuals: Sequence[Residual], open_ones: Sequence[Residual]) -> dict[str, Any]:
    """Return a reconciliation as JSON: money in decimal strings, null where a side states none."""
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


def _say(residuals: Sequence[Residual], open_ones: Sequence[Residual]) -> None:
    from tokenprof.pricing.reconcile.residuals import report_lines

    for line in report_lines(residuals):
        sys.stdout.write(f"{line}\n")
    matched = sum(item.kind == "matched" for item in residuals)
    sys.stdout.write(
        f"{len(residuals)} lines of day, model and class: {matched} match, "
        f"{len(residuals) - matched - len(open_ones)} are explained, {len(open_ones)} are not.\n"
    )
