"""A run as if another model had taken its calls: the same tokens, in the classes that its seller bills."""

from __future__ import annotations

from dataclasses import replace

from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run, Turn
from tokenprof.pricing.book import PriceBook, Unpriced


def served_by_model(run: Run, name: str | None, book: PriceBook) -> Run:
    """Return a run whose calls went to another model, NAME or PROVIDER/NAME; None changes nothing.

    The counts are the recorded ones: another tokenizer would count the same text otherwise (`tokenprof
    whatif --if model=` takes that into account). A class that the seller does not bill, such as a cache
    write, is uncached input. Raises InputError for a model without a price on the day of a call.
    """
    if name is None:
        return run
    return replace(run, turns=tuple(_moved(turn, name, book) for turn in run.turns))


def _moved(turn: Turn, name: str, book: PriceBook) -> Turn:
    from tokenprof.whatif.levers.other_model import provider_of
    from tokenprof.whatif.prediction import in_classes_of

    host, slash, model = name.partition("/")
    provider, model = (host, model) if slash else (provider_of(name, turn.provider), name)
    moved = replace(turn, provider=provider, model=model, seller=None)
    if turn.usage is None:
        return moved
    price = book.price(provider, model, turn.started_at, turn.usage, turn.selectors)
    if isinstance(price, Unpriced):
        raise InputError(f"model {name}: {price.reason} Add its price with --prices, or name another model.")
    return replace(moved, usage=in_classes_of(turn.usage, price.rates))
