"""`tokenprof prices`: look a price up, compare books or days, and check the shipped rows."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenprof.pricing.book import PriceBook
    from tokenprof.pricing.rates import Price, Unpriced

OK, FOUND, BAD_INPUT = 0, 1, 2
MAKERS = ("anthropic", "openai", "google")


def add_commands(subparsers: Any) -> None:
    """Add `prices show`, `prices diff` and `prices check` to a command line."""
    prices = subparsers.add_parser(
        "prices", help="look up, compare and check prices", description="Look up, compare and check prices."
    )
    commands = prices.add_subparsers(required=True, metavar="COMMAND")
    _add_show(commands)
    _add_diff(commands)
    _add_check(commands)


def _add_show(commands: Any) -> None:
    show = commands.add_parser(
        "show",
        help="the rates of a model at a time",
        description="Show the rates of a model at a time, and why.",
    )
    show.add_argument("model", help="the model's id, exactly as a response names it; or PROVIDER/MODEL")
    show.add_argument("--provider", help=f"default: the first of {', '.join(MAKERS)} that sells it")
    show.add_argument("--at", type=_moment, help="day or time, UTC (default: now)")
    show.add_argument(
        "--prompt-tokens", type=int, default=0, help="size of the prompt, for long-context rates"
    )
    show.add_argument("--service-tier", help="as served, e.g. flex or priority")
    show.add_argument("--speed", help="as served, e.g. fast")
    show.add_argument("--inference-geo", help="as served, e.g. us")
    show.add_argument("--batch", action="store_true", help="served as part of a batch")
    _add_overlay(show)
    show.set_defaults(run=run_show)


def _add_diff(commands: Any) -> None:
    diff = commands.add_parser(
        "diff",
        help="what differs between two days, or from a second price map",
        description="List the rates that changed between two days, or that a second public price map "
        "(the file of an installed litellm, or one given) states otherwise.",
    )
    diff.add_argument("--since", type=_moment, help="list what changed from this day until --at")
    diff.add_argument("--at", type=_moment, help="day or time, UTC (default: now)")
    diff.add_argument(
        "--map", type=Path, help="a price map in litellm's shape (default: that of an installed one)"
    )
    diff.add_argument("--provider", action="append", help="only this provider (repeatable)")
    _add_overlay(diff)
    diff.set_defaults(run=run_diff)


def _add_check(commands: Any) -> None:
    check = commands.add_parser(
        "check",
        help="check the rows against each other",
        description="Check that the price rows hold together: writes, reads, bands, batches, dates.",
    )
    check.add_argument("--at", type=_moment, help="day or time, UTC (default: now)")
    _add_overlay(check)
    check.set_defaults(run=run_check)


def _add_overlay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--prices", type=Path, action="append", default=[], metavar="FILE", help="a TOML overlay (repeatable)"
    )


def run_show(args: argparse.Namespace) -> int:
    """Print the rates of a model; exit 1 where it is unpriced, 2 where the question is wrong."""
    from tokenprof.pricing.book import Price, Selectors, UnknownTierError
    from tokenprof.pricing.usage import Usage, UsageError

    book = _book(args.prices)
    if book is None:
        return BAD_INPUT
    selectors = Selectors(args.service_tier, args.speed, args.inference_geo, args.batch)
    at = args.at or datetime.now(UTC)
    try:
        usage = Usage(uncached_input_tokens=args.prompt_tokens)
        answers = [
            book.price(provider, model, at, usage, selectors) for provider, model in _sellers(args, book)
        ]
    except (UnknownTierError, UsageError) as error:
        return _fail(error)
    answer = next((found for found in answers if isinstance(found, Price)), answers[0])
    _say(_price_lines(answer, at) if isinstance(answer, Price) else _unpriced_lines(answer))
    return OK if isinstance(answer, Price) else FOUND


def _sellers(args: argparse.Namespace, book: PriceBook) -> list[tuple[str, str]]:
    """Return the (provider, model) pairs that a question may mean, the likeliest first."""
    if args.provider:
        return [(args.provider, args.model)]
    named, _, rest = args.model.partition("/")
    known = (*book.catalogue.providers(), *book.overlays.provider_aliases)
    own = [(named, rest)] if rest and named in known else []
    return [*own, *((maker, args.model) for maker in MAKERS)]


def run_diff(args: argparse.Namespace) -> int:
    """Print what differs between two days, or from a second price map; exit 1 where anything does."""
    from tokenprof.pricing.crosscheck import PriceMapError, disagreements, installed_map, load_map

    book = _book(args.prices)
    if book is None:
        return BAD_INPUT
    at = args.at or datetime.now(UTC)
    if args.since:
        changes = list(_changes(book, args.since, at, args.provider))
        _say(changes or [f"No rate changed between {args.since.date()} and {at.date()}."])
        return FOUND if changes else OK
    path = args.map or installed_map()
    if path is None:
        return _fail("There is no second price map: install litellm, or give a file of its shape with --map.")
    try:
        found = list(disagreements(book, load_map(path), at))
    except PriceMapError as error:
        return _fail(error)
    rows = [
        (item.provider, item.model, item.cls, _money(item.ours), _money(item.theirs))
        for item in found
        if not args.provider or item.provider in args.provider
    ]
    _say(
        _table(("provider", "model", "class", "ours", "theirs"), rows)
        if rows
        else ["The two price maps agree."]
    )
    return FOUND if rows else OK


def run_check(args: argparse.Namespace) -> int:
    """Print the rows that break a rule; exit 1 where any does."""
    from tokenprof.pricing.invariants import check_book

    book = _book(args.prices)
    if book is None:
        return BAD_INPUT
    violations = check_book(book, (args.at or datetime.now(UTC)).date())
    described = book.describe()
    _say(f"{item.provider}/{item.model}: {item.detail} ({item.rule})" for item in violations)
    book_name = f"{described['book']} {described['version']} as of {described['as_of']}"
    _say([f"{book_name}: {len(violations)} violations."])
    return FOUND if violations else OK


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
                parts = (f"{cls} {_per_mtok(old.get(cls))} -> {_per_mtok(new.get(cls))}" for cls in changed)
                yield f"{provider}/{model}: {', '.join(parts)}"


def _price_lines(price: Price, at: datetime) -> list[str]:
    lines = [f"{price.provider}/{price.model} at {at:%Y-%m-%d %H:%M} UTC, USD per million tokens"]
    lines += [
        f"  {cls:<18}{_per_mtok(rate):>12}" for cls, rate in sorted(price.rates.items(), key=_class_order)
    ]
    lines += [f"  fee {name:<14}{_money(rate):>12} each" for name, rate in sorted(price.fee_rates.items())]
    lines += [
        f"  source: {price.source}",
        f"  since: {price.valid_from or 'not known'}, checked: {price.checked}",
    ]
    return lines + [f"  note: {note}" for note in price.notes]


def _class_order(item: tuple[str, Decimal]) -> int:
    from tokenprof.pricing.usage import CLASSES

    return CLASSES.index(item[0])


def _unpriced_lines(answer: Unpriced) -> list[str]:
    near = [f"  near: {row}" for row in answer.near]
    return [f"Unpriced: {answer.reason}", *near]


def _book(overlays: Sequence[Path]) -> PriceBook | None:
    from tokenprof.pricing.book import default_book
    from tokenprof.pricing.overlay_toml import OverlayError

    try:
        return default_book(overlays)
    except OverlayError as error:
        _fail(error)
        return None


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is not a day or time such as 2026-05-28") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _per_mtok(rate: Decimal | None) -> str:
    return "none" if rate is None else _money(rate.scaleb(6))


def _money(amount: Decimal | None) -> str:
    if amount is None:
        return "none"
    plain = f"{amount.normalize():f}"
    return plain if "." in plain else f"{plain}.00"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")


def _fail(error: object) -> int:
    sys.stderr.write(f"tokenprof prices: {error}\n")
    return BAD_INPUT
