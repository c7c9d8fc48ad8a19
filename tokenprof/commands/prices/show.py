"""`tokenprof prices show MODEL`: the rates of a model at a time, and their source."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tokenprof.commands.console.assumption_options import add_price_options, assumptions_of
from tokenprof.commands.console.exit_codes import FOUND, OK
from tokenprof.commands.console.output import emit
from tokenprof.commands.console.tables import table
from tokenprof.commands.console.values import moment, whole_number
from tokenprof.facts.errors import InputError
from tokenprof.facts.near_names import did_you_mean

if TYPE_CHECKING:
    from tokenprof.pricing.book import PriceBook
    from tokenprof.pricing.rates import Price, Unpriced

MAKERS: Final = ("anthropic", "openai", "google")


def add_verb(verbs: Any) -> None:
    """Add `show` to the verbs of `prices`."""
    show = verbs.add_parser(
        "show",
        help="the rates of a model at a time",
        description="Show the rates of a model at a time, and their source. "
        "Exit code 0: priced; 1: unpriced; 2: bad input.",
    )
    show.add_argument("model", help="the model's id, exactly as a response names it; or PROVIDER/MODEL")
    show.add_argument(
        "--provider",
        metavar="NAME",
        help=f"who sells it (default: the first of {', '.join(MAKERS)} that does)",
    )
    show.add_argument("--at", type=moment, metavar="DAY", help="day or time, UTC (default: now)")
    show.add_argument(
        "--prompt-tokens",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="size of the prompt, for long-context rates (default: 0)",
    )
    show.add_argument("--service-tier", metavar="TIER", help="as served, e.g. flex or priority")
    show.add_argument("--speed", metavar="SPEED", help="as served, e.g. fast")
    show.add_argument("--inference-geo", metavar="PLACE", help="as served, e.g. us")
    show.add_argument("--batch", action="store_true", help="served as part of a batch")
    add_price_options(show)
    show.set_defaults(run=run_show)


def run_show(options: argparse.Namespace) -> int:
    """Print the rates of a model, or why it has none."""
    from tokenprof.analysis.assumptions import price_book
    from tokenprof.pricing.book import Price, Selectors
    from tokenprof.pricing.usage import Usage

    book = price_book(assumptions_of(options))
    selectors = Selectors(options.service_tier, options.speed, options.inference_geo, options.batch)
    at = options.at or datetime.now(UTC)
    usage = Usage(uncached_input_tokens=options.prompt_tokens)
    answers = [
        book.price(provider, model, at, usage, selectors) for provider, model in _sellers(options, book)
    ]
    answer = next((found for found in answers if isinstance(found, Price)), answers[0])
    emit(_priced(answer, at) if isinstance(answer, Price) else _unpriced(answer))
    return OK if isinstance(answer, Price) else FOUND


def known_sellers(book: PriceBook) -> tuple[str, ...]:
    """Return every name of a provider that the book knows."""
    return (*book.catalogue.providers(), *book.overlays.provider_aliases)


def require_seller(book: PriceBook, name: str) -> None:
    """Raise InputError with the near name for a provider that the book does not know."""
    stated = {provider for part in book.overlays.parts for provider in (row.provider for row in part.prices)}
    known = {*known_sellers(book), *stated}
    if name not in known:
        raise InputError(
            f"No provider is named {name!r} in the price book.{did_you_mean(name, known)} "
            "A price file can add it (--prices)."
        )


def _sellers(options: argparse.Namespace, book: PriceBook) -> list[tuple[str, str]]:
    """Return the (provider, model) pairs that a question may mean, the likeliest first."""
    if options.provider:
        require_seller(book, options.provider)
        return [(options.provider, options.model)]
    named, _, rest = options.model.partition("/")
    own = [(named, rest)] if rest and named in known_sellers(book) else []
    return [*own, *((maker, options.model) for maker in MAKERS)]


def _priced(price: Price, at: datetime) -> str:
    rates = [(f"  {cls}", per_mtok(rate)) for cls, rate in sorted(price.rates.items(), key=_class_order)]
    fees = [(f"  fee {name}", f"{amount(rate)} each") for name, rate in sorted(price.fee_rates.items())]
    lines = [
        f"  source: {price.source}",
        f"  since: {price.valid_from or 'not known'}, checked: {price.checked}",
        *(f"  note: {note}" for note in price.notes),
    ]
    head = f"{price.provider}/{price.model} at {at:%Y-%m-%d %H:%M} UTC, USD per million tokens\n"
    return head + table(("", ""), [*rates, *fees]) + "".join(f"{line}\n" for line in lines)


def _class_order(item: tuple[str, Decimal]) -> int:
    from tokenprof.pricing.usage import CLASSES

    return CLASSES.index(item[0])


def _unpriced(answer: Unpriced) -> str:
    return f"Unpriced: {answer.reason}\n" + "".join(f"  near: {row}\n" for row in answer.near)


def per_mtok(rate: Decimal | None) -> str:
    """Return a rate [USD per token] in USD per million tokens."""
    return "none" if rate is None else amount(rate.scaleb(6))


def amount(usd: Decimal | None) -> str:
    """Return an amount with every decimal it has, and at least two if it is whole."""
    if usd is None:
        return "none"
    plain = f"{usd.normalize():f}"
    return plain if "." in plain else f"{plain}.00"
