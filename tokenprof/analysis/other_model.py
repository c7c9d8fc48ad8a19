"""A run as if another model had taken its calls: the same tokens, in the classes that its seller bills."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run, Turn
from tokenprof.pricing.book import Price, PriceBook, UnknownTierError, Unpriced
from tokenprof.pricing.usage import Usage


def served_by_model(run: Run, name: str | None, book: PriceBook) -> Run:
    """Return a run whose calls went to another model, NAME or PROVIDER/NAME; None changes nothing.

    The counts are the recorded ones: another tokenizer would count the same text otherwise (`tokenprof
    whatif --if model=` takes that into account). A class that the seller does not bill, such as a cache
    write, is uncached input. A model that had no price yet is billed as if the run had been on the day of
    the price book, and a warning of the run says so. Raises InputError for a model without a price.
    """
    if name is None or not run.turns:
        return run
    later, said = timedelta(0), run.warnings
    as_of = book.describe().as_of
    if isinstance(_price(run.turns[0], name, book, later), Unpriced) and as_of:
        later = datetime.fromisoformat(as_of).replace(tzinfo=UTC) - run.turns[0].started_at
        said = (*said, f"{name} had no price when this run was made, so it is billed as on {as_of}.")
    turns = tuple(_moved(turn, name, book, later) for turn in run.turns)
    return replace(run, turns=turns, warnings=said)


def _named(turn: Turn, name: str) -> tuple[str, str]:
    from tokenprof.whatif.levers.other_model import provider_of

    host, slash, model = name.partition("/")
    return (host, model) if slash else (provider_of(name, turn.provider), name)


def _price(turn: Turn, name: str, book: PriceBook, later: timedelta) -> Price | Unpriced:
    provider, model = _named(turn, name)
    at = turn.started_at + later
    try:
        return book.price(provider, model, at, turn.usage or Usage(), turn.selectors)
    except UnknownTierError as error:
        return Unpriced(str(error))


def _moved(turn: Turn, name: str, book: PriceBook, later: timedelta) -> Turn:
    from tokenprof.whatif.planned_bill import in_classes_of

    provider, model = _named(turn, name)
    moved = replace(turn, provider=provider, model=model, seller=None, started_at=turn.started_at + later)
    if turn.usage is None:
        return moved
    price = _price(turn, name, book, later)
    if isinstance(price, Unpriced):
        raise InputError(f"model {name}: {price} Add its price with --prices, or name another model.")
    return replace(moved, usage=in_classes_of(turn.usage, price.rates))
