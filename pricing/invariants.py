"""What must hold of any price table, and a check that it holds of ours.

A wrong row rarely looks wrong by itself; it breaks a relation to other rows: a one-hour write that does not
cost twice the input, or a batch that costs more than the standard rate. `tokenprof prices check` and the
tests check the shipped overlays and the catalogue's rows of the same providers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from tokenprof.pricing.book import PriceBook, Unpriced
from tokenprof.pricing.overlay import EVERY_MODEL, Fee, Launch, Multiplier, PriceRow
from tokenprof.pricing.rates import Price, Rates
from tokenprof.pricing.selectors import Selectors
from tokenprof.pricing.usage import TokenClass, Usage

PROVIDERS = ("anthropic", "openai", "deepseek", "moonshotai")
"""The providers whose rows are checked against each other."""

KNOWN_EXCEPTIONS = {
    ("anthropic", "claude-3-haiku", "write_5m"): "listed at $0.30 where 1.25 x $0.25 is $0.3125",
    ("openai", "gpt-5-image-mini", "output"): "its output is images, which have their own price",
}
"""Rows that break a rule and are right, by provider, model and rule, each with the reason."""

ANTHROPIC_WRITES = {TokenClass.CACHE_WRITE_5M: Decimal("1.25"), TokenClass.CACHE_WRITE_1H: Decimal(2)}


@dataclass(frozen=True, slots=True)
class Violation:
    """A row that breaks a rule: the row, the rule's name, and what is wrong."""

    provider: str
    model: str
    rule: str
    detail: str


def check_book(book: PriceBook, on: date) -> tuple[Violation, ...]:
    """Return every violation in the book's rows as of a day, and in its overlays."""
    found = [
        *(violation for provider in PROVIDERS for violation in _check_provider(book, provider, on)),
        *_check_overlays(book, on),
    ]
    return tuple(
        violation
        for violation in found
        if (violation.provider, violation.model, violation.rule) not in KNOWN_EXCEPTIONS
    )


def _check_provider(book: PriceBook, provider: str, on: date) -> Iterator[Violation]:
    at = datetime(on.year, on.month, on.day, 12, tzinfo=UTC)
    for model in sorted({*book.catalogue.models(provider), *book.overlays.models(provider)}):
        prices = {
            size: book.price(provider, model, at, Usage(uncached_input_tokens=size))
            for size in (0, 150_000, 250_000, 900_000)
        }
        known = {size: price for size, price in prices.items() if isinstance(price, Price)}
        for size, price in known.items():
            for rule, detail in _check_rates(provider, price.rates):
                yield Violation(provider, model, rule, f"{detail} at a prompt of {size} tokens")
        for rule, detail in _check_bands(known):
            yield Violation(provider, model, rule, detail)
        batch = book.price(provider, model, at, Usage(), Selectors(batch=True))
        if isinstance(batch, Price) and 0 in known:
            for cls, rate in batch.rates.items():
                if rate > known[0].rates.get(cls, rate):
                    yield Violation(provider, model, "batch", f"{cls} costs more in a batch than outside")


def _check_rates(provider: str, rates: Rates) -> Iterator[tuple[str, str]]:
    fresh = rates.get(TokenClass.UNCACHED_INPUT)
    if fresh is None:
        return
    if rates.get(TokenClass.CACHE_READ, fresh) > fresh:
        yield "read", "a cache read costs more than fresh input"
    if rates.get(TokenClass.OUTPUT, fresh) < fresh:
        yield "output", "output costs less than input"
    if provider == "anthropic":
        for cls, factor in ANTHROPIC_WRITES.items():
            if cls in rates and rates[cls] != fresh * factor:
                yield cls.removeprefix("cache_"), f"{cls} is {rates[cls] / fresh} x input, not {factor} x"


def _check_bands(by_size: dict[int, Price]) -> Iterator[tuple[str, str]]:
    """A longer prompt never costs less per token, since a band holds for the whole request."""
    sizes = sorted(by_size)
    for small, large in pairwise(sizes):
        for cls, rate in by_size[small].rates.items():
            if by_size[large].rates.get(cls, rate) < rate:
                yield "band", f"{cls} costs less at {large} tokens than at {small}"


def _check_overlays(book: PriceBook, on: date) -> Iterator[Violation]:
    for part in book.overlays.parts:
        rows: list[Launch | PriceRow | Multiplier | Fee] = [
            *part.launches,
            *part.prices,
            *part.multipliers,
            *part.fees,
        ]
        for row in rows:
            if row.checked > on + timedelta(days=1):
                model = getattr(row, "model", "*")
                yield Violation(row.provider, model, "checked", f"{part.name}: checked in the future")
        for launch in part.launches:
            if launch.model == EVERY_MODEL:
                continue
            if book.resolve(launch.provider, launch.model)[1] != launch.model:
                yield Violation(launch.provider, launch.model, "launch", f"{part.name}: no row has this id")
            eve = datetime.combine(launch.day - timedelta(days=1), datetime.max.time(), tzinfo=UTC)
            if not isinstance(book.price(launch.provider, launch.model, eve, Usage()), Unpriced):
                yield Violation(launch.provider, launch.model, "launch", "priced on the eve of its launch")
            first = datetime.combine(launch.day, datetime.min.time(), tzinfo=UTC) + timedelta(hours=12)
            if isinstance(book.price(launch.provider, launch.model, first, Usage()), Unpriced):
                yield Violation(launch.provider, launch.model, "launch", "unpriced on the day of its launch")
