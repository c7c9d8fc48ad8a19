"""`tokenprof prices check`: whether the price rows hold together."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from tokenprof.commands.console.assumption_options import add_price_options, assumptions_of
from tokenprof.commands.console.exit_codes import FOUND, OK
from tokenprof.commands.console.output import emit
from tokenprof.commands.console.values import moment


def add_verb(verbs: Any) -> None:
    """Add `check` to the verbs of `prices`."""
    check = verbs.add_parser(
        "check",
        help="check the rows against each other",
        description="Check that the price rows hold together: writes, reads, bands, batches, dates. "
        "Exit code 0: they do; 1: a row breaks a rule; 2: bad input.",
    )
    check.add_argument("--at", type=moment, metavar="DAY", help="day or time, UTC (default: now)")
    add_price_options(check)
    check.set_defaults(run=run_check)


def run_check(options: argparse.Namespace) -> int:
    """Print the rows that break a rule."""
    from tokenprof.analysis.assumptions import price_book
    from tokenprof.pricing.invariants import check_book

    book = price_book(assumptions_of(options))
    violations = check_book(book, (options.at or datetime.now(UTC)).date())
    named = book.describe()
    lines = [f"{item.provider}/{item.model}: {item.detail} ({item.rule})" for item in violations]
    lines.append(f"{named.book} {named.version} as of {named.as_of}: {len(violations)} violations.")
    emit("".join(f"{line}\n" for line in lines))
    return FOUND if violations else OK
