"""`tokenprof prices diff`: what changed between two days, or what a second price map states otherwise."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenprof.commands.console.assumption_options import add_price_options, assumptions_of
from tokenprof.commands.console.exit_codes import FOUND, OK
from tokenprof.commands.console.failures import naming
from tokenprof.commands.console.output import emit
from tokenprof.commands.console.tables import table
from tokenprof.commands.console.values import file_path, moment
from tokenprof.commands.prices.show import amount, per_mtok, require_seller
from tokenprof.facts.errors import InputError

if TYPE_CHECKING:
    from tokenprof.pricing.book import PriceBook


def add_verb(verbs: Any) -> None:
    """Add `diff` to the verbs of `prices`."""
    diff = verbs.add_parser(
        "diff",
        help="what differs between two days, or from a second price map",
        description="List the rates that changed between two days, or that a second public price map "
        "(the file of an installed litellm, or one given) states otherwise. "
        "Exit code 0: nothing differs; 1: something does; 2: bad input.",
    )
    diff.add_argument(
        "--since", type=moment, metavar="DAY", help="list what changed from this day until --at"
    )
    diff.add_argument("--at", type=moment, metavar="DAY", help="day or time, UTC (default: now)")
    diff.add_argument(
        "--map",
        type=file_path,
        metavar="FILE",
        help="price map in litellm's form (default: that of an installed litellm)",
    )
    diff.add_argument(
        "--provider", action="append", metavar="NAME", help="only this provider (repeatable, default: all)"
    )
    add_price_options(diff)
    diff.set_defaults(run=run_diff)


def run_diff(options: argparse.Namespace) -> int:
    """Print what differs."""
    from tokenprof.analysis.assumptions import price_book

    at = options.at or datetime.now(UTC)
    if options.since and options.map:
        raise InputError("--since compares two days and --map two price maps; give one of the two.")
    if options.since and options.since >= at:
        raise InputError(
            f"--since {options.since:%Y-%m-%d} is not before {at:%Y-%m-%d}; give an earlier day."
        )
    book = price_book(assumptions_of(options))
    for provider in options.provider or ():
        require_seller(book, provider)
    if options.since:
        return _between_days(book, options.since, at, options.provider)
    return _between_maps(book, options.map, at, options.provider)


def _between_days(book: PriceBook, since: datetime, at: datetime, providers: Sequence[str] | None) -> int:
    changes = list(_changes(book, since, at, providers))
    nothing = f"No rate changed between {since.date()} and {at.date()}.\n"
    emit("".join(f"{change}\n" for change in changes) or nothing)
    return FOUND if changes else OK


def _changes(
    book: PriceBook, since: datetime, at: datetime, providers: Sequence[str] | None
) -> Iterable[str]:
    from tokenprof.pricing.book import Price
    from tokenprof.pricing.usage import Usage

    nothing = Usage()
    for provider in providers or book.catalogue.providers():
        for model in sorted({*book.catalogue.models(provider), *book.overlays.models(provider)}):
            before = book.price(provider, model, since, nothing)
            after = book.price(provider, model, at, nothing)
            old = before.rates if isinstance(before, Price) else {}
            new = after.rates if isinstance(after, Price) else {}
            changed = [cls for cls in {**old, **new} if old.get(cls) != new.get(cls)]
            if changed:
                parts = (f"{cls} {per_mtok(old.get(cls))} -> {per_mtok(new.get(cls))}" for cls in changed)
                yield f"{provider}/{model}: {', '.join(parts)}"


def _between_maps(book: PriceBook, given: Path | None, at: datetime, providers: Sequence[str] | None) -> int:
    from tokenprof.pricing.crosscheck import disagreements, installed_map, load_map

    path = given or installed_map()
    if path is None:
        raise InputError(
            "There is no second price map: install litellm, or give a file of its form with --map; "
            "--since compares two days instead."
        )
    with naming(path, "a price map in litellm's form"):
        other = load_map(path)
    rows = [
        (item.provider, item.model, item.cls, amount(item.ours), amount(item.theirs))
        for item in disagreements(book, other, at)
        if not providers or item.provider in providers
    ]
    heads = ("provider", "model", "class", "ours", "theirs")
    emit(table(heads, rows, left=range(3)) if rows else "The two price maps agree.\n")
    return FOUND if rows else OK
