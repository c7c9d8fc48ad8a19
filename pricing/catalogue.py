"""The list prices of the `genai-prices` package, read as quotes.

The package always answers something: the first row for a model before it existed, the row of a known id for
one that begins like it, the standard rate for an unknown tier. Here an id matches exactly or not at all, and
the caller refuses what a row's dates do not cover. Importing the package takes a third of a second, so it
happens when the first price is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches
from functools import cached_property
from importlib.metadata import version
from typing import Any

from tokenprof.pricing.rates import Band, Quote, per_piece
from tokenprof.pricing.usage import TokenClass

MTOK_CLASSES = {
    "input_mtok": (TokenClass.UNCACHED_INPUT,),
    "cache_read_mtok": (TokenClass.CACHE_READ,),
    "cache_write_5m_mtok": (TokenClass.CACHE_WRITE_5M,),
    "cache_write_1h_mtok": (TokenClass.CACHE_WRITE_1H,),
    "output_mtok": (TokenClass.OUTPUT, TokenClass.REASONING),
    "output_reasoning_mtok": (TokenClass.REASONING,),
}
"""The package's price keys per million tokens, and the classes that each one prices; later keys prevail."""

AUDIO_CLASSES = {"input_audio_mtok": TokenClass.UNCACHED_INPUT, "output_audio_mtok": TokenClass.OUTPUT}
"""The package's prices of audio, and the classes that audio is part of."""

IMAGE_CLASSES = {"output_image_mtok": TokenClass.OUTPUT}
"""The package's price of images that a model writes, and the class that they are part of."""

KCOUNT_FEES = {
    "web_searches_kcount": "web_search",
    "storage_searches_kcount": "file_search",
    "code_executions_kcount": "code_execution",
    "social_searches_kcount": "social_search",
    "requests_kcount": "request",
}
"""The package's price keys per thousand pieces, and our fee names."""

WRITES_LIVE_30M = frozenset({"openai", "azure"})
"""Providers whose only write price is that of a 30-minute write; for all others it is a 5-minute write."""

_SNAPSHOT = re.compile(r"[-@](20\d{2})-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])$")
_BEDROCK_VERSION = re.compile(r"-v\d+(:\d+)?$")


@dataclass(slots=True)
class _Names:
    """The names under which a provider's rows can be found."""

    exact: dict[str, str] = field(default_factory=dict)
    bases: dict[str, str] = field(default_factory=dict)
    patterns: list[tuple[re.Pattern[str], str]] = field(default_factory=list)


class GenaiPrices:
    """The bundled data of the installed `genai-prices`; nothing is fetched."""

    name = "genai-prices"

    @cached_property
    def version(self) -> str:
        """The installed version of the package."""
        return version("genai-prices")

    @cached_property
    def _providers(self) -> Mapping[str, Any]:
        from genai_prices.data import providers

        return {provider.id: provider for provider in providers}

    @cached_property
    def _models(self) -> dict[str, dict[str, Any]]:
        return {
            provider_id: {model.id: model for model in provider.models}
            for provider_id, provider in self._providers.items()
        }

    @cached_property
    def _names(self) -> dict[str, _Names]:
        return {provider_id: _names_of(provider.models) for provider_id, provider in self._providers.items()}

    def providers(self) -> tuple[str, ...]:
        """Return the ids of all providers that have rows."""
        return tuple(self._providers)

    def models(self, provider: str) -> tuple[str, ...]:
        """Return the ids of a provider's rows."""
        return tuple(self._models.get(provider, ()))

    def makers(self, provider: str) -> tuple[str, ...]:
        """Return the makers whose models a provider sells at the makers' own prices, beside its own rows."""
        info = self._providers.get(provider)
        return tuple(info.fallback_model_providers or ()) if info else ()

    def resolve(self, provider: str, ref: str) -> str | None:
        """Return the id of the row that `ref` names exactly, by an alias, or as a dated snapshot; or None."""
        names = self._names.get(provider)
        if names is None:
            return None
        ref = ref.lower()
        if found := names.exact.get(ref):
            return found
        for pattern, model in names.patterns:
            if pattern.fullmatch(ref):
                return model
        if snapshot_date(ref) and (found := names.bases.get(_SNAPSHOT.sub("", ref))):
            return found
        if provider == "aws":
            versionless = _BEDROCK_VERSION.sub("", ref)
            return names.bases.get(versionless) or names.bases.get(strip_snapshot(versionless))
        return None

    def near(self, provider: str, ref: str) -> tuple[str, ...]:
        """Return the rows whose names are similar to one that was not found, most similar first."""
        here = get_close_matches(ref.lower(), self.models(provider), n=3, cutoff=0.6)
        rows = [f"{provider}/{model}" for model in here]
        elsewhere = (other for other in self._providers if other != provider and self.resolve(other, ref))
        rows += [f"{other}/{self.resolve(other, ref)}" for other in elsewhere]
        return tuple(rows[:5])

    def depends_on_hour(self, provider: str, model: str) -> bool:
        """Return whether a row's price depends on the time of day."""
        return any(hasattr(constraint, "start_time") for constraint in self._constraints(provider, model))

    def first_dated(self, provider: str, model: str) -> date | None:
        """Return the date of the earliest dated row of a model; None if no row is dated."""
        return min(
            (
                constraint.start_date
                for constraint in self._constraints(provider, model)
                if hasattr(constraint, "start_date")
            ),
            default=None,
        )

    def quote(self, provider: str, model: str, at: datetime, context: Mapping[str, str]) -> Quote | None:
        """Return the rates of a row at a time; None if the row has no rates for the context.

        `context` is empty or one condition, such as `{"processing": "batch"}`.
        """
        info = self._models[provider][model]
        if context and not _has_variant(info, at, context):
            return None
        prices = info.get_prices(at, dict(context) or None)
        pages = self._providers[provider].pricing_urls or ["no page named"]
        return Quote(
            model=model,
            bands=_bands(prices.__dict__, thirty_minutes=provider in WRITES_LIVE_30M),
            valid_from=self._valid_from(provider, model, at),
            source=f"genai-prices {self.version}: {pages[0]}",
        )

    def _constraints(self, provider: str, model: str) -> Iterator[Any]:
        prices = self._models[provider][model].prices
        if isinstance(prices, list):
            yield from (row.constraint for row in prices if row.constraint is not None)

    def _valid_from(self, provider: str, model: str, at: datetime) -> date | None:
        starts = (
            getattr(constraint, "start_date", None) for constraint in self._constraints(provider, model)
        )
        return max((start for start in starts if start and start <= at.date()), default=None)


def snapshot_date(ref: str) -> date | None:
    """Return the date in a model id's snapshot suffix (`-20251101`, `@20251101`, `-2025-11-01`), if any."""
    found = _SNAPSHOT.search(ref)
    if not found:
        return None
    try:
        return date(*map(int, found.groups()))
    except ValueError:
        return None


def strip_snapshot(ref: str) -> str:
    """Return a model id without its snapshot date, if it has one."""
    return _SNAPSHOT.sub("", ref) if snapshot_date(ref) else ref


def _names_of(models: list[Any]) -> _Names:
    names = _Names()
    for model in models:
        for kind, text in _clauses(model.match):
            if kind == "equals":
                names.exact.setdefault(text, model.id)
            elif kind == "regex" and text.startswith("^") and text.endswith("$"):
                names.patterns.append((re.compile(text), model.id))
            elif kind in ("starts_with", "contains", "ends_with") and re.search(r"[a-z0-9]$", text):
                names.bases.setdefault(text, model.id)
    names.exact.update({model.id.lower(): model.id for model in models})
    names.bases = {**names.bases, **names.exact}
    return names


def _clauses(match: Any) -> Iterator[tuple[str, str]]:
    """Yield the leaves of a match rule; one with several conditions at once names nothing exactly."""
    if hasattr(match, "or_"):
        for clause in match.or_:
            yield from _clauses(clause)
    elif not hasattr(match, "and_"):
        for kind, text in vars(match).items():
            yield kind, text.lower()


def _has_variant(info: Any, at: datetime, context: Mapping[str, str]) -> bool:
    return any(
        variant.when == dict(context) and (variant.constraint is None or variant.constraint.active(at))
        for variant in info.price_variants or ()
    )


def _bands(prices: Mapping[str, Any], *, thirty_minutes: bool) -> tuple[Band, ...]:
    """Return one band per prompt-size limit that any of the prices names."""
    limits = {0}
    for price in prices.values():
        limits.update(tier.start for tier in getattr(price, "tiers", ()))
    return tuple(_band(prices, limit, thirty_minutes) for limit in sorted(limits))


def _band(prices: Mapping[str, Any], above_tokens: int, thirty_minutes: bool) -> Band:
    at_size = {
        key: _price_above(price, above_tokens)
        for key, price in prices.items()
        if price is not None and not key.startswith("_")
    }
    rates: dict[str, Decimal] = {}
    if (write := at_size.get("cache_write_mtok")) is not None:
        default_write = TokenClass.CACHE_WRITE_30M if thirty_minutes else TokenClass.CACHE_WRITE_5M
        rates |= dict.fromkeys((default_write, TokenClass.CACHE_WRITE), per_piece(write, 6))
    for key, classes in MTOK_CLASSES.items():
        if key in at_size:
            rates |= dict.fromkeys(classes, per_piece(at_size[key], 6))
    fees = {fee: per_piece(at_size[key], 3) for key, fee in KCOUNT_FEES.items() if key in at_size}
    audio: dict[str, Decimal] = {
        cls: per_piece(at_size[key], 6) for key, cls in AUDIO_CLASSES.items() if key in at_size
    }
    image: dict[str, Decimal] = {
        cls: per_piece(at_size[key], 6) for key, cls in IMAGE_CLASSES.items() if key in at_size
    }
    return Band(above_tokens, rates, fees, audio, image)


def _price_above(price: Any, above_tokens: int) -> Decimal:
    chosen: Decimal = getattr(price, "base", price)
    for tier in getattr(price, "tiers", ()):
        if above_tokens >= tier.start:
            chosen = tier.price
    return chosen
