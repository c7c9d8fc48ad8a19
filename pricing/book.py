"""The price book: what list prices and overlays say of one model at one time.

The answer is the rates that held at the time of the call for the tier it was served on, or `Unpriced` with
the reason. The book never guesses: an id must match exactly, a model has no price before it existed, and a
condition that nobody lists a rate for is not billed at the standard rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from tokenprof.pricing.catalogue import GenaiPrices, snapshot_date
from tokenprof.pricing.list_rows import Remember
from tokenprof.pricing.overlay import EVERY_MODEL, Launch, Multiplier, Overlays
from tokenprof.pricing.overlay_toml import load_overlay, shipped_overlays
from tokenprof.pricing.price_source import PriceSource
from tokenprof.pricing.rates import Band, Price, Quote, Unpriced, UnpricedError, scaled, with_media
from tokenprof.pricing.selectors import Selectors, UnknownTierError, price_context
from tokenprof.pricing.sellers import MAKERS, SHAPES, spellings
from tokenprof.pricing.usage import TokenClass, Usage

__all__ = [
    "Price",
    "PriceBook",
    "Selectors",
    "UnknownTierError",
    "Unpriced",
    "UnpricedError",
    "default_book",
]

CATALOGUE_AS_OF = {"0.2.3": date(2026, 11, 22)}
"""When a version of the catalogue was last compared with a second price map and with the vendors' pages."""

DEFAULT_WRITES = (TokenClass.CACHE_WRITE_5M, TokenClass.CACHE_WRITE_30M, TokenClass.CACHE_WRITE)
"""Writes with the shortest time to live that a provider offers, and those whose time to live is unknown."""

TTL_UNKNOWN_NOTE = "Cache writes of unknown time to live are priced at the rate of the shortest one."

NO_LAUNCH_NOTE = "No launch date is known; the listed rates are assumed to have held on this date."

_STANDARD = Selectors()


@dataclass(frozen=True, slots=True)
class _Answer:
    """A price for each band of prompt sizes, lowest first."""

    bands: tuple[tuple[Band, Price], ...]

    def at(self, prompt_tokens: int) -> tuple[Band, Price] | None:
        """Return the band of a prompt; None if all rows are for longer ones."""
        chosen = self.bands[0] if self.bands[0][0].above_tokens == 0 else None
        for band, price in self.bands:
            if prompt_tokens > band.above_tokens:
                chosen = band, price
        return chosen


class PriceBook:
    """List prices with overlays on top. Answers are kept, so asking again is a look-up."""

    def __init__(self, catalogue: GenaiPrices, overlays: Overlays):
        self.catalogue = catalogue
        self.overlays = overlays
        self._answers: dict[tuple[object, ...], _Answer | Unpriced] = {}

    def price(
        self, provider: str, model: str, at: datetime, usage: Usage, selectors: Selectors = _STANDARD
    ) -> Price | Unpriced:
        """Return the rates of a call, or why there are none.

        `provider` is a provider id (`anthropic`, `openai`, `aws`, …), `model` the id the response names,
        `at` when the call was made (a time without a zone is UTC). The prompt in `usage` decides the
        long-context band, for the whole request. Rates are in USD per token and may lack a class: see
        `Price.amounts`. Raises `UnknownTierError` if `selectors` holds a value that no price list knows.
        """
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        answer = self._answer(provider, model, at, selectors)
        if isinstance(answer, Unpriced):
            return answer
        found = answer.at(usage.input_tokens)
        if found is None:
            return Unpriced(
                f"The rows of {provider} '{model}' are for prompts of more than "
                f"{answer.bands[0][0].above_tokens} tokens ({answer.bands[0][1].source}). "
                "Add a [[price]] row without 'above_tokens' for shorter ones, from the same day."
            )
        price = with_media(*found, usage)
        if "request" in price.fee_rates and not any(name.startswith("request") for name, _ in usage.fees):
            return Unpriced(
                f"{provider} charges a fee per request for '{model}', which the recorded usage does not "
                'count. Record it as the fee ("request", 1).'
            )
        if usage.cache_write_tokens and TTL_UNKNOWN_NOTE not in price.notes:
            return replace(price, notes=(*price.notes, TTL_UNKNOWN_NOTE))
        return price

    def band_starts(
        self, provider: str, model: str, at: datetime, selectors: Selectors = _STANDARD
    ) -> tuple[int, ...] | Unpriced:
        """Return the prompt sizes [tokens] above which the rates of a call change, 0 first.

        Parameters and errors are those of `price`.
        """
        answer = self._answer(provider, model, at, selectors)
        if isinstance(answer, Unpriced):
            return answer
        return tuple(sorted({0, *(band.above_tokens for band, _ in answer.bands)}))

    def depends_on_hour(self, provider: str, model: str) -> bool:
        """Return whether the rates of a model differ by the time of day."""
        provider, row = self.resolve(provider, model)
        return row is not None and self._depends_on_hour(provider, row)

    def describe(self) -> PriceSource:
        """Return the book's name, version and date, and its overlays."""
        as_of = CATALOGUE_AS_OF.get(self.catalogue.version)
        return PriceSource(
            book=self.catalogue.name,
            version=self.catalogue.version,
            as_of=as_of.isoformat() if as_of else None,
            overlays=tuple(part.name for part in self.overlays.parts),
        )

    def resolve(self, provider: str, model: str) -> tuple[str, str | None]:
        """Return the provider id and the row id for a provider and a model; the row is None if there is none.

        A cloud that sells another company's models at list price, without rows of its own (Azure, Vertex),
        resolves to the maker's row.
        """
        provider = self._provider(provider)
        for name in spellings(provider, model):
            if found := self._row(provider, name):
                return found
        # A gateway's log names the seller in front of the model; an API's shape says nothing about the maker.
        prefix, _, rest = model.partition("/")
        if rest and (named := self._provider(prefix)) != provider:
            for name in spellings(named, rest):
                if found := self._row(named, name):
                    return found
        for maker in MAKERS if provider in SHAPES else ():
            if found := self._row(maker, model.removesuffix("[1m]")):
                return found
        return provider, None

    def _row(self, provider: str, model: str) -> tuple[str, str] | None:
        name = self.overlays.aliases.get((provider, model.lower()), model)
        # An alias may lead to another provider's row.
        other, _, row = name.partition("/")
        if name != model and row and name not in self.overlays.models(provider):
            return self._row(self._provider(other), row) or self._listed(provider, name)
        return self._listed(provider, name)

    def _listed(self, provider: str, name: str) -> tuple[str, str] | None:
        if name in self.overlays.models(provider):
            return provider, name
        for seller in (provider, *self.catalogue.makers(provider)):
            if row := self.catalogue.resolve(seller, name):
                return seller, row
        return None

    def _provider(self, name: str) -> str:
        return self.overlays.provider_aliases.get(name.lower(), name.lower())

    def launch(self, provider: str, model: str) -> Launch | None:
        """Return since when the model of a row can be called; None if no overlay says so.

        A host cannot have served a model before its maker did.
        """
        return self.overlays.launches.get((provider, model)) or self.overlays.original(model)

    def _answer(self, provider: str, model: str, at: datetime, selectors: Selectors) -> _Answer | Unpriced:
        # Almost every row depends on the day alone, so one answer serves all calls of that day.
        key = (provider, model, at.date(), selectors)
        found = self._answers.get(key) or self._answers.get((*key, at.hour, at.minute))
        if found is None:
            provider_id, row = self.resolve(provider, model)
            found = self._find(provider, model, at, selectors)
            by_minute = row is not None and self._depends_on_hour(provider_id, row)
            self._answers[(*key, at.hour, at.minute) if by_minute else key] = found
        return found

    def _depends_on_hour(self, provider: str, row: str) -> bool:
        if self.overlays.depends_on_hour(provider, row):
            return True
        return row in self.catalogue.models(provider) and self.catalogue.depends_on_hour(provider, row)

    def _find(self, seller: str, asked: str, at: datetime, selectors: Selectors) -> _Answer | Unpriced:
        context = price_context(selectors, self.overlays.conditions)
        seller = self._provider(seller)
        provider, row = self.resolve(seller, asked)
        if row is None:
            return Unpriced(
                f"No price row of {provider} is named '{asked}'. Ids match exactly or not at all; "
                "if it is another name of a known model, add an [[alias]] to an overlay.",
                self.catalogue.near(provider, asked),
            )
        if outside := self._outside_life(provider, asked, row, at.date()):
            return outside
        quote = self._quote(provider, row, at, context)
        if isinstance(quote, Unpriced):
            return quote
        if not self._launch_is_known(provider, asked, row):
            quote = replace(quote, notes=(*quote.notes, NO_LAUNCH_NOTE))
        if seller != provider:
            sells = provider in self.catalogue.makers(seller)
            note = (
                f"{seller} sells it at the list price of {provider}."
                if sells
                else f"{seller} has no row for it; this is the list price of {provider}."
            )
            quote = replace(quote, notes=(*quote.notes, note))
        return _Answer(self._price_bands(provider, quote, at.date()))

    def _outside_life(self, provider: str, asked: str, row: str, day: date) -> Unpriced | None:
        """Refuse a model that could not be called on that day: not yet, or no longer."""
        begins, known_from = self._begins(provider, asked, row)
        if begins and day < begins:
            return Unpriced(
                f"{provider} '{row}' has no price on {day}: it begins on {begins} ({known_from}).",
                (f"{provider}/{row} from {begins}",),
            )
        # A maker's retirement is not its hosts'.
        launch = self.overlays.launches.get((provider, row))
        if launch and launch.retired and day >= launch.retired:
            return Unpriced(
                f"{provider} '{row}' has no price on {day}: it was retired by {launch.retired} "
                f"({launch.source}).",
                (f"{provider}/{row} until {launch.retired}",),
            )
        return None

    def _begins(self, provider: str, asked: str, row: str) -> tuple[date | None, str]:
        """Return the first day that a model has a price for, and the source; None if no source says."""
        launch, snapshot = self.launch(provider, row), snapshot_date(asked)
        if launch and (snapshot is None or snapshot <= launch.day):
            return launch.day, launch.source
        if snapshot:
            return snapshot, "the date in its id"
        first = self.catalogue.first_dated(provider, row) if row in self.catalogue.models(provider) else None
        # A price announced for a later day says nothing about when the model began.
        if first and first <= CATALOGUE_AS_OF.get(self.catalogue.version, first):
            return first, "its first dated price row; no launch date is known"
        opened = self.overlays.launches.get((provider, EVERY_MODEL))
        return (opened.day, opened.source) if opened else (None, "")

    def _launch_is_known(self, provider: str, asked: str, row: str) -> bool:
        return self.launch(provider, row) is not None or snapshot_date(asked) is not None

    def _quote(self, provider: str, row: str, at: datetime, context: Mapping[str, str]) -> Quote | Unpriced:
        """Return the row's rates under the conditions of a call: as stated, else multiplied.

        A way of being served (a tier, a speed, a batch) combines with a region, not with another way.
        """
        if stated := self._stated(provider, row, at, context):
            return stated
        ways = {name: value for name, value in context.items() if name != "inference_geo"}
        quote = self._stated(provider, row, at, ways) if ways else None
        factors = {name: value for name, value in context.items() if quote is None or name not in ways}
        quote = quote or self._stated(provider, row, at, {})
        if quote is None:
            return Unpriced(f"No rate of {provider} '{row}' is known on {at.date()}.")
        for name, value in factors.items():
            premium = self.overlays.premium(provider, row, at.date(), (name, value))
            if premium is None or (name in ways and len(ways) > 1):
                served = " and ".join(f"{name} '{value}'" for name, value in context.items())
                return Unpriced(
                    f"No rate of {provider} '{row}' for {served} is known on {at.date()}, and the "
                    "standard rate is not it. If you have a contract, add a [[price]] row with that 'when' "
                    "to an overlay.",
                    (f"{provider}/{row} at the standard rate",),
                )
            quote = _multiplied(quote, premium)
        return quote

    def _stated(self, provider: str, row: str, at: datetime, context: Mapping[str, str]) -> Quote | None:
        if found := self.overlays.quote(provider, row, at, context):
            return found
        if row in self.catalogue.models(provider):
            return self.catalogue.quote(provider, row, at, context)
        return None

    def _price_bands(self, provider: str, quote: Quote, day: date) -> tuple[tuple[Band, Price], ...]:
        """Return a price per band. Fees of overlay rows prevail over [[fee]] rows, those over listed ones."""
        fees = self.overlays.fee_rates(provider, quote.model, day)
        for discount in self.overlays.discounts(provider, quote.model, day):
            quote = _multiplied(quote, discount)
        launch = self.launch(provider, quote.model)
        ours = quote.checked is not None
        bands = []
        for band in quote.bands:
            rates, fresh = dict(band.rates), TokenClass.UNCACHED_INPUT
            if provider in self.overlays.writes_as_input and TokenClass.CACHE_WRITE not in rates:
                rates |= {cls: rates[fresh] for cls in DEFAULT_WRITES if fresh in rates}
            price = Price(
                provider=provider,
                model=quote.model,
                rates=rates,
                fee_rates={**fees, **band.fee_rates} if ours else {**band.fee_rates, **fees},
                valid_from=quote.valid_from or (launch.day if launch else None),
                source=quote.source,
                checked=quote.checked or CATALOGUE_AS_OF.get(self.catalogue.version),
                notes=quote.notes,
            )
            bands.append((band, price))
        return tuple(bands)


def default_book(overlays: Sequence[Path] = (), remember: Remember | None = None) -> PriceBook:
    """Return the book of list prices with the shipped overlays and the user's on top.

    `remember` may keep the list prices of the installed package between processes. A later overlay prevails
    over an earlier one. Raises `OverlayError` for a file that cannot be used.
    """
    parts = (*shipped_overlays(), *(load_overlay(path) for path in overlays))
    return PriceBook(GenaiPrices(remember), Overlays(parts))


def _multiplied(quote: Quote, factor: Multiplier) -> Quote:
    bands = []
    for band in quote.bands:
        rates = scaled(band.rates, factor.factor, factor.classes)
        if factor.only_classes and factor.classes:
            rates = {cls: rate for cls, rate in rates.items() if cls in factor.classes}
        audio_rates = scaled(band.audio_rates, factor.factor, factor.classes)
        image_rates = scaled(band.image_rates, factor.factor, factor.classes)
        bands.append(replace(band, rates=rates, audio_rates=audio_rates, image_rates=image_rates))
    return replace(
        quote,
        bands=tuple(bands),
        source=f"{quote.source}; × {factor.factor}: {factor.source}",
        notes=(*quote.notes, *((factor.note,) if factor.note else ())),
    )
